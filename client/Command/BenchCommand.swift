import ArgumentParser
import RoostClient
import RoostOps

/// `roost bench`: how fast the fleet answers.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Sends requests in a closed loop and measures throughput and latency.",
        discussion: """
            Each of the concurrent callers sends its next request when it has the answer to the last. \
            Without --input, inputs are random, with every dimension that the model leaves open being \
            one. Ctrl-C ends it early and prints what was measured.
            """
    )

    @Argument(help: "The model's name.") var model: String

    @Option(help: ArgumentHelp("How many requests are under way at once.", valueName: "count"))
    var concurrency = 1

    @Option(
        help: ArgumentHelp("How long to send: 10, 500ms, 2m.", valueName: "seconds"),
        transform: BenchCommand.duration
    )
    var duration = TimeSpan(.seconds(10))

    @Option(
        help: ArgumentHelp(
            "An input of the model (default: random numbers).",
            valueName: "name=file.npy|file.json|json"
        ),
        completion: .file(extensions: ["npy", "json"]),
        transform: InputArgument.parse
    )
    var input: [InputArgument] = []

    @Option(
        help: ArgumentHelp(
            "The size of an open dimension in random inputs; may be repeated.",
            valueName: "name=size"
        ),
        transform: DimensionArgument.parse
    )
    var dimension: [DimensionArgument] = []

    @Option(name: .customLong("version"), help: "The version (default: the worker's highest).")
    var modelVersion: Int?

    @Flag(help: "Call from Swift's default thread pool instead of the client's own executor.")
    var pool = false

    @OptionGroup var fleet: FleetOptions
    @OptionGroup var balancing: BalancingOptions
    @Flag(help: "Print JSON.") var json = false

    private static func duration(_ text: String) throws -> TimeSpan {
        guard let span = TimeSpan(text, bareUnit: "s"), span.duration > .zero else {
            throw ValidationError("'\(text)' is no duration: write 10, 500ms or 2m")
        }
        return span
    }

    func validate() throws {
        guard (1...10_000).contains(self.concurrency) else {
            throw ValidationError("--concurrency must be 1 to 10000")
        }
    }

    func run() throws {
        try Program.run(stoppable: self.bench)
    }

    private func bench(_ requests: StopRequests) async throws -> ExitStatus {
        let client = try self.fleet.client(
            inFlight: self.concurrency,
            balancing: self.balancing
        )
        let timeout = try self.fleet.callTimeout()
        let description = try await client.describe(
            model: self.model,
            version: self.modelVersion,
            timeout: timeout
        )
        var options = InferenceOptions()
        options.timeout = timeout
        let run = BenchRun(
            client: client,
            model: self.model,
            version: self.modelVersion,
            inputs: try await self.inputs(description.signature),
            options: options,
            concurrency: self.concurrency,
            duration: self.duration.duration,
            usesPool: self.pool
        )
        // What is wrong with one request is wrong with all: say so before counting errors.
        try await run.once()
        requests.arm()
        let report = await run.measure(requests)
        await client.close()
        Output.standard.line(self.json ? report.json.description : report.text)
        return report.status
    }

    private func inputs(_ signature: ModelSignature) async throws -> NamedTensors {
        let (arguments, model) = (self.input, self.model)
        let sizes = Dictionary(self.dimension.map { ($0.name, $0.size) }) { _, last in last }
        let names = signature.inputs.flatMap(\.dimensions).compactMap { dimension in
            if case .dynamic(let name) = dimension { name } else { nil }
        }
        for name in sizes.keys where !names.contains(name) {
            let open = Set(names).sorted().map { "'\($0)'" }.joined(separator: ", ")
            throw CommandError(
                .usage,
                "model '\(model)' has no open dimension '\(name)'; "
                    + (open.isEmpty ? "all of its are fixed" : "it has \(open)")
            )
        }
        for argument in arguments
        where !signature.inputs.contains(where: { $0.name == argument.name }) {
            let known = signature.inputs.map { "'\($0.name)'" }.joined(separator: ", ")
            throw CommandError(
                .badData,
                "model '\(model)' has no input '\(argument.name)'; it has \(known)"
            )
        }
        return try await OffPool.run {
            Result { () throws(CommandError) -> NamedTensors in
                var tensors = NamedTensors()
                for input in signature.inputs {
                    if let argument = arguments.first(where: { $0.name == input.name }) {
                        tensors.append(input.name, try argument.tensor(for: input, model: model))
                    } else {
                        tensors.append(input.name, try RandomTensor.make(for: input, sizes: sizes))
                    }
                }
                return tensors
            }
        }.get()
    }
}
