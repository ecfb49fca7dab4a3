import RoostImage
import RoostOps
import RoostWire

/// What a model is given of a picture's file.
enum PictureInput: Sendable {
    /// Numbers: the picture is decoded here.
    case picture(ImageInput)
    /// The file as it is: the model decodes it, as its `model.toml` says.
    case file(TensorSignature)

    /// Throws if the model takes no picture.
    init(_ description: ModelDescription) throws(CommandError) {
        let signature = description.signature
        guard signature.inputs.count == 1 else {
            throw CommandError(
                .badData,
                "model '\(description.name)' takes \(signature.inputs.count) inputs; only one with a "
                    + "single picture as input can classify"
            )
        }
        let input = signature.inputs[0]
        if input.datatype == .bytes, input.accepts(Self.shape(input)) {
            self = .file(input)
            return
        }
        do throws(ImageError) {
            self = .picture(try ImageInput(signature: input))
        } catch {
            throw CommandError(.badData, "model '\(description.name)': \(error.message)")
        }
    }

    /// The input's name.
    var name: String {
        switch self {
        case .picture(let input): input.signature.name
        case .file(let input): input.name
        }
    }

    /// What a file's bytes become.
    func tensor(_ file: TensorStorage) throws(CommandError) -> Tensor {
        switch self {
        case .file(let input):
            return file.withUnsafeBytes { bytes in
                Tensor([Array(bytes)], shape: Self.shape(input))
            }
        case .picture(let input):
            do throws(ImageError) {
                let picture = try file.withUnsafeBytes { (bytes) throws(ImageError) in
                    try Picture.decode(bytes)
                }
                return try input.tensor(of: [picture])
            } catch {
                throw CommandError(.badData, error.message)
            }
        }
    }

    /// That of one file.
    private static func shape(_ input: TensorSignature) -> Shape {
        input.dimensions.isEmpty ? [] : [1]
    }
}
