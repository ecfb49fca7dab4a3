import Foundation
import RoostEngine
import RoostWire

/// One of ONNX's tests: a directory with a model and data sets, `test_data_set_0/input_0.pb`.
struct TestModel {
    /// A data set: inputs and what the model is to make of them.
    struct DataSet {
        let inputs: [Tensor]
        let outputs: [Tensor]
    }

    /// The directory that it lies in: `node`, `simple`.
    let set: String
    let name: String
    let directory: String

    var file: String { "\(self.directory)/model.onnx" }
    var source: ModelSource {
        ModelSource(name: self.name, version: 1, directory: self.directory, file: self.file)
    }

    /// All tests below a directory that has sets of them, in order; those without a model, which
    /// would have to be fetched, are left out.
    static func all(in directory: String) -> [TestModel] {
        let files = FileManager.default
        func names(_ path: String) -> [String] {
            ((try? files.contentsOfDirectory(atPath: path)) ?? []).sorted()
        }
        return names(directory).flatMap { set in
            names("\(directory)/\(set)")
                .map { TestModel(set: set, name: $0, directory: "\(directory)/\(set)/\($0)") }
                .filter { files.fileExists(atPath: $0.file) }
        }
    }

    func dataSets() throws -> [DataSet] {
        let files = FileManager.default
        var sets: [DataSet] = []
        while true {
            let directory = "\(self.directory)/test_data_set_\(sets.count)"
            guard files.fileExists(atPath: directory) else { return sets }
            func tensors(_ role: String) throws -> [Tensor] {
                var tensors: [Tensor] = []
                while true {
                    let path = "\(directory)/\(role)_\(tensors.count).pb"
                    guard files.fileExists(atPath: path) else { return tensors }
                    tensors.append(try TensorFile(path: path).tensor())
                }
            }
            sets.append(DataSet(inputs: try tensors("input"), outputs: try tensors("output")))
        }
    }
}
