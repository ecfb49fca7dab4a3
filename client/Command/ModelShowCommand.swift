import ArgumentParser
import RoostClient
import RoostOps

/// `roost model show`: a model's signature and what its file says of itself.
struct ModelShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Shows a model's inputs, outputs and metadata, as one of its workers says."
    )

    @Argument(help: "The model's name.") var name: String
    @Option(
        name: .customLong("version"),
        help: "The version (default: that of the label `stable`, or the highest)."
    )
    var modelVersion: Int?
    @Option(help: "The label of the version, instead.") var label: String?
    @OptionGroup var fleet: FleetOptions
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        try Program.run {
            let client = try self.fleet.client()
            let model = try await client.describe(
                model: self.name,
                version: self.modelVersion,
                label: self.label,
                timeout: try self.fleet.callTimeout()
            )
            await client.close()
            Output.standard.line(self.json ? Self.json(model) : Self.text(model))
            return .ok
        }
    }

    /// The longest value of the metadata that is shown.
    private static let valueMax = 120

    private static func text(_ model: ModelDescription) -> String {
        var lines = ["\(model.name) version \(model.version), \(model.engine)", ""]
        var table = Table(columns: ["", "NAME", "DATATYPE", "SHAPE"])
        for input in model.signature.inputs { table.add(["input"] + Self.cells(input)) }
        for output in model.signature.outputs { table.add(["output"] + Self.cells(output)) }
        lines.append(table.text)
        let metadata = model.metadata.sorted { $0.key < $1.key }
        if !metadata.isEmpty { lines.append("") }
        for (key, value) in metadata {
            let text = value.split(whereSeparator: \.isNewline).joined(separator: ", ")
            let isLong = text.count > Self.valueMax
            lines.append("\(key): \(isLong ? text.prefix(Self.valueMax) + "..." : text[...])")
        }
        return lines.joined(separator: "\n")
    }

    private static func cells(_ tensor: TensorSignature) -> [String] {
        [tensor.name, tensor.datatype.name, tensor.dimensionsText]
    }

    private static func json(_ model: ModelDescription) -> String {
        JSON.object([
            ("name", .string(model.name)), ("version", .number(model.version)),
            ("engine", .string(model.engine)),
            ("inputs", .array(model.signature.inputs.map(Self.json))),
            ("outputs", .array(model.signature.outputs.map(Self.json))),
            ("labels", .array(model.labels.map { .string($0) })),
            (
                "metadata",
                .object(
                    model.metadata.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) }
                )
            ),
        ]).description
    }

    /// As in the Open Inference Protocol: a dimension of any size is -1.
    private static func json(_ tensor: TensorSignature) -> JSON {
        .object([
            ("name", .string(tensor.name)), ("datatype", .string(tensor.datatype.name)),
            (
                "shape",
                .array(
                    tensor.dimensions.map { dimension in
                        switch dimension {
                        case .fixed(let size): .number(size)
                        case .dynamic: .number(-1)
                        }
                    }
                )
            ),
        ])
    }
}
