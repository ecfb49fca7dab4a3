import ArgumentParser
import RoostEngine
import RoostOps
import RoostWorker

/// `roost model check`: what a worker would make of a directory.
struct ModelCheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Loads models as a worker does, and says how they are served and what is wrong.",
        discussion: """
            No worker and no broker is needed. Of each setting it says where it comes from: \
            model.toml, or the default. With --tune it also measures each model at several batch sizes \
            and instance counts and prints what to put into model.toml; nothing else should run then.

            Exit codes: 0 all is well, 65 a model cannot be served, 78 a model.toml is wrong.
            """
    )

    @Argument(
        help: "A repository, a model's directory in it, or a version's.",
        completion: .directory
    )
    var directory: String

    @Flag(help: "Measure which batch size and how many instances are best.")
    var tune = false

    @Option(
        help: ArgumentHelp("How long to measure each model.", valueName: "duration"),
        transform: TimeSpan.parse
    )
    var tuneTime = TimeSpan(.seconds(30))

    @Option(
        help: ArgumentHelp(
            "ONNX Runtime's library or its directory (default: where 'make engines' puts it).",
            valueName: "path"
        ),
        completion: .file()
    )
    var enginePath: String?

    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        guard (.seconds(1)...Duration.seconds(3600)).contains(self.tuneTime.duration) else {
            throw ValidationError("--tune-time must be 1s to 1h")
        }
    }

    func run() throws {
        let (path, enginePath) = (self.directory, self.enginePath)
        let (tuneTime, json) = (self.tune ? self.tuneTime.duration : nil, self.json)
        try Program.run {
            let status = await OffPool.run {
                Result { () throws(CommandError) -> ExitStatus in
                    let location = try ModelLocation(path: path)
                    let engines = Engines(onnxRuntimePath: enginePath)
                    var isolation = IsolationOptions()
                    isolation.onnxRuntimePath = enginePath
                    isolation.report = { Output.error.write("\($0): \($1)\n") }
                    let check = ModelCheck(
                        engines: engines,
                        isolation: isolation,
                        location: location,
                        tuneTime: tuneTime
                    )
                    let report = try check.run()
                    Output.standard.line(json ? report.json.description : report.text)
                    return report.status
                }
            }
            return try status.get()
        }
    }
}
