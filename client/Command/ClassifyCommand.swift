import ArgumentParser
import RoostClient
import RoostImage
import RoostOps

/// `roost classify`: what is on pictures.
struct ClassifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "classify",
        abstract: "Says what a model sees on pictures (PNG, JPEG or WebP of any size and colour).",
        discussion: """
            With - for the pictures, file names are read from standard input, one a line, and each is \
            answered as soon as it is done, in their order:

              find photos -name '*.jpg' | roost classify resnet -

            A model whose model.toml has a table [preprocessing] is given the files as they are, and \
            one with [post-processing] names the classes itself. For others the pictures are decoded \
            and resized here, and the best scores are looked for.

            A picture that cannot be read or classified has its error in its line; the others go on, \
            and the exit code is that of the first error.
            """
    )

    @Argument(help: "The model's name.") var model: String

    @Argument(
        help: "The pictures, or - to read their names from standard input.",
        completion: .file(extensions: ["png", "jpg", "jpeg"])
    )
    var images: [String]

    @Option(help: ArgumentHelp("How many classes to print for each.", valueName: "count"))
    var top = 1

    @Option(
        help: ArgumentHelp(
            "The classes' names, one a line (default: those in the model's metadata).",
            valueName: "file"
        ),
        completion: .file()
    )
    var labels: String?

    @Option(help: "The output with the scores (default: the model's only one).")
    var output: String?

    @Option(name: .customLong("version"), help: "The version (default: the worker's highest).")
    var modelVersion: Int?

    @OptionGroup var fleet: FleetOptions
    @OptionGroup var balancing: BalancingOptions
    @Flag(help: "Print a JSON object for each picture.") var json = false

    /// How many pictures are under way at once.
    static let inFlightMax = 16

    func validate() throws {
        guard self.top >= 1 else { throw ValidationError("--top must be at least 1") }
        guard !self.images.contains("-") || self.images.count == 1 else {
            throw ValidationError("'-' stands for all pictures: name none beside it")
        }
    }

    func run() throws {
        try Program.run { try await self.classify() }
    }

    private func classify() async throws -> ExitStatus {
        let client = try self.fleet.client(
            inFlight: Self.inFlightMax,
            balancing: self.balancing
        )
        let description = try await client.describe(
            model: self.model,
            version: self.modelVersion,
            timeout: try self.fleet.callTimeout()
        )
        let labels = try self.labels.map { path throws(CommandError) in try Labels(file: path) }
        let classifier = Classifier(
            client: client,
            description: description,
            input: try PictureInput(description),
            output: try ClassOutput(
                of: description,
                chosen: self.output,
                labels: labels,
                top: self.top
            ),
            top: self.top,
            timeout: try self.fleet.callTimeout()
        )
        var printer = ClassifyPrinter(json: self.json, files: self.images)
        let status = await self.answers(classifier) { printer.print($0) }
        await client.close()
        return status
    }

    /// Classifies all pictures, some at once, and hands over the answers in their order.
    private func answers(
        _ classifier: Classifier,
        _ print: (Classifier.Answer) -> Void
    ) async -> ExitStatus {
        // An element for each picture that may be begun.
        let (places, freePlace) = AsyncStream<Void>.makeStream()
        for _ in 0..<Self.inFlightMax { freePlace.yield() }
        let (pending, begun) = AsyncStream<Task<Classifier.Answer, Never>>.makeStream()
        let images = self.images
        let feeding = Task {
            let reader = LineReader()
            var index = 0
            for await _ in places {
                let file: String?
                if images == ["-"] {
                    file = await reader.next()
                } else {
                    file = index < images.count ? images[index] : nil
                    index += 1
                }
                guard let file else { break }
                if file.isEmpty {
                    freePlace.yield()
                    continue
                }
                begun.yield(Task { await classifier.classify(file) })
            }
            begun.finish()
        }
        var status = ExitStatus.ok
        for await task in pending {
            let answer = await task.value
            print(answer)
            if status == .ok, case .failure(let error) = answer.outcome {
                status = ExitStatus(error)
            }
            freePlace.yield()
        }
        await feeding.value
        return status
    }
}
