package import ArgumentParser
internal import Glibc
internal import RoostEngine
package import RoostOps
package import RoostWire
package import RoostWorker

/// The flags of everything that runs a worker.
package struct WorkerOptions: ParsableArguments, Sendable {
    @Argument(
        help:
            "The directory of models: NAME/VERSION/model.onnx (or model.xml, saved_model.pb, model.tflite).",
        completion: .directory
    )
    package var models: String

    @Option(
        help: ArgumentHelp(
            "A model to serve; may be repeated (default: all of the directory).",
            valueName: "name"
        )
    )
    package var model: [String] = []

    @Option(
        help: ArgumentHelp(
            "How often the directory is looked at for changes that the system does not tell of "
                + "(default: 5s).",
            valueName: "duration"
        ),
        transform: TimeSpan.parse
    )
    package var pollInterval: TimeSpan?

    @Option(
        help: ArgumentHelp(
            "For how long nothing of a new version may change before it is loaded, unless it was "
                + "renamed into place (default: 2s).",
            valueName: "duration"
        ),
        transform: TimeSpan.parse
    )
    package var settleTime: TimeSpan?

    @Option(
        help: ArgumentHelp(
            "What the files of one version may hold together, in MiB (default: 16384).",
            valueName: "MiB"
        )
    )
    package var modelSizeMax: Int?

    @Option(
        help: ArgumentHelp(
            "What loaded models may hold in memory together, such as 8GiB: those without room are "
                + "loaded when they are asked for (default: everything is loaded).",
            valueName: "size"
        ),
        transform: ByteCountArgument.parse
    )
    package var memoryBudget: ByteCountArgument?

    @Option(
        help: ArgumentHelp(
            "The host that clients are told to connect to (default: the bound one, or this "
                + "machine's address if that is 0.0.0.0).",
            valueName: "host"
        )
    )
    package var advertise: String?

    @Option(help: "The worker's name in the fleet (default: HOSTNAME-PORT).")
    package var id: String?

    @Option(help: "Where it runs, for people and schedulers: a data centre, a rack.")
    package var zone: String?

    @Option(
        help: ArgumentHelp(
            "How many requests are executed at once (default: the number of cores, or of --cpus).",
            valueName: "count"
        )
    )
    package var executors: Int?

    @Option(
        help: ArgumentHelp(
            "Which CPUs execute models, such as 0-3,8 (default: all that the process may use).",
            valueName: "list"
        )
    )
    package var cpus: String?

    @Option(
        help: ArgumentHelp(
            "The NUMA node whose CPUs execute models, instead of --cpus.",
            valueName: "node"
        )
    )
    package var numaNode: Int?

    @Option(
        help: ArgumentHelp(
            "How many more may wait before further ones are refused (default: 256).",
            valueName: "count"
        )
    )
    package var queueMax: Int?

    @Option(
        help: ArgumentHelp(
            "How long finishing may take after SIGTERM (default: 25s).",
            valueName: "duration"
        ),
        transform: TimeSpan.parse
    )
    package var drainLimit: TimeSpan?

    @Option(
        help: ArgumentHelp(
            "Where the socket for clients of this machine is made, a directory of this user alone "
                + "(default: $XDG_RUNTIME_DIR/roost, or /tmp/roost-UID).",
            valueName: "path"
        ),
        completion: .directory
    )
    package var ipcDirectory: String?

    @Flag(help: "Serve clients of this machine over TCP like all others.")
    package var noIPC = false

    @Option(
        help: ArgumentHelp(
            "Threads for a single step of one execution (default: 1).",
            valueName: "count"
        )
    )
    package var intraOpThreads: Int?

    @Option(
        help: ArgumentHelp(
            "Threads that all models of ONNX Runtime share for single steps, instead of each having "
                + "its own (default: each has its own).",
            valueName: "count"
        )
    )
    package var sharedThreads: Int?

    @Option(
        help: ArgumentHelp(
            "What executes models that do not say themselves: cpu, cuda:0, tensorrt:0 "
                + "(default: cpu).",
            valueName: "device"
        )
    )
    package var device: String?

    @Flag(
        help:
            "Run each model in a process of its own: one that crashes ends alone, and is started again."
    )
    package var isolate = false

    @Option(
        help: ArgumentHelp(
            "ONNX Runtime's library or its directory (default: where 'make engines' puts it).",
            valueName: "path"
        ),
        completion: .file()
    )
    package var enginePath: String?

    package init() {}

    /// The first port that a worker tries for which no endpoint was chosen, and the last.
    private static let defaultPorts = 7110...7199

    /// The configuration of a worker, from flags, environment and defaults.
    ///
    /// - Parameter listen: the endpoints that were chosen; empty for the first free port.
    package func configuration(
        listen: [EndpointArgument],
        brokers: [Endpoint],
        environment: Environment = .process
    ) throws(CommandError) -> WorkerConfiguration {
        let id = try environment.value("id", flag: self.id)
        let endpoints = listen.isEmpty ? Self.defaultPorts.map { .local(port: $0) } : listen
        var configuration = WorkerConfiguration(
            id: id ?? Program.hostname,
            listen: endpoints.map(\.endpoint)
        )
        configuration.addsPortToID = id == nil
        configuration.brokers = brokers
        configuration.advertisedHost =
            try environment.value("advertise", flag: self.advertise)
            ?? AdvertisedHost.choose(listen: configuration.listen, brokers: brokers)
        configuration.zone = try environment.value("zone", flag: self.zone, default: "")
        configuration.cpus = try self.placement(environment: environment)
        configuration.executors = try environment.value(
            "executors",
            flag: self.executors,
            default: configuration.cpus?.count ?? max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        )
        if let queueMax = try environment.value("queue-max", flag: self.queueMax) {
            configuration.queueMax = queueMax
        }
        if let drainLimit = try environment.value("drain-limit", flag: self.drainLimit) {
            configuration.drainLimit = drainLimit.duration
        }
        if try !environment.value("no-ipc", flag: self.noIPC ? true : nil, default: false) {
            configuration.ipcDirectory =
                try environment.value("ipc-directory", flag: self.ipcDirectory)
                ?? RuntimeDirectory.standard(environment.text("XDG_RUNTIME_DIR"))
        }
        #if DEBUG
        // ROOST_FAULT_HANG=FILE: executions stand still while FILE exists. For tests that need a
        // worker whose executors hang while the process lives.
        configuration.hangFile = environment.text("ROOST_FAULT_HANG")
        #endif
        // Before models are loaded, which may take minutes.
        let problems = configuration.problems()
        guard problems.isEmpty else {
            throw CommandError(.configuration, problems.joined(separator: "; "))
        }
        return configuration
    }

    /// The repository that its models come from.
    func repository(
        environment: Environment = .process
    ) throws(CommandError) -> ModelRepository {
        let only = try environment.values("model", flags: self.model, default: [])
        let size = try environment.value("model-size-max", flag: self.modelSizeMax, default: 16_384)
        guard (1...(1 << 40)).contains(size) else {
            throw CommandError(.configuration, "model-size-max is \(size), but must be at least 1")
        }
        return ModelRepository(
            directory: self.models,
            only: only.isEmpty ? nil : Set(only),
            versionBytesMax: size << 20
        )
    }

    /// How its repository is followed, and how much of it may be loaded.
    func follow(
        _ supply: inout ModelSupply,
        environment: Environment = .process
    ) throws(CommandError) {
        func set(
            _ name: String,
            _ flag: TimeSpan?,
            _ bounds: ClosedRange<Duration>,
            _ value: inout Duration
        ) throws(CommandError) {
            guard let span = try environment.value(name, flag: flag) else { return }
            guard bounds.contains(span.duration) else {
                throw CommandError(
                    .configuration,
                    "\(name) is \(span.duration.text), but must be \(bounds.lowerBound.text) to "
                        + bounds.upperBound.text
                )
            }
            value = span.duration
        }
        try set(
            "poll-interval",
            self.pollInterval,
            ModelSupply.pollIntervalBounds,
            &supply.pollInterval
        )
        try set("settle-time", self.settleTime, ModelSupply.settleTimeBounds, &supply.settleTime)
        if let budget = try environment.value("memory-budget", flag: self.memoryBudget)?.count {
            guard MemoryBudget.bounds.contains(budget.bytes) else {
                let most = ByteCount(MemoryBudget.bounds.upperBound)
                throw CommandError(
                    .configuration,
                    "memory-budget is \(budget), but must be 1B to \(most)"
                )
            }
            supply.memory = MemoryBudget(bytes: budget.bytes)
        }
    }

    /// Where its models are executed; `nil`: wherever the process may run.
    func placement(environment: Environment = .process) throws(CommandError) -> CPUSet? {
        var cpus: CPUSet?
        let node = try environment.value("numa-node", flag: self.numaNode)
        if let list = try environment.value("cpus", flag: self.cpus) {
            do throws(CPUSet.ListError) {
                cpus = try CPUSet(list: list)
            } catch {
                throw CommandError(.configuration, "cpus is '\(list)': \(error.reason)")
            }
        }
        guard cpus != nil || node != nil else { return nil }
        do throws(CPUTopology.Problem) {
            return try CPUTopology.machine().resolve(cpus: cpus, node: node)
        } catch {
            throw CommandError(.configuration, error.message)
        }
    }

    /// How its models are loaded.
    func sessionOptions(
        environment: Environment = .process
    ) throws(CommandError) -> SessionOptions {
        let threads = try environment.value(
            "intra-op-threads",
            flag: self.intraOpThreads,
            default: 1
        )
        guard (1...1024).contains(threads) else {
            throw CommandError(
                .configuration,
                "intra-op-threads is \(threads), but must be 1 to 1024"
            )
        }
        var options = SessionOptions(intraOpThreads: threads)
        options.device = try environment.value("device", flag: self.device, default: "cpu")
        options.lanes = try environment.value("executors", flag: self.executors)
        return options
    }

    /// How models are run in processes of their own, those that say so and perhaps all.
    ///
    /// - Parameter report: is told each line that a model's process writes.
    func isolation(
        environment: Environment = .process,
        report: @escaping @Sendable (_ model: String, _ line: String) -> Void
    ) throws(CommandError) -> IsolationOptions {
        var options = IsolationOptions()
        options.isDefault = try environment.value(
            "isolate",
            flag: self.isolate ? true : nil,
            default: false
        )
        options.onnxRuntimePath = self.enginePath
        options.sharedThreads = try self.sharedThreads(environment: environment)
        options.report = report
        return options
    }

    /// How many threads all its sessions share; `nil`: each has its own.
    func sharedThreads(
        environment: Environment = .process
    ) throws(CommandError) -> Int? {
        guard let threads = try environment.value("shared-threads", flag: self.sharedThreads) else {
            return nil
        }
        guard (1...1024).contains(threads) else {
            throw CommandError(
                .configuration,
                "shared-threads is \(threads), but must be 1 to 1024"
            )
        }
        return threads
    }
}
