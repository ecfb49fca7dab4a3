package import RoostEngine

/// How one model is served, all of its versions: what its `model.toml` says, and defaults for the
/// rest. No file is needed.
package struct ModelConfiguration: Hashable, Sendable {
    /// The file's name, in the model's directory beside its versions.
    package static let fileName = "model.toml"
    /// The most bytes of the file, and of the file of class names.
    package static let fileBytesMax = 64 << 10
    /// The most labels.
    package static let labelsMax = 64
    /// The most rows of a batch when the file sets up batching and does not say.
    package static let defaultBatchMax = 64
    package static let threadsBounds = 1...1_024
    /// The engines that a model may ask for.
    package static let engines = Engines.names + [Engines.automatic]

    /// Which versions are served.
    package var versions = VersionPolicy.latest(1)
    /// The versions that have names beside their number, such as `stable`. A version that has one is
    /// served whatever ``versions`` says.
    package var labels: [String: UInt32] = [:]
    /// How requests are executed. Its `batchMax` holds only if ``isBatchingChosen``.
    package var policy = ExecutionPolicy()
    /// Whether the file says how many rows are joined; otherwise that is for the loader to find out.
    package var isBatchingChosen = false
    /// Threads for a single step of one execution; `nil`: as the worker is told.
    package var threads: Int?
    /// Where it is executed, by CPUs or by the NUMA node that has them; neither: as the worker is
    /// told.
    package var cpus: CPUSet?
    package var numaNode: Int?
    package static let numaNodeBounds = 0...1_023
    /// What executes the model; `nil` is `auto`: its file decides.
    package var engine: String?
    /// Settings of the engine's own, which it checks; several values of one are separated by colons,
    /// and the keys of a table in the table have its name and a dot before them.
    package var engineOptions: [String: String] = [:]
    /// The file with the names of the classes, one a line, in the model's directory.
    package var classesFile: String?
    /// What it says; `nil`: the model's own file may have them.
    package var classes: String?
    /// What a loaded version counts for against the worker's memory budget, in bytes; `nil`: what
    /// was measured when it was loaded.
    package var memoryBytes: Int?
    /// Whether it stays loaded whatever else is asked for. It counts only if there is a budget.
    package var isPinned = false
    /// Whether it has a process of its own; `nil`: as the worker is told.
    package var isIsolated: Bool?
    /// What that process may hold in memory, in bytes; `nil`: the system's bounds.
    package var memoryLimit: Int?
    /// Less than the engines' own libraries need would let no model be loaded.
    package static let memoryLimitBounds = (16 << 20)...(1 << 50)
    /// How long one execution may take before that process is ended; `nil`: for as long as it takes.
    package var runLimit: Duration?
    package static let runLimitBounds = Duration.milliseconds(100)...Duration.seconds(3_600)
    package var warmUp = WarmUp()
    /// By the names of inputs: the outputs that they are given in the next request of a sequence.
    /// Empty: the model has no sequences.
    package var state: [String: String] = [:]
    package var sequences = SequenceLimits()
    /// What the answers may take that are given again to equal requests; `nil`: none is.
    package var cache: CacheLimits?
    /// What is made of an input before the model is executed; `nil`: it is given as it comes.
    package var preprocessing: Preprocessing?
    /// What the model's scores become; `nil`: they are answered as they are.
    package var postprocessing: Postprocessing?
    /// The file's path, if there is one.
    package var file: String?
    /// The line in the file of each key that it has, by the key's full name: `batching.max-size`.
    package var lines: [String: Int] = [:]

    package init() {}

    /// The label of the version that is asked for when a request names neither version nor label.
    package static let defaultLabel = "stable"

    /// Another whenever a loaded version would have to be loaded again to obey the configuration.
    var loadingHash: UInt64 {
        var hasher = Hasher()
        hasher.combine(self.policy)
        hasher.combine(self.isBatchingChosen)
        hasher.combine(self.threads)
        hasher.combine(self.cpus)
        hasher.combine(self.numaNode)
        hasher.combine(self.engine)
        hasher.combine(self.engineOptions)
        hasher.combine(self.classes)
        hasher.combine(self.isIsolated)
        hasher.combine(self.memoryLimit)
        hasher.combine(self.runLimit)
        hasher.combine(self.warmUp)
        hasher.combine(self.state)
        hasher.combine(self.sequences)
        hasher.combine(self.cache)
        hasher.combine(self.preprocessing)
        hasher.combine(self.postprocessing)
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }

    /// How its sessions are made.
    package func sessionOptions(_ worker: SessionOptions) -> SessionOptions {
        var options = worker
        if let threads {
            options.intraOpThreads = threads
            // Threads of its own.
            options.sharesThreads = false
        }
        if let instances = self.policy.instances { options.lanes = instances }
        options.engineOptions.merge(self.engineOptions) { _, own in own }
        return options
    }

    /// `models/digits/model.toml:3` for a key that the file has.
    package func place(of key: String) -> String? {
        guard let file, let line = self.lines[key] else { return nil }
        return "\(file):\(line)"
    }
}

/// Says what is configured of a model, given its directory in the repository. It is asked again at
/// every scan, on a thread that may block.
package typealias ModelConfigurationProvider =
    @Sendable (_ directory: String) throws(ModelProblems) -> ModelConfiguration
