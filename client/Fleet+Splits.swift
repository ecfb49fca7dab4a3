internal import RoostWire
internal import ZeroMQ

// Requests divided among the labels of a model, and copied for labels that are only tried.

extension Fleet {
    /// Gives a call its label if its model's requests are divided.
    ///
    /// - Returns: copies for other labels, to be started after it.
    func split(_ call: Call) -> [Call] {
        guard call.question == .infer, !call.isShadow, call.sequence == nil,
            call.request.version == 0, call.request.label.isEmpty,
            let split = self.configuration.splits[call.request.model]
        else { return [] }
        let shadows = call.isExtended ? [] : self.shadows(of: call, split)
        let draw = Self.draw(for: call)
        let model = call.request.model
        // If nobody has any of them yet, the call waits for the one that it belongs to.
        let label =
            split.label(draw) { self.isServed(model, label: $0) }
            ?? split.label(draw) { _ in true }
        if let label { call.ask(for: label) }
        call.isSplit = true
        return shadows
    }

    /// Gives a call another label when the one that it waited for turns out to be nobody's: it had
    /// come before the list of workers.
    ///
    /// - Returns: whether there is another.
    func splitAnew(_ call: Call) -> Bool {
        let model = call.request.model
        guard call.isSplit, let split = self.configuration.splits[model],
            let label = split.label(
                Self.draw(for: call),
                isServed: { self.isServed(model, label: $0) }
            ), label != call.request.label
        else { return false }
        call.ask(for: label)
        return true
    }

    /// By chance, or what the call's key says.
    private static func draw(for call: Call) -> Double {
        // Mixed once more, since like keys have like hashes; as many bits as a Double has.
        call.affinity.map { Double(Rendezvous.weight($0, 0) >> 11) * 0x1p-53 } ?? Self.jitter
    }

    /// Whether a worker that this client may ask has the label now.
    private func isServed(_ model: String, label: String) -> Bool {
        let key = Target.Key(model: model, label: label)
        // As many targets as the configuration has labels: each is kept up with the list.
        let target = self.targets[key] ?? self.addTarget(key, now: self.now)
        return !target.candidates.isEmpty
    }

    private func shadows(of call: Call, _ split: TrafficSplit) -> [Call] {
        guard !split.shadows.isEmpty else { return [] }
        var shadows: [Call] = []
        for label in split.shadowLabels({ Self.jitter })
        where self.shadowCount < self.configuration.shadowsMax {
            guard self.isServed(call.request.model, label: label) else { continue }
            let shadow = Call(
                .infer,
                call.request,
                deadline: call.deadline,
                isIdempotent: false,
                affinity: call.affinity,
                fleet: self
            )
            shadow.isShadow = true
            shadow.ask(for: label)
            self.shadowCount += 1
            shadows.append(shadow)
        }
        return shadows
    }
}
