import RoostEngine
import RoostOps
import RoostWire
import RoostWorker

/// What `roost model check` has to say of one model.
struct ModelReport: Sendable {
    /// One version of it.
    struct Version: Sendable {
        let version: UInt32
        /// Of the file that is the model.
        let byteCount: Int
        /// With the warm-up.
        var loadTime: Duration?
        var signature: ModelSignature?
        /// What executes it: `openvino 2026.4.1 bf16`.
        var engine: String?
        /// How many classes have names.
        var classCount = 0
        var isServed = false
        var problems: [String] = []

        init(version: UInt32, byteCount: Int) {
            self.version = version
            self.byteCount = byteCount
        }
    }

    /// One setting, and who says so.
    struct Setting: Sendable {
        let name: String
        let value: String
        /// `model.toml:3` or `default`.
        let origin: String
    }

    let name: String
    let directory: String
    /// `nil` if it cannot be used.
    var configuration: ModelConfiguration?
    var configurationProblems: [String] = []
    var versions: [Version] = []
    var tuning: ModelTuning?

    init(name: String, directory: String) {
        self.name = name
        self.directory = directory
    }

    /// Everything that is wrong with it, each once.
    var problems: [String] {
        var problems = self.configurationProblems
        for problem in self.versions.flatMap(\.problems) where !problems.contains(problem) {
            problems.append(problem)
        }
        return problems
    }

    /// The signature of the highest version that loads.
    var signature: ModelSignature? { self.versions.last { $0.signature != nil }?.signature }

    /// What executes the highest version that loads.
    var engine: String? { self.versions.last { $0.engine != nil }?.engine }

    /// Why requests cannot be executed together; `nil` if the signature allows it.
    var objection: String? { self.signature.flatMap(BatchAxis.objection) }
}

extension ModelReport {
    /// For people.
    var text: String {
        var lines = ["\(self.name), in \(self.directory)", "", self.versionTable.text]
        for (signature, versions) in self.signatures {
            lines.append("")
            if self.signatures.count > 1 { lines.append("version \(versions):") }
            lines.append(Self.table(signature).text)
        }
        if let signature = self.signature {
            lines.append("")
            lines.append(
                self.objection.map { "requests cannot be joined: \($0)" }
                    ?? "requests can be joined along the first dimension\(Self.axis(signature))"
            )
        }
        if !self.settings.isEmpty {
            var table = Table(columns: ["SETTING", "VALUE", "FROM"])
            for setting in self.settings {
                table.add([setting.name, setting.value, setting.origin])
            }
            lines += ["", table.text]
        }
        if let tuning { lines += ["", tuning.text] }
        return lines.joined(separator: "\n")
    }

    private var versionTable: Table {
        var table = Table(columns: ["VERSION", "SERVED", "SIZE", "LOADS IN", "CLASSES"])
        for column in [0, 2, 3, 4] { table.alignRight(column) }
        for version in self.versions {
            table.add([
                "\(version.version)", version.isServed ? "yes" : "no",
                Self.size(version.byteCount), version.loadTime?.text ?? "-",
                version.classCount == 0 ? "-" : "\(version.classCount)",
            ])
        }
        return table
    }

    /// The signatures, and which versions have them: mostly one for all.
    private var signatures: [(signature: ModelSignature, versions: String)] {
        var found: [(signature: ModelSignature, versions: String)] = []
        for version in self.versions {
            guard let signature = version.signature else { continue }
            if let index = found.firstIndex(where: { $0.signature == signature }) {
                found[index].versions += ", \(version.version)"
            } else {
                found.append((signature, "\(version.version)"))
            }
        }
        return found
    }

    private static func table(_ signature: ModelSignature) -> Table {
        var table = Table(columns: ["", "NAME", "DATATYPE", "SHAPE"])
        for input in signature.inputs {
            table.add(["input", input.name, input.datatype.name, input.dimensionsText])
        }
        for output in signature.outputs {
            table.add(["output", output.name, output.datatype.name, output.dimensionsText])
        }
        return table
    }

    private static func axis(_ signature: ModelSignature) -> String {
        guard case .dynamic(let name) = signature.inputs.first?.dimensions.first, !name.isEmpty
        else { return "" }
        return ", '\(name)'"
    }

    static func size(_ byteCount: Int) -> String {
        let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)]
        guard let (name, shift) = units.first(where: { byteCount >> $0.1 > 0 }) else {
            return "\(byteCount) B"
        }
        return "\((Double(byteCount) / Double(1 << shift)).text(digits: 3)) \(name)"
    }
}

extension ModelReport {
    /// How the model is served; empty if its configuration cannot be used.
    var settings: [Setting] {
        guard let configuration else { return [] }
        let policy = configuration.policy
        var settings: [Setting] = []
        func add(_ key: String, _ value: String, _ fallback: String = "default") {
            let line = configuration.lines[key]
            let origin = line.map { "\(ModelConfiguration.fileName):\($0)" } ?? fallback
            settings.append(Setting(name: key, value: value, origin: origin))
        }
        func addIfGiven(_ key: String, _ value: String) {
            if configuration.lines[key] != nil { add(key, value) }
        }
        add("versions", Self.text(configuration.versions))
        for (label, version) in configuration.labels.sorted(by: { $0.key < $1.key }) {
            add("labels.\(label)", "\(version)")
        }
        add("engine", self.engine ?? configuration.engine ?? Engines.automatic, "auto")
        for (key, value) in configuration.engineOptions.sorted(by: { $0.key < $1.key }) {
            add("engine-options.\(key)", value)
        }
        let engine = self.engine ?? configuration.engine ?? ""
        let known = [
            (ONNXRuntime.name, ONNXRuntime.settings), (TensorFlow.name, TensorFlow.settings),
        ]
        for (name, preset) in known.first(where: { engine.hasPrefix($0.0) })?.1 ?? []
        where configuration.engineOptions[name] == nil {
            add("engine-options.\(name)", preset)
        }
        add("instances", policy.instances.map { "\($0)" } ?? "as many as the worker's executors")
        add("threads", configuration.threads.map { "\($0)" } ?? "the worker's: 1 unless told")
        addIfGiven("cpus", configuration.cpus.map { "\($0)" } ?? "")
        addIfGiven("numa-node", configuration.numaNode.map { "\($0)" } ?? "")
        add("weight", "\(policy.weight)")
        add(
            "memory",
            configuration.memoryBytes.map { "\(ByteCount($0))" } ?? "what it is seen to hold"
        )
        addIfGiven("pinned", "\(configuration.isPinned)")
        add(
            "isolate",
            configuration.isIsolated.map { "\($0)" } ?? "the worker's: false unless told"
        )
        addIfGiven("memory-limit", configuration.memoryLimit.map { "\(ByteCount($0))" } ?? "")
        addIfGiven("run-limit", configuration.runLimit?.unitText ?? "")
        if configuration.isBatchingChosen {
            let most = policy.findsBatchSize ? "up to \(policy.batchMax)" : "\(policy.batchMax)"
            add("batching.max-size", most)
        } else if self.signature == nil {
            add("batching.max-size", "unknown", "no version loads")
        } else if self.objection == nil {
            add(
                "batching.max-size",
                "up to \(ModelConfiguration.defaultBatchMax), or 1",
                "tried when it is loaded"
            )
        } else {
            add("batching.max-size", "1", "the signature")
        }
        addIfGiven("batching.preferred-sizes", "\(policy.preferredRows)")
        add("batching.max-delay", policy.batchDelay.unitText)
        for (input, value) in policy.padding.sorted(by: { $0.key < $1.key }) {
            add("batching.padding.\(input)", "\(value)")
        }
        add("queue.max-requests", policy.queueMax.map { "\($0)" } ?? "the worker's")
        add("queue.max-bytes", policy.queueBytesMax.map { "\(ByteCount($0))" } ?? "the worker's")
        add("queue.timeout", policy.queueTimeout?.unitText ?? "none")
        if let cache = configuration.cache {
            let keeps = cache.bytesMax > 0
            add("cache.bytes", keeps ? "\(ByteCount(cache.bytesMax))" : "none: no answer is kept")
            if keeps { add("cache.lifetime", cache.lifetime.unitText) }
            add("cache.entry-max", "\(ByteCount(cache.entryMax))")
            add("cache.followers", "\(cache.followersMax)")
        } else {
            add("cache", "off")
        }
        addIfGiven("classes", configuration.classesFile ?? "")
        for (key, value) in configuration.preprocessing?.settings ?? [] {
            add("preprocessing.\(key)", value)
        }
        for (key, value) in configuration.postprocessing?.settings ?? [] {
            add("post-processing.\(key)", value)
        }
        add("warm-up.batch-sizes", "\(configuration.warmUp.batchSizes)")
        addIfGiven("warm-up.inputs", configuration.warmUp.inputs ?? "")
        for (input, shape) in configuration.warmUp.shapes.sorted(by: { $0.key < $1.key }) {
            add("warm-up.shapes.\(input)", "\(shape)")
        }
        return settings
    }

    private static func text(_ policy: VersionPolicy) -> String {
        switch policy {
        case .latest(let count): count == 1 ? "the latest" : "the latest \(count)"
        case .all: "all"
        case .specific(let versions): versions.map(String.init).joined(separator: ", ")
        }
    }
}

extension ModelReport {
    /// For machines.
    var json: JSON {
        .object([
            ("name", .string(self.name)), ("directory", .string(self.directory)),
            ("versions", .array(self.versions.map(Self.json))),
            ("batching_objection", self.objection.map { .string($0) } ?? .null),
            (
                "settings",
                .array(
                    self.settings.map {
                        .object([
                            ("name", .string($0.name)), ("value", .string($0.value)),
                            ("from", .string($0.origin)),
                        ])
                    }
                )
            ),
            ("tuning", self.tuning?.json ?? .null),
            ("problems", .array(self.problems.map { .string($0) })),
        ])
    }

    private static func json(_ version: Version) -> JSON {
        func tensors(_ tensors: [TensorSignature]?) -> JSON {
            .array((tensors ?? []).map { .string($0.description) })
        }
        return .object([
            ("version", .number(Int(version.version))), ("served", .bool(version.isServed)),
            ("bytes", .number(version.byteCount)),
            ("load_ms", version.loadTime.map { .number($0.milliseconds) } ?? .null),
            ("inputs", tensors(version.signature?.inputs)),
            ("outputs", tensors(version.signature?.outputs)),
            ("problems", .array(version.problems.map { .string($0) })),
        ])
    }
}
