import ArgumentParser
import EngineInstaller
import Glibc
import RoostOps

/// `roost engine install`: fetches an engine from PyPI.
struct EngineInstallCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "install",
        abstract: "Downloads an engine's libraries with pip, and checks them.",
        discussion: """
            Python is needed for this only, workers start without it. Of the wheel only the \
            libraries that a worker opens are kept, in DIR/NAME. Workers that are started in the \
            directory that has .engines, or whose program lies below it, find them there by \
            themselves.

            Exit codes: 0 it is installed, 64 wrong usage, 70 there is no such wheel or it is \
            damaged, 73 the directory cannot be written, 78 this machine has no wheel, or no pip.
            """
    )

    @Argument(
        help: "Which: onnxruntime, openvino or tensorflow.",
        completion: .list(EngineInstaller.engines)
    )
    var engine: String

    @Flag(help: "The build for NVIDIA's GPUs (onnxruntime only).") var gpu = false

    @Option(
        help: ArgumentHelp("Where engines are kept.", valueName: "dir"),
        completion: .directory
    )
    var into = ".engines"

    func validate() throws {
        guard EngineInstaller.engines.contains(self.engine) else {
            throw ValidationError(
                "there is no engine '\(self.engine)'; there are "
                    + EngineInstaller.engines.joined(separator: ", ")
            )
        }
        guard !self.gpu || self.engine == EngineInstaller.engines[0] else {
            throw ValidationError("only \(EngineInstaller.engines[0]) has a build for GPUs")
        }
        guard !self.into.isEmpty else { throw ValidationError("--into is empty") }
    }

    func run() throws {
        // A path that begins with a dash is not to be taken for an option.
        let directory = self.into.hasPrefix("/") ? self.into : "./\(self.into)"
        let arguments =
            (self.gpu ? ["--gpu"] : []) + [self.engine, "\(directory)/\(self.engine)"]
        try Program.run {
            // It comes back only if it fails.
            throw CommandError(.configuration, EngineInstaller.run(arguments))
        }
    }
}
