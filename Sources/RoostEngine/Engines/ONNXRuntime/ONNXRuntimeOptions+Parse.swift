internal import Glibc

extension ONNXRuntimeOptions {
    /// The most threads that a setting may ask for.
    static let threadsMax = 1024
    /// The highest number of a device.
    static let deviceNumberMax = 255

    /// Reads a model's settings.
    ///
    /// - Parameter source: the model; paths that do not begin with a slash are below its directory.
    init(_ options: SessionOptions, for source: ModelSource) throws(EngineError) {
        self.init()
        let reader = Reader(source: source)
        self.device = try reader.device(options.device)
        for (name, value) in options.engineOptions.sorted(by: { $0.key < $1.key }) {
            try self.set(name, value, reader)
        }
        if self.device != .cpu, self.optimizedModels != nil {
            throw reader.wrong(
                "optimized-model-cache keeps models for the CPU only; leave it out, or use "
                    + "device = \"cpu\""
            )
        }
    }

    private mutating func set(
        _ name: String,
        _ value: String,
        _ reader: Reader
    ) throws(EngineError) {
        switch name {
        case "custom-operators":
            for path in value.split(separator: ":") {
                self.customOperators.append(reader.path(String(path)))
            }
        case "deterministic": self.isDeterministic = try reader.boolean(name, value)
        case "device": self.device = try reader.device(value)
        case "execution-mode":
            self.isParallel =
                try reader.choice(name, value, ["parallel", "sequential"]) == "parallel"
        case "graph-optimization": self.optimization = try reader.choice(name, value)
        case "inter-op-threads": self.interOpThreads = try reader.threads(name, value)
        case "memory-arena": self.arena = try reader.choice(name, value)
        case "optimized-model-cache":
            if value == "0" || value == "false" { return }
            self.optimizedModels =
                value == "1" || value == "true"
                ? try reader.cacheDirectory() : reader.path(value)
        case "optional-inputs":
            self.optionalInputs = value.split(separator: ":").map(String.init)
        case "own-outputs": self.ownsOutputs = try reader.boolean(name, value)
        case "profiling":
            if value == "0" || value == "false" { return }
            self.profiling = try reader.directory(name, value)
        default:
            // All of ONNX Runtime's own have a dot in their names.
            guard let dot = name.firstIndex(of: "."), !name.utf8.contains(0),
                !value.utf8.contains(0)
            else { throw reader.unknown(name) }
            let rest = String(name[name.index(after: dot)...])
            switch name[..<dot] {
            case "cuda": self.cuda[rest] = value
            case "tensorrt": self.tensorRT[rest] = value
            default: self.entries[name] = value
            }
        }
    }

    /// Reads single values; what is wrong with one is an error that names the model.
    private struct Reader {
        let source: ModelSource

        func wrong(_ reason: String) -> EngineError {
            .onnxRuntime(.modelInvalid, "model '\(self.source)': engine-options: \(reason)")
        }

        func unknown(_ name: String) -> EngineError {
            let known = ONNXRuntime.settings.map(\.name).joined(separator: ", ")
            return self.wrong(
                "ONNX Runtime has no setting '\(name.prefix(60))'; there are \(known), and its own "
                    + "by their full names, such as session.disable_prepacking, cuda.* and "
                    + "tensorrt.*"
            )
        }

        func boolean(_ name: String, _ value: String) throws(EngineError) -> Bool {
            switch value {
            case "1", "true": return true
            case "0", "false": return false
            default: throw self.unfit(name, value, "true or false")
            }
        }

        func choice(
            _ name: String,
            _ value: String,
            _ known: [String]
        ) throws(EngineError) -> String {
            guard known.contains(value) else {
                throw self.unfit(name, value, known.joined(separator: ", "))
            }
            return value
        }

        func choice<Choice: RawRepresentable & CaseIterable>(
            _ name: String,
            _ value: String
        ) throws(EngineError) -> Choice where Choice.RawValue == String {
            guard let choice = Choice(rawValue: value) else {
                let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
                throw self.unfit(name, value, known)
            }
            return choice
        }

        func threads(_ name: String, _ value: String) throws(EngineError) -> Int {
            guard let count = Int(value), (1...threadsMax).contains(count) else {
                throw self.unfit(name, value, "1 to \(threadsMax)")
            }
            return count
        }

        func device(_ value: String) throws(EngineError) -> Device {
            if value == "cpu" { return .cpu }
            let parts = value.split(separator: ":", omittingEmptySubsequences: false)
            let number = parts.count == 2 ? Int(parts[1]) : parts.count == 1 ? 0 : nil
            if let number, (0...deviceNumberMax).contains(number) {
                if parts[0] == "cuda" { return .cuda(number) }
                if parts[0] == "tensorrt" { return .tensorRT(number) }
            }
            throw self.unfit("device", value, "cpu, cuda:0 or tensorrt:0, or another number")
        }

        /// A path of the model's own.
        func path(_ value: String) -> String {
            value.hasPrefix("/") ? value : "\(self.source.modelDirectory)/\(value)"
        }

        func directory(_ name: String, _ value: String) throws(EngineError) -> String {
            let path = self.path(value)
            guard FileStatus(path: path).isDirectory, access(path, W_OK) == 0 else {
                throw self.wrong("\(name) names \(path), which is no directory to write to")
            }
            return path
        }

        /// `roost/onnxruntime` in the user's cache (XDG Base Directory Specification).
        func cacheDirectory() throws(EngineError) -> String {
            func variable(_ name: String) -> String? {
                getenv(name).map { String(cString: $0) }.flatMap { $0.hasPrefix("/") ? $0 : nil }
            }
            guard let base = variable("XDG_CACHE_HOME") ?? variable("HOME").map({ "\($0)/.cache" })
            else {
                throw self.wrong(
                    "optimized-model-cache knows no place, since neither XDG_CACHE_HOME nor HOME "
                        + "is set; name a directory"
                )
            }
            return "\(base)/roost/onnxruntime"
        }

        private func unfit(_ name: String, _ value: String, _ expected: String) -> EngineError {
            self.wrong("\(name) is '\(value.prefix(60))', but must be \(expected)")
        }
    }
}
