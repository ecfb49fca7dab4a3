import ArgumentParser
import RoostEngine
import RoostOps

/// `roost engine list`: which engines a worker that is started here finds.
struct EngineListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Lists the engines that a worker started here finds, and what is missing.",
        discussion: """
            Exit codes: 0 there is at least one and all that are there work, 78 there is none, or \
            one cannot be used.
            """
    )

    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let json = self.json
        try Program.run {
            let report = await OffPool.run { EngineListReport.make() }
            Output.standard.line(json ? report.json.description : report.text)
            return report.status
        }
    }
}

/// What there is of each engine.
struct EngineListReport: Sendable {
    struct Entry: Sendable {
        let name: String
        /// `nil`: it is missing or cannot be used.
        var version: String?
        var path: String?
        var devices: [String] = []
        var isMissing = false
        /// What is wrong, and what to do about it.
        var problem = ""
    }

    var entries: [Entry] = []

    /// Looks for them and loads each. Blocks.
    static func make() -> EngineListReport {
        EngineListReport(entries: [
            Self.entry(ONNXRuntime.name) { () throws(EngineError) in
                let engine = try ONNXRuntime()
                return (engine, engine.libraryPath)
            },
            Self.entry(OpenVINO.name) { () throws(EngineError) in
                let engine = try OpenVINO()
                return (engine, engine.libraryPath)
            },
            Self.entry(TensorFlow.name) { () throws(EngineError) in
                let engine = try TensorFlow()
                return (engine, engine.libraryPath)
            },
        ])
    }

    private static func entry(
        _ name: String,
        _ find: () throws(EngineError) -> (engine: any Engine, path: String)
    ) -> Entry {
        var entry = Entry(name: name)
        do throws(EngineError) {
            let (engine, path) = try find()
            entry.version = engine.version
            entry.path = path
            entry.devices = engine.devices
        } catch {
            entry.isMissing = error.code == .engineMissing
            entry.problem =
                entry.isMissing ? "not installed: roost engine install \(name)" : error.message
        }
        return entry
    }

    var status: ExitStatus {
        let isWell =
            self.entries.contains { $0.version != nil }
            && self.entries.allSatisfy { $0.version != nil || $0.isMissing }
        return isWell ? .ok : .configuration
    }

    var text: String {
        var table = Table(columns: ["ENGINE", "VERSION", "DEVICES", "LIBRARY"])
        for entry in self.entries {
            if let version = entry.version, let path = entry.path {
                table.add([entry.name, version, entry.devices.joined(separator: ", "), path])
            } else {
                table.add([entry.name, "-", "-", entry.problem])
            }
        }
        return table.text
    }

    var json: JSON {
        .array(
            self.entries.map { entry in
                .object([
                    ("engine", .string(entry.name)),
                    ("version", entry.version.map(JSON.string) ?? .null),
                    ("library", entry.path.map(JSON.string) ?? .null),
                    ("devices", .array(entry.devices.map(JSON.string))),
                    ("problem", entry.problem.isEmpty ? .null : .string(entry.problem)),
                ])
            }
        )
    }
}
