internal import RoostEngine
package import RoostWire

extension ModelConfiguration {
    /// What the configuration says of versions, seen against those that are there: one sentence
    /// each, with file and line.
    package func problems(versions present: some Collection<UInt32>) -> [String] {
        guard let file else { return [] }
        var problems = ConfigurationProblems(file: file)
        for (label, version) in self.labels where !present.contains(version) {
            let name = ConfigurationProblems.quoted(label)
            problems.add(
                self.lines["labels.\(label)"] ?? 0,
                "label \(name) names version \(version), which is not there"
            )
        }
        if case .specific(let versions) = self.versions {
            let missing = Set(versions).subtracting(present).sorted()
            if !missing.isEmpty {
                let names = missing.map(String.init).joined(separator: ", ")
                problems.add(
                    self.lines["versions"] ?? 0,
                    "versions names \(names), which \(missing.count == 1 ? "is" : "are") not there"
                )
            }
        }
        return problems.texts
    }

    /// What the configuration says of the model, seen against what it is: one sentence each, with file
    /// and line.
    func problems(with session: any Session) -> [String] {
        var texts = self.problems(signature: session.signature)
        guard let file, self.cache != nil, session is any StreamingSession else { return texts }
        var problems = ConfigurationProblems(file: file)
        problems.add(
            self.lines["cache"] ?? 0,
            "cache has no meaning with a model that answers with streams"
        )
        texts += problems.texts
        return texts
    }

    /// Where it says that the model is executed, on that machine; `nil` if it does not.
    package func cpus(of topology: CPUTopology) throws(ModelProblems) -> CPUSet? {
        do throws(CPUTopology.Problem) {
            let cpus = try topology.resolve(cpus: self.cpus, node: self.numaNode)
            guard let cpus, let threads, self.numaNode != nil, threads > cpus.count else {
                return cpus
            }
            throw CPUTopology.Problem(
                message: "threads is \(threads), more than CPU \(cpus) of the node"
            )
        } catch {
            let key = self.numaNode == nil ? "cpus" : "numa-node"
            let place = self.place(of: key).map { "\($0): " } ?? ""
            throw ModelProblems(problems: ["\(place)\(key): \(error.message)"])
        }
    }

    /// What the configuration says of inputs and rows, seen against what the model takes: one
    /// sentence each, with file and line.
    package func problems(signature: ModelSignature) -> [String] {
        guard let file else { return [] }
        var problems = ConfigurationProblems(file: file)
        if self.policy.batchMax > 1, let objection = BatchAxis.objection(to: signature) {
            problems.add(
                self.lines["batching.max-size"] ?? self.lines["batching"] ?? 0,
                "the model's requests cannot be joined: \(objection)"
            )
        }
        for (name, value) in self.policy.padding {
            let key = "batching.padding.\(name)"
            guard let input = self.input(name, key, signature, &problems) else { continue }
            if let reason = input.datatype.objection(to: value) {
                problems.add(self.lines[key] ?? 0, "batching.padding: \(reason)")
            }
        }
        for (name, output) in self.state {
            let key = "state.\(name)"
            guard let input = self.input(name, key, signature, &problems) else { continue }
            guard let given = signature.outputs.first(where: { $0.name == output }) else {
                let known = signature.outputs.map { "'\($0.name)'" }.joined(separator: ", ")
                problems.add(
                    self.lines[key] ?? 0,
                    "the model has no output \(ConfigurationProblems.quoted(output)); it has "
                        + known
                )
                continue
            }
            if !input.mayBeGiven(given) {
                problems.add(
                    self.lines[key] ?? 0,
                    "state: output \(given) does not fit input \(input)"
                )
            }
        }
        for (name, sizes) in self.warmUp.shapes {
            let key = "warm-up.shapes.\(name)"
            guard let input = self.input(name, key, signature, &problems) else { continue }
            if !input.accepts(Shape(sizes)) {
                problems.add(
                    self.lines[key] ?? 0,
                    "warm-up.shapes: \(Shape(sizes)) does not fit input \(input)"
                )
            }
        }
        return problems.texts
    }

    private func input(
        _ name: String,
        _ key: String,
        _ signature: ModelSignature,
        _ problems: inout ConfigurationProblems
    ) -> TensorSignature? {
        if let input = signature.inputs.first(where: { $0.name == name }) { return input }
        let known = signature.inputs.map { "'\($0.name)'" }.joined(separator: ", ")
        problems.add(
            self.lines[key] ?? 0,
            "the model has no input \(ConfigurationProblems.quoted(name)); it has \(known)"
        )
        return nil
    }
}

extension TensorSignature {
    /// Whether what is given out so may be taken so.
    fileprivate func mayBeGiven(_ output: TensorSignature) -> Bool {
        guard self.datatype == output.datatype, self.dimensions.count == output.dimensions.count
        else { return false }
        return zip(self.dimensions, output.dimensions).allSatisfy { pair in
            guard case (.fixed(let taken), .fixed(let given)) = pair else { return true }
            return taken == given
        }
    }
}

extension DataType {
    /// Why an element of that datatype cannot have the value; `nil` if it can.
    fileprivate func objection(to value: Double) -> String? {
        switch self {
        case .fp16, .fp32, .fp64, .bf16: return nil
        case .bytes: return "inputs of datatype BYTES cannot be padded with a number"
        default:
            let bits = (self.byteWidth ?? 8) * 8
            let fits: Bool
            switch self {
            case .bool: fits = value == 0 || value == 1
            case .uint8, .uint16, .uint32, .uint64:
                fits = UInt64(exactly: value).map { bits == 64 || $0 >> UInt64(bits) == 0 } ?? false
            default:
                fits =
                    Int64(exactly: value).map {
                        bits == 64 || ($0 >> Int64(bits - 1) == 0 || $0 >> Int64(bits - 1) == -1)
                    } ?? false
            }
            return fits ? nil : "\(value) is no \(self)"
        }
    }
}
