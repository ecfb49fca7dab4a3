internal import Glibc
package import Logging
internal import RoostEngine
package import RoostOps
package import RoostWorker

/// Loads a worker's models and says how that goes.
package struct ModelStartup: Sendable {
    /// How many of a repository's problems are logged.
    private static let warningsMax = 10

    private let repository: ModelRepository
    private let enginePath: String?
    private let worker: WorkerOptions
    private let options: SessionOptions
    private let sharedThreads: Int?
    private let environment: Environment
    private let logger: Logger

    package init(
        _ options: WorkerOptions,
        logger: Logger,
        environment: Environment = .process
    ) throws(CommandError) {
        self.repository = try options.repository(environment: environment)
        // The engine looks at the variable itself.
        self.enginePath = options.enginePath
        self.options = try options.sessionOptions(environment: environment)
        self.sharedThreads = try options.sharedThreads(environment: environment)
        self.worker = options
        self.environment = environment
        self.logger = logger
    }

    private var directory: String { self.repository.directory }

    /// Loads everything that is to be served; throws if nothing can be. Blocks.
    package func load() throws(CommandError) -> (supply: ModelSupply, stock: ModelSupply.Stock) {
        try self.checkDirectory()
        let listing = self.repository.scan()
        guard !listing.sources.isEmpty else { throw self.nothing(listing.problems) }
        let logger = self.logger
        let engines = Engines(
            onnxRuntimePath: self.enginePath,
            sharedThreads: self.sharedThreads
        ) { engine, path in
            logger.debug(
                "engine loaded",
                metadata: ["engine": "\(engine.name) \(engine.version)", "path": "\(path)"]
            )
        }
        var loader = ModelLoader(engines: engines, options: self.options)
        loader.isolation = try self.worker.isolation(environment: self.environment) { model, line in
            logger.warning("\(line)", metadata: ["process": "\(model)"])
        }
        loader.cpus = try self.worker.placement(environment: self.environment)
        var supply = ModelSupply(repository: self.repository, loader: loader)
        try self.worker.follow(&supply, environment: self.environment)
        let stock = supply.stock { model, duration in
            WorkerProgram.log(
                .modelLoaded(model.name, model.version, duration),
                to: self.logger
            )
        }
        guard !stock.table.records.isEmpty else { throw self.nothing(stock.problems) }
        self.warn(of: stock.problems)
        return (supply, stock)
    }

    private func checkDirectory() throws(CommandError) {
        guard let stream = opendir(self.directory) else {
            throw CommandError(
                .noInput,
                "model repository '\(self.directory)' cannot be read: "
                    + "\(String(cString: strerror(errno))); name a directory that holds "
                    + "NAME/VERSION/\(ModelFormat.onnx.fileName)"
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
