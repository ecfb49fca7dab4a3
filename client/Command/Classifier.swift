import RoostClient
import RoostImage
import RoostOps

/// Classifies one picture after the other with one model.
struct Classifier: Sendable {
    /// What became of one file.
    struct Answer: Sendable {
        let file: String
        let outcome: Result<Success, any Error>
    }

    /// A picture's classes, and how the answer came about.
    struct Success: Sendable {
        let classification: Classification
        let result: InferenceResult
        /// How long the request took, without reading the picture.
        let latency: Duration
    }

    private let client: FleetClient
    private let description: ModelDescription
    private let input: ImageInput
    private let output: String
    private let top: Int
    private let timeout: Duration

    /// Throws if the model takes no picture, or it is not clear which of its outputs to use.
    init(
        client: FleetClient,
        description: ModelDescription,
        output: String?,
        top: Int,
        timeout: Duration
    ) throws {
        let signature = description.signature
        guard signature.inputs.count == 1 else {
            throw CommandError(
                .badData,
                "model '\(description.name)' takes \(signature.inputs.count) inputs; only one with a "
                    + "single picture as input can classify"
            )
        }
        do throws(ImageError) {
            self.input = try ImageInput(signature: signature.inputs[0])
        } catch {
            throw CommandError(.badData, "model '\(description.name)': \(error.message)")
        }
        self.output = try Self.output(output, of: description)
        self.client = client
        self.description = description
        self.top = top
        self.timeout = timeout
    }

    private static func output(
        _ chosen: String?,
        of description: ModelDescription
    ) throws(CommandError) -> String {
        let names = description.signature.outputs.map(\.name)
        let list = names.map { "'\($0)'" }.joined(separator: ", ")
        if let chosen {
            guard names.contains(chosen) else {
                throw CommandError(
                    .badData,
                    "model '\(description.name)' has no output '\(chosen)'; it has \(list)"
                )
            }
            return chosen
        }
        guard names.count == 1 else {
            throw CommandError(
                .usage,
                "model '\(description.name)' has the outputs \(list): choose one with --output"
            )
        }
        return names[0]
    }

    func classify(_ file: String) async -> Answer {
        do {
            let tensor = try await OffPool.run { [input] in
                Result { try Self.tensor(file, input) }
            }.get()
            var options = InferenceOptions()
            options.timeout = self.timeout
            options.outputs = [self.output]
            let clock = ContinuousClock()
            let start = clock.now
            let result = try await self.client.infer(
                model: self.description.name,
                version: self.description.version,
                inputs: [self.input.signature.name: tensor],
                options: options
            )
            let latency = clock.now - start
            guard let scores = result.outputs[self.output] else {
                throw CommandError(.failed, "the answer has no output '\(self.output)'")
            }
            let classification = try Classification(scores, count: self.top, output: self.output)
            let success = Success(
                classification: classification,
                result: result,
                latency: latency
            )
            return Answer(file: file, outcome: .success(success))
        } catch {
            return Answer(file: file, outcome: .failure(error))
        }
    }

    private static func tensor(_ file: String, _ input: ImageInput) throws -> Tensor {
        let bytes = try FileBytes.read(
            file,
            byteCountMax: PictureLimits().byteCountMax,
            what: "a picture"
        )
        do throws(ImageError) {
            let picture = try bytes.withUnsafeBytes { (bytes) throws(ImageError) in
                try Picture.decode(bytes)
            }
            return try input.tensor(of: [picture])
        } catch {
            throw CommandError(.badData, error.message)
        }
    }
}
