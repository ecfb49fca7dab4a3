internal import Glibc
package import Logging
internal import RoostEngine
package import RoostOps
package import RoostWorker

/// Loads a worker's models and says how that goes.
package struct ModelStartup: Sendable {
    /// How many of a repository's problems are logged.
    private static let warningsMax = 10

    private let directory: String
    private let enginePath: String?
    private let options: SessionOptions
    private let logger: Logger

    package init(
        _ options: WorkerOptions,
        logger: Logger,
        environment: Environment = .process
    ) throws(CommandError) {
        self.directory = options.models
        // The engine looks at the variable itself.
        self.enginePath = options.enginePath
        self.options = try options.sessionOptions(environment: environment)
        self.logger = logger
    }

    /// Loads everything that can be loaded; throws if that is nothing. Blocks.
    package func load() throws(CommandError) -> [LoadedModel] {
        try self.checkDirectory()
        let repository = ModelRepository(directory: self.directory)
        let listing = repository.scan()
        guard !listing.sources.isEmpty else { throw self.nothing(listing.problems) }
        let engine: ONNXRuntime
        do throws(EngineError) {
            engine = try ONNXRuntime(libraryPath: self.enginePath)
        } catch {
            throw CommandError(.configuration, error.message)
        }
        self.logger.debug(
            "engine loaded",
            metadata: [
                "engine": "\(engine.name) \(engine.version)", "path": "\(engine.libraryPath)",
            ]
        )
        let outcome = ModelLoader(engine: engine, options: self.options).load(repository) {
            model,
            duration in
            self.logger.info(
                "model loaded",
                metadata: [
                    "model": "\(model.name)/\(model.version)",
                    "time": "\(duration.text)",
                ]
            )
        }
        guard !outcome.models.isEmpty else { throw self.nothing(outcome.problems) }
        self.warn(of: outcome.problems)
        return outcome.models
    }

    private func checkDirectory() throws(CommandError) {
        guard let stream = opendir(self.directory) else {
            throw CommandError(
                .noInput,
                "model repository '\(self.directory)' cannot be read: "
                    + "\(String(cString: strerror(errno))); name a directory that holds "
                    + "NAME/VERSION/model.onnx"
            )
        }
        closedir(stream)
    }

    /// The error for a repository without a model that works; all problems but the first, which it
    /// names itself, are logged.
    private func nothing(_ problems: [String]) -> CommandError {
        guard let first = problems.first else {
            return CommandError(
                .configuration,
                "model repository '\(self.directory)' is empty: "
                    + "put a model at \(self.directory)/NAME/1/model.onnx"
            )
        }
        self.warn(of: problems.dropFirst())
        return CommandError(
            .configuration,
            "no model could be loaded from '\(self.directory)': \(first)"
        )
    }

    /// Logs the first few: a wrong directory may have thousands.
    private func warn(of problems: some Collection<String>) {
        for problem in problems.prefix(Self.warningsMax) { self.logger.warning("\(problem)") }
        guard problems.count > Self.warningsMax else { return }
        self.logger.warning("... and \(problems.count - Self.warningsMax) more problems like these")
    }
}
