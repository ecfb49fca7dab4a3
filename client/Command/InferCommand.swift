import ArgumentParser
import RoostClient
import RoostEngine
import RoostOps

/// `roost infer`: one request.
struct InferCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "infer",
        abstract: "Runs a model once on inputs from files or the command line.",
        discussion: """
            An input is a .npy file, whose datatype must be the model's, or JSON, in a file or right \
            here, whose nested arrays become a tensor of the model's datatype. @ and a file's name \
            is one element of BYTES, the file as it is:

              roost infer sum --input a=a.npy --input b='[[1, 2], [3, 4]]' --output c=c.npy
              roost infer faces --input image=@photo.jpg
            """
    )

    @Argument(help: "The model's name.") var model: String

    @Option(
        help: ArgumentHelp(
            "An input of the model; one for each.",
            valueName: "name=file.npy|file.json|json|@file"
        ),
        completion: .file(extensions: ["npy", "json"]),
        transform: InputArgument.parse
    )
    var input: [InputArgument] = []

    @Option(
        help: ArgumentHelp(
            "Save an output to a file; may be repeated.",
            valueName: "name=file.npy"
        ),
        transform: OutputArgument.parse
    )
    var output: [OutputArgument] = []

    @Option(
        name: .customLong("version"),
        help: "The version (default: that of the label `stable`, or the highest)."
    )
    var modelVersion: Int?
    @Option(help: "The label of the version, instead.") var label: String?

    @OptionGroup var fleet: FleetOptions
    @OptionGroup var balancing: BalancingOptions
    @Flag(help: "Say of each attempt where it went, and why it was not the last.")
    var verbose = false
    @Flag(help: "Print JSON, with all elements.") var json = false

    func run() throws {
        try Program.run { try await self.infer() }
    }

    private func infer() async throws -> ExitStatus {
        let client = try self.fleet.client(balancing: self.balancing)
        let timeout = try self.fleet.callTimeout()
        let description = try await client.describe(
            model: self.model,
            version: self.modelVersion,
            label: self.label,
            timeout: timeout
        )
        let inputs = try await self.inputs(description)
        try self.checkOutputs(description.signature)
        var options = InferenceOptions()
        options.timeout = timeout
        let clock = ContinuousClock()
        let start = clock.now
        let result: InferenceResult
        do throws(InferenceError) {
            result = try await client.infer(
                model: self.model,
                // The version that was described, even if a higher one comes meanwhile.
                version: description.version,
                inputs: inputs,
                options: options
            )
        } catch {
            self.report(error.attempts)
            throw error
        }
        self.report(result.earlierAttempts)
        let latency = clock.now - start
        await client.close()
        try await self.save(result.outputs)
        Output.standard.line(
            self.json ? self.document(result, latency) : self.text(result, latency)
        )
        return .ok
    }

    /// Says what happened before the answer, or instead of it.
    private func report(_ attempts: [InferenceAttempt]) {
        guard self.verbose else { return }
        for attempt in attempts {
            let kind = attempt.isHedge ? "second copy" : "attempt"
            Output.error.line(
                "\(kind) on \(attempt.worker) ended after \(attempt.duration.text): \(attempt.code)"
            )
        }
    }

    private func inputs(_ description: ModelDescription) async throws -> NamedTensors {
        let signature = description.signature
        let arguments = self.input
        let model = self.model
        return try await OffPool.run {
            Result { () throws(CommandError) -> NamedTensors in
                var tensors = NamedTensors()
                for argument in arguments {
                    guard let input = signature.inputs.first(where: { $0.name == argument.name })
                    else { throw Self.unknown("input", argument.name, model, signature.inputs) }
                    guard tensors[argument.name] == nil else {
                        throw CommandError(
                            .usage,
                            "input '\(argument.name)' is given more than once"
                        )
                    }
                    tensors.append(argument.name, try argument.tensor(for: input, model: model))
                }
                if let missing = signature.inputs.first(where: { tensors[$0.name] == nil }) {
                    throw CommandError(
                        .usage,
                        "input '\(missing.name)' is missing: give --input "
                            + "\(missing.name)=FILE with \(missing.datatype) "
                            + missing.dimensionsText
                    )
                }
                return tensors
            }
        }.get()
    }

    private func checkOutputs(_ signature: ModelSignature) throws(CommandError) {
        for argument in self.output
        where !signature.outputs.contains(where: { $0.name == argument.name }) {
            throw Self.unknown("output", argument.name, self.model, signature.outputs)
        }
    }

    private static func unknown(
        _ what: String,
        _ name: String,
        _ model: String,
        _ known: [TensorSignature]
    ) -> CommandError {
        let names = known.prefix(16).map { "'\($0.name)'" }.joined(separator: ", ")
        return CommandError(.badData, "model '\(model)' has no \(what) '\(name)'; it has \(names)")
    }

    private func save(_ outputs: NamedTensors) async throws {
        for argument in self.output {
            guard let tensor = outputs[argument.name] else { continue }
            try await OffPool.run {
                Result { () throws(CommandError) in
                    try FileBytes.write(NPYFile.bytes(of: tensor), to: argument.path)
                }
            }.get()
        }
    }

    private func text(_ result: InferenceResult, _ latency: Duration) -> String {
        var lines: [String] = []
        for output in result.outputs {
            if let saved = self.output.first(where: { $0.name == output.name }) {
                lines.append("\(output.name) \(output.tensor) saved to \(saved.path)")
            } else {
                lines.append("\(output.name) \(output.tensor)")
                lines.append(TensorText(output.tensor).text)
            }
        }
        var details = "\(self.model)/\(result.version) on \(result.worker) in \(latency.text)"
        details += ", model \(result.computeTime.text), queue \(result.queueTime.text)"
        if result.attempts > 1 { details += ", \(result.attempts) attempts" }
        if result.wasHedge { details += ", by the second copy" }
        Output.error.line(details)
        return lines.joined(separator: "\n")
    }

    private func document(_ result: InferenceResult, _ latency: Duration) -> String {
        JSON.object([
            ("model", .string(self.model)), ("version", .number(result.version)),
            ("worker", .string(result.worker)), ("attempts", .number(result.attempts)),
            ("hedge", .bool(result.wasHedge)),
            (
                "earlier_attempts",
                .array(
                    result.earlierAttempts.map {
                        .object([
                            ("worker", .string($0.worker)), ("code", .string("\($0.code)")),
                            ("hedge", .bool($0.isHedge)),
                            ("duration_ms", .number($0.duration.milliseconds)),
                        ])
                    }
                )
            ),
            ("latency_ms", .number(latency.milliseconds)),
            ("queue_ms", .number(result.queueTime.milliseconds)),
            ("compute_ms", .number(result.computeTime.milliseconds)),
            (
                "outputs",
                .array(
                    result.outputs.map {
                        .object([
                            ("name", .string($0.name)),
                            ("datatype", .string($0.tensor.datatype.name)),
                            ("shape", .array($0.tensor.shape.map { .number($0) })),
                            ("data", .array($0.tensor.jsonElements)),
                        ])
                    }
                )
            ),
        ]).description
    }
}
