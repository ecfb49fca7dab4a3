internal import RoostEngine
internal import RoostWire

extension ModelConfiguration {
    /// The configuration that a file's bytes say.
    ///
    /// - Parameter file: the file's path, for messages.
    package init(parsing bytes: [UInt8], file: String) throws(ModelProblems) {
        var problems = ConfigurationProblems(file: file)
        let entries: [TOMLEntry]
        do throws(TOMLSyntaxError) {
            entries = try TOMLParser.parse(bytes)
        } catch {
            problems.add(error.line, "it is no TOML: \(error.reason)")
            throw ModelProblems(problems: problems.texts)
        }
        self.init()
        self.file = file
        var table = ConfigurationTable("", entries, problems: problems)
        self.read(&table)
        table.finish()
        self.lines = table.lines
        problems = table.problems
        self.contradictions(&problems)
        guard problems.isEmpty else { throw ModelProblems(problems: problems.texts) }
    }

    private mutating func read(_ table: inout ConfigurationTable) {
        self.readVersions(&table)
        self.threads = table.integer("threads", Self.threadsBounds)
        self.policy.instances = table.integer("instances", ExecutionPolicy.instancesBounds)
        if let weight = table.integer("weight", ExecutionPolicy.weightBounds) {
            self.policy.weight = weight
        }
        self.readPlacement(&table)
        self.readEngine(&table)
        self.memoryBytes = table.byteCount("memory", MemoryBudget.bounds)
        self.isPinned = table.boolean("pinned") ?? false
        self.isIsolated = table.boolean("isolate")
        self.memoryLimit = table.byteCount("memory-limit", Self.memoryLimitBounds)
        self.runLimit = table.duration("run-limit", Self.runLimitBounds)
        table.table("batching") { self.readBatching(&$0) }
        table.table("queue") { self.readQueue(&$0) }
        table.table("warm-up") { self.readWarmUp(&$0) }
        table.table("state") { self.readState(&$0) }
        table.table("sequences") { self.readSequences(&$0) }
        table.table("cache") { self.readCache(&$0) }
        self.readPreparation(&table)
        if let (file, line) = table.string("classes", "the name of a file, such as \"labels.txt\"")
        {
            if Self.isWithin(file) {
                self.classesFile = file
            } else {
                table.problems.add(line, "classes must be a file in the model's directory")
            }
        }
    }

    private mutating func readVersions(_ table: inout ConfigurationTable) {
        table.table("labels") { table in
            let entries = table.takeAll()
            if entries.count > Self.labelsMax {
                table.problems.add(
                    entries[Self.labelsMax].line,
                    "there are \(entries.count) labels; a model has at most \(Self.labelsMax)"
                )
            }
            for entry in entries.prefix(Self.labelsMax) {
                guard case .integer(let value) = entry.value, let version = UInt32(exactly: value),
                    version >= 1
                else {
                    table.wrong(entry, "a version: a whole number from 1 to \(UInt32.max)")
                    continue
                }
                if entry.key.isEmpty || entry.key.utf8.count > WireLimits.labelBytesMax {
                    table.problems.add(
                        entry.line,
                        "a label must have 1 to \(WireLimits.labelBytesMax) bytes"
                    )
                }
                if self.labels.values.count(where: { $0 == version }) == WireLimits.labelsMax {
                    table.problems.add(
                        entry.line,
                        "version \(version) has more than \(WireLimits.labelsMax) labels"
                    )
                }
                self.labels[entry.key] = version
            }
        }
        guard let entry = table.take("versions") else { return }
        guard let versions = Self.versions(entry.value) else {
            table.wrong(
                entry,
                "\"latest\", \"all\", { latest = 2 }, or an array of versions such as [1, 3]"
            )
            return
        }
        self.versions = versions
        for problem in versions.problems() {
            table.problems.add(entry.line, "versions: \(problem)")
        }
    }

    private static func versions(_ value: TOMLValue) -> VersionPolicy? {
        switch value {
        case .string("latest"): return .latest(1)
        case .string("all"): return .all
        case .table(let entries):
            guard entries.count == 1, entries[0].key == "latest",
                case .integer(let count) = entries[0].value
            else { return nil }
            return .latest(Int(clamping: count))
        case .array(let elements):
            let versions = elements.compactMap { element -> UInt32? in
                guard case .integer(let value) = element else { return nil }
                return UInt32(exactly: value)
            }
            return versions.count == elements.count ? .specific(versions) : nil
        default: return nil
        }
    }

    private mutating func readPlacement(_ table: inout ConfigurationTable) {
        self.numaNode = table.integer("numa-node", Self.numaNodeBounds)
        guard let (list, line) = table.string("cpus", "a list of CPUs, such as \"0-3,8\"") else {
            return
        }
        do throws(CPUSet.ListError) {
            self.cpus = try CPUSet(list: list)
        } catch {
            table.problems.add(line, "cpus: \(error.reason)")
        }
    }

    private mutating func readEngine(_ table: inout ConfigurationTable) {
        if let (engine, line) = table.string("engine", "a name, such as \"onnxruntime\"") {
            self.engine = engine
            if !Self.engines.contains(engine) {
                table.problems.add(
                    line,
                    "there is no engine \(ConfigurationProblems.quoted(engine)); "
                        + "there is \(Self.engines.joined(separator: ", "))"
                )
            }
        }
        table.table("engine-options") { table in
            for entry in table.takeAll() {
                if case .table(let entries) = entry.value {
                    // As `cuda.gpu_mem_limit = 1` is read.
                    var inner = ConfigurationTable(
                        table.name(entry.key),
                        entries,
                        problems: table.problems
                    )
                    for own in inner.takeAll() {
                        self.readEngineOption(own, "\(entry.key).\(own.key)", &inner)
                    }
                    table.problems = inner.problems
                } else {
                    self.readEngineOption(entry, entry.key, &table)
                }
            }
        }
    }

    private mutating func readEngineOption(
        _ entry: TOMLEntry,
        _ name: String,
        _ table: inout ConfigurationTable
    ) {
        switch entry.value {
        case .string(let text): self.engineOptions[name] = text
        case .integer, .float: self.engineOptions[name] = entry.value.text
        case .boolean(let value): self.engineOptions[name] = value ? "1" : "0"
        case .array(let elements) where !elements.isEmpty:
            let texts = elements.compactMap { element in
                if case .string(let text) = element { text } else { nil as String? }
            }
            guard texts.count == elements.count else { fallthrough }
            self.engineOptions[name] = texts.joined(separator: ":")
        default: table.wrong(entry, "a text, a number, a boolean or an array of texts")
        }
    }

    private mutating func readBatching(_ table: inout ConfigurationTable) {
        self.isBatchingChosen = true
        let batchMax = table.integer("max-size", ExecutionPolicy.batchMaxBounds)
        self.policy.batchMax = batchMax ?? Self.defaultBatchMax
        self.policy.findsBatchSize = batchMax == nil
        if let (sizes, entry) = table.integers(
            "preferred-sizes",
            ExecutionPolicy.batchMaxBounds,
            countMax: 64
        ) {
            self.policy.preferredRows = sizes
            self.policy.findsBatchSize = false
            if zip(sizes, sizes.dropFirst()).contains(where: { $0 >= $1 }) {
                table.problems.add(entry.line, "batching.preferred-sizes must ascend")
            }
        }
        if let delay = table.duration("max-delay", ExecutionPolicy.batchDelayBounds) {
            self.policy.batchDelay = delay
        }
        table.table("padding") { table in
            for entry in table.takeAll() {
                switch entry.value {
                case .integer(let value): self.policy.padding[entry.key] = Double(value)
                case .float(let value) where value.isFinite:
                    self.policy.padding[entry.key] = value
                default: table.wrong(entry, "a number")
                }
            }
        }
    }

    private mutating func readQueue(_ table: inout ConfigurationTable) {
        self.policy.queueMax = table.integer("max-requests", ExecutionPolicy.queueMaxBounds)
        self.policy.queueBytesMax = table.byteCount("max-bytes", 1...(1 << 40))
        self.policy.queueTimeout = table.duration("timeout", .milliseconds(1)...(.seconds(3600)))
    }

    private mutating func readWarmUp(_ table: inout ConfigurationTable) {
        if let (sizes, _) = table.integers(
            "batch-sizes",
            ExecutionPolicy.batchMaxBounds,
            countMin: 0,
            countMax: WarmUp.batchSizesMax
        ) {
            self.warmUp.batchSizes = sizes
        }
        if let (inputs, line) = table.string("inputs", "a directory, such as \"warm-up\"") {
            self.warmUp.inputs = inputs
            if !Self.isWithin(inputs) {
                table.problems.add(
                    line,
                    "warm-up.inputs must be a directory in the model's directory"
                )
            }
        }
        table.table("shapes") { table in
            let entries = table.takeAll()
            var shapes = ConfigurationTable("warm-up.shapes", entries, problems: table.problems)
            for entry in entries {
                if let (sizes, _) = shapes.integers(entry.key, 0...(1 << 30), countMax: 8) {
                    self.warmUp.shapes[entry.key] = sizes
                }
            }
            table.problems = shapes.problems
        }
    }

    private mutating func readState(_ table: inout ConfigurationTable) {
        for entry in table.takeAll() {
            guard case .string(let output) = entry.value, !output.isEmpty else {
                table.wrong(entry, "the name of an output")
                continue
            }
            if self.state.values.contains(output) {
                table.problems.add(
                    entry.line,
                    "state: output \(ConfigurationProblems.quoted(output)) is given to two inputs"
                )
            }
            self.state[entry.key] = output
        }
    }

    private mutating func readSequences(_ table: inout ConfigurationTable) {
        if let count = table.integer("max", SequenceLimits.countBounds) {
            self.sequences.countMax = count
        }
        if let bytes = table.byteCount("bytes", SequenceLimits.bytesBounds) {
            self.sequences.bytesMax = bytes
        }
        if let idle = table.duration("idle", SequenceLimits.idleBounds) {
            self.sequences.idleMax = idle
        }
    }

    private mutating func readCache(_ table: inout ConfigurationTable) {
        var limits = CacheLimits()
        if let bytes = table.byteCount("bytes", CacheLimits.bytesBounds) {
            limits.bytesMax = bytes
        }
        if let lifetime = table.duration("lifetime", CacheLimits.lifetimeBounds) {
            limits.lifetime = lifetime
        }
        if let bytes = table.byteCount("entry-max", CacheLimits.entryBounds) {
            limits.entryMax = bytes
        }
        if let count = table.integer("followers", CacheLimits.followersBounds) {
            limits.followersMax = count
        }
        self.cache = limits
    }

    /// Whether a path stays below the directory that it starts from, as far as its text says.
    static func isWithin(_ path: String) -> Bool {
        !path.hasPrefix("/") && !path.utf8.contains(0)
            && !path.split(separator: "/").contains("..")
    }

    /// The keys that are of the model's own process.
    static let isolationKeys = ["memory-limit", "run-limit"]

    /// What the keys say of each other.
    private func contradictions(_ problems: inout ConfigurationProblems) {
        let most = self.policy.batchMax
        func line(_ key: String) -> Int { self.lines[key] ?? 0 }
        if self.isBatchingChosen, most == 1 {
            for key in ["preferred-sizes", "max-delay", "padding"]
            where self.lines["batching.\(key)"] != nil {
                problems.add(
                    line("batching.\(key)"),
                    "batching.\(key) has no meaning with max-size = 1: nothing is joined"
                )
            }
        } else if let largest = self.policy.preferredRows.max(), largest > most {
            problems.add(
                line("batching.preferred-sizes"),
                "batching.preferred-sizes has \(largest), more than max-size, which is \(most)"
            )
        }
        if self.isBatchingChosen, let largest = self.warmUp.batchSizes.max(), largest > most {
            problems.add(
                line("warm-up.batch-sizes"),
                "warm-up.batch-sizes has \(largest), more than batching.max-size, which is \(most)"
            )
        }
        if let cpus, self.numaNode != nil {
            problems.add(
                line("numa-node"),
                "numa-node says again where the model is executed: cpus says \(cpus)"
            )
        }
        if let cpus, let threads, threads > cpus.count {
            problems.add(
                line("threads"),
                "threads is \(threads), more than cpus, which is \(cpus), has"
            )
        }
        if self.isIsolated == false {
            for key in Self.isolationKeys where self.lines[key] != nil {
                problems.add(
                    line(key),
                    "\(key) has no meaning with isolate = false: it bounds the model's own process"
                )
            }
        }
        if self.state.isEmpty, self.lines["sequences"] != nil {
            problems.add(
                line("sequences"),
                "sequences has no meaning without [state], which says what they share"
            )
        }
        if let cache {
            if !self.state.isEmpty {
                problems.add(
                    line("cache"),
                    "cache has no meaning with [state]: the answers follow from more than the request"
                )
            }
            if self.lines["cache.bytes"] == nil {
                if self.lines["cache.lifetime"] != nil {
                    problems.add(
                        line("cache.lifetime"),
                        "cache.lifetime has no meaning without cache.bytes: no answer is kept"
                    )
                } else if cache.followersMax == 0 {
                    problems.add(
                        line("cache.followers"),
                        "cache does nothing: without bytes no answer is kept, and with "
                            + "followers = 0 no request waits for an equal one"
                    )
                }
            }
        }
        if self.warmUp.inputs != nil, !self.warmUp.shapes.isEmpty {
            problems.add(
                line("warm-up.shapes"),
                "warm-up has inputs and shapes; the arrays have shapes of their own"
            )
        }
        self.preparationContradictions(&problems)
        if case .specific(let versions) = self.versions {
            for (label, version) in self.labels where !versions.contains(version) {
                problems.add(
                    line("labels.\(label)"),
                    "label \(ConfigurationProblems.quoted(label)) names version \(version), which "
                        + "versions leaves out"
                )
            }
        }
    }
}
