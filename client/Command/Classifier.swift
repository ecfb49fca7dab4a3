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
    private let input: PictureInput
    private let output: ClassOutput
    private let top: Int
    private let timeout: Duration

    /// - Parameter top: how many classes of each picture.
    init(
        client: FleetClient,
        description: ModelDescription,
        input: PictureInput,
        output: ClassOutput,
        top: Int,
        timeout: Duration
    ) {
        self.client = client
        self.description = description
        self.input = input
        self.output = output
        self.top = top
        self.timeout = timeout
    }

    func classify(_ file: String) async -> Answer {
        do {
            let tensor = try await OffPool.run { [input] in
                Result { try Self.tensor(file, input) }
            }.get()
            var options = InferenceOptions()
            options.timeout = self.timeout
            options.outputs = self.output.names
            let clock = ContinuousClock()
            let start = clock.now
            let result = try await self.client.infer(
                model: self.description.name,
                version: self.description.version,
                inputs: [self.input.name: tensor],
                options: options
            )
            let latency = clock.now - start
            let classification = try self.output.classification(result.outputs, top: self.top)
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

    private static func tensor(_ file: String, _ input: PictureInput) throws -> Tensor {
        let bytes = try FileBytes.read(
            file,
            byteCountMax: PictureLimits().byteCountMax,
            what: "a picture"
        )
        return try input.tensor(bytes)
    }
}
