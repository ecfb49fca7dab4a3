import ArgumentParser
import RoostEngine
import RoostOps
import RoostWire

/// One `--input NAME=FILE`: the tensor comes from a `.npy` file, a `.json` file or JSON itself, or is
/// the bytes of a file, `NAME=@FILE`.
struct InputArgument: DescribedArgument, Hashable, Sendable {
    static let expected = "NAME=FILE.npy, NAME=FILE.json, NAME=JSON or NAME=@FILE"

    let name: String
    let source: String

    init?(argument: String) {
        guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex else {
            return nil
        }
        self.name = String(argument[..<equals])
        self.source = String(argument[argument.index(after: equals)...])
        if self.source.isEmpty { return nil }
    }

    /// The tensor for that input of a model. Blocks on the file system.
    func tensor(for input: TensorSignature, model: String) throws(CommandError) -> Tensor {
        let tensor: Tensor
        let origin: String
        if self.source.hasPrefix("@") {
            origin = String(self.source.dropFirst())
            tensor = try self.element(for: input, model: model)
        } else if self.source.hasSuffix(".npy") {
            origin = self.source
            tensor = try self.array()
            guard tensor.datatype == input.datatype else {
                throw CommandError(
                    .badData,
                    "\(self.source) holds \(tensor.datatype), but input '\(self.name)' of model "
                        + "'\(model)' takes \(input.datatype)\(Self.advice(input.datatype))"
                )
            }
        } else {
            let json = try self.json()
            origin = self.source.hasSuffix(".json") ? self.source : "the JSON given"
            do throws(TensorReader.Problem) {
                tensor = try TensorReader(datatype: input.datatype).tensor(json)
            } catch {
                throw CommandError(
                    .badData,
                    "\(origin) does not fit input '\(self.name)' of model '\(model)': \(error.reason)"
                )
            }
        }
        guard input.accepts(tensor.shape) else {
            throw CommandError(
                .badData,
                "\(origin) has shape \(tensor.shape), but input '\(self.name)' of model '\(model)' "
                    + "takes \(input.dimensionsText)"
            )
        }
        return tensor
    }

    /// One element, the file's bytes as they are.
    private func element(
        for input: TensorSignature,
        model: String
    ) throws(CommandError) -> Tensor {
        guard input.datatype == .bytes else {
            throw CommandError(
                .badData,
                "\(self.source) means a file's bytes as they are, but input '\(self.name)' of model "
                    + "'\(model)' takes \(input.datatype)"
            )
        }
        let file = try FileBytes.read(
            String(self.source.dropFirst()),
            byteCountMax: WireLimits.payloadBytesMax,
            what: "an input"
        )
        return Tensor(
            [file.withUnsafeBytes { Array($0) }],
            shape: Shape(input.dimensions.map { _ in 1 })
        )
    }

    private func array() throws(CommandError) -> Tensor {
        let file = try FileBytes.read(
            self.source,
            // The header comes on top.
            byteCountMax: WireLimits.payloadBytesMax + (64 << 10),
            what: "an input"
        )
        do throws(NPYFile.FormatError) {
            return try NPYFile.read(file)
        } catch {
            throw CommandError(.badData, "\(self.source) \(error.reason)")
        }
    }

    private func json() throws(CommandError) -> JSON {
        let isFile = self.source.hasSuffix(".json")
        let bytes: [UInt8]
        if isFile {
            bytes = try FileBytes.read(
                self.source,
                // A number of eight bytes takes about twenty as text.
                byteCountMax: 4 * WireLimits.payloadBytesMax,
                what: "a JSON file"
            ).withUnsafeBytes { Array($0) }
        } else {
            bytes = Array(self.source.utf8)
        }
        do throws(JSON.ParseError) {
            return try JSON.parse(bytes)
        } catch {
            throw isFile
                ? CommandError(.badData, "\(self.source) is no JSON: \(error)")
                : CommandError(
                    .usage,
                    "--input \(self.name)=\(self.source.prefix(64)) is neither a .npy file, a .json "
                        + "file, nor JSON, nor @ and a file's name: \(error)"
                )
        }
    }

    /// How such an array is made of another, where NumPy has the type.
    private static func advice(_ datatype: DataType) -> String {
        switch datatype {
        case .bytes: ": save an array of bytes or texts"
        case .bf16: ", which NumPy does not have: give JSON"
        default:
            NPYHeader.datatypes.first { $0.datatype == datatype }
                .map { ": save array.astype('\($0.code)')" } ?? ""
        }
    }
}
