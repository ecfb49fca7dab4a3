import ArgumentParser
import RoostOps
import RoostWorker

/// `roost`: the fleet's command line.
@main
struct RoostCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "roost",
        abstract: "Serves machine-learning models from a fleet of workers, and asks it.",
        discussion: """
            Results go to stdout, progress and errors to stderr. Each option can be set in the \
            environment: --broker is ROOST_BROKER, several brokers are separated by commas.

            Exit codes: 0 done, 64 wrong usage, 65 input that does not fit, 66 no such file, 69 no \
            broker, worker or model, 70 failed, 73 cannot write a file, 75 try again, 78 wrong \
            configuration.

            Completions for a shell: roost --generate-completion-script bash (or zsh, fish).
            """,
        version: Program.version,
        subcommands: [
            ServeCommand.self, WorkersCommand.self, ModelsCommand.self, ModelCommand.self,
            StatsCommand.self, InferCommand.self, ClassifyCommand.self, BenchCommand.self,
            EngineCommand.self,
        ]
    )

    static func main() {
        IsolatedProgram.runIfAsked()
        self.main(nil)
    }
}
