import Glibc
import RoostWire
import Testing

@testable import RoostEngine

/// Models that are more than a graph of tensors in one file.
@Suite struct ONNXRuntimeModelTests {
    private let directory = TemporaryDirectory()
    private static let models = "\(Fixtures.repository)/Tests/Fixtures/engine-models"

    private func load(
        _ name: String,
        _ engineOptions: [String: String] = [:]
    ) throws -> any Session {
        var options = SessionOptions()
        options.engineOptions = engineOptions
        return try Fixtures.session(name, in: Self.models, options: options)
    }

    @Test(
        "a classifier's maps are a tensor with a column for each class",
        arguments: [
            ("classes", ["3", "5", "7"]), ("names", ["ant", "bee", "cat"]),
        ]
    )
    func maps(name: String, classes: [String]) throws {
        let session = try self.load(name)
        #expect(
            session.signature.outputs.map(\.description) == [
                "label INT64 [n]", "probabilities FP32 [?, 3]",
            ]
        )
        #expect(
            session.metadata.first { $0.key == "labels" }?.value
                == classes.joined(separator: "\n")
        )
        let lane = try session.makeLane()
        let input = Tensor([0, 9, 0, 9, 0, 0] as [Float], shape: [2, 3])
        let outputs = try lane.run([input])
        #expect(outputs[1].shape == [2, 3])
        let rows: [Float] = try #require(outputs[1].elements())
        #expect(rows[1] > 0.99 && rows[3] > 0.99 && abs(rows[0...2].reduce(0, +) - 1) < 1e-5)
        // By itself, and of no rows.
        let none = try lane.run([Tensor([Float](), shape: [0, 3])], outputs: [1])
        #expect(none[0].shape[0] == 0)
    }

    @Test("an initializer that is named is an input that may be left out")
    func optionalInputs() throws {
        #expect(try self.load("optional").signature.inputs.map(\.name) == ["a"])
        let session = try self.load("optional", ["optional-inputs": "b"])
        let signature = session.signature
        #expect(signature.inputs.map(\.name) == ["a", "b"])
        #expect(session.metadata.contains { $0.key == "onnx.optional-inputs" && $0.value == "b" })
        let lane = try session.makeLane()
        let a = Tensor([1, 2] as [Float], shape: [2])
        let without = try signature.arrange(["a": a], model: "optional")
        let with = try signature.arrange(
            ["b": Tensor([5] as [Float], shape: [1]), "a": a],
            model: "optional"
        )
        for _ in 0..<2 {
            #expect(try lane.run(without)[0].elements() == [11, 12] as [Float])
            #expect(try lane.run(with)[0].elements() == [6, 7] as [Float])
        }
        #expect(throws: InputError("input 'a' is missing; model 'optional' needs it")) {
            try signature.arrange([:], model: "optional")
        }
        #expect(throws: InputError.self) {
            try signature.arrange(
                ["a": a, "b": Tensor([1, 2] as [Float], shape: [2])],
                model: "optional"
            )
        }
    }

    @Test("an optional input that the model does not have is an error with those that it has")
    func unknownOptionalInput() throws {
        let error = try #require(throws: EngineError.self) {
            _ = try self.load("optional", ["optional-inputs": "c"])
        }
        #expect(
            error.message
                == "model 'optional/1': engine-options: optional-inputs names 'c'; the inputs with a "
                + "value of their own are 'b'"
        )
    }

    @Test("weights in a file of their own are read from beside the model, cached or not")
    func external() throws {
        let input = Tensor([1, 1] as [Float], shape: [1, 2])
        for options in [[:], ["optimized-model-cache": self.directory.path]] {
            for _ in 0..<2 {
                let lane = try self.load("external", options).makeLane()
                #expect(try lane.run([input])[0].elements() == [4, 6] as [Float])
            }
        }
    }

    @Test(
        "weights that lie outside the version's directory are refused",
        arguments: [
            (
                "/etc/hosts",
                "its weights are to be read from '/etc/hosts', which is no path within the "
                    + "version's directory"
            ),
            (
                "../2/w.bin",
                "its weights are to be read from '../2/w.bin', which is no path within the "
                    + "version's directory"
            ),
            ("gone/w.bin", "the file 'gone/w.bin' with weights is not there"),
            (
                "linked.bin",
                "the file 'linked.bin' with weights leads out of the version's directory"
            ),
            ("folder", "'folder', which is to hold weights, is not a file that can be read"),
        ]
    )
    func externalOutside(location: String, reason: String) throws {
        self.directory.write("w/2/w.bin", [0, 0, 128, 63])
        self.directory.makeDirectory("w/1/folder")
        symlink("../2/w.bin", "\(self.directory.path)/w/1/linked.bin")
        let file = self.directory.write("w/1/model.onnx", Self.model(location: location))
        let error = try #require(throws: EngineError.self) {
            _ = try ONNXRuntime().load(
                Fixtures.source("w", in: self.directory.path),
                options: SessionOptions()
            )
        }
        #expect(error.code == .modelInvalid)
        #expect(error.message == "model 'w/1' cannot be loaded from \(file): \(reason)")
    }

    @Test("weights are found wherever a model may have them, however its file is cut off")
    func scan() throws {
        let bytes = Self.model(location: "a.bin")
        for count in 0...bytes.count {
            let scan = ONNXModelScan(path: self.directory.write("m", Array(bytes[..<count])))
            #expect(scan.fault == nil)
            if count == bytes.count { #expect(scan.externalFiles == ["a.bin"]) }
        }
        #expect(ONNXModelScan(path: "/nowhere").externalFiles.isEmpty)
    }

    @Test("graphs that lie 200 messages deep in each other are looked through, deeper ones refused")
    func depth() {
        for (graphs, isFault) in [(66, false), (67, true)] {
            var graph = Self.field(5, Self.tensor(location: "a.bin"))
            for _ in 1..<graphs {
                // A graph with a node with an attribute that is the graph.
                graph = Self.field(1, Self.field(5, Self.field(6, graph)))
            }
            let file = self.directory.write("m", Self.field(7, graph))
            let scan = ONNXModelScan(path: file)
            #expect((scan.fault != nil) == isFault)
            #expect(scan.externalFiles == (isFault ? [] : ["a.bin"]))
        }
    }

    /// A model with a weight in a file.
    private static func model(location: String) -> [UInt8] {
        Self.field(7, Self.field(5, Self.tensor(location: location)))
    }

    private static func tensor(location: String) -> [UInt8] {
        Self.field(
            13,
            Self.field(1, Array("location".utf8)) + Self.field(2, Array(location.utf8))
        ) + [14 << 3, 1]
    }

    private static func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
        var length: [UInt8] = []
        var rest = bytes.count
        while rest >= 128 {
            length.append(UInt8(rest & 127) | 128)
            rest >>= 7
        }
        return [number << 3 | 2] + length + [UInt8(rest)] + bytes
    }
}
