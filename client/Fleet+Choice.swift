internal import RoostWire
internal import ZeroMQ

// Which workers a call may go to, and which of them it goes to.

extension Fleet {
    /// How long a model that was served a moment ago is waited for when nobody serves it any more:
    /// its only worker may be changing places.
    private static let unservedGrace: Duration = .seconds(10)
    /// How often the memory of latencies fades.
    private static let fadeInterval: Duration = .seconds(1)

    /// The target that the call asks for; `nil` if nobody serves it and no call waits for it. Such
    /// targets are not remembered: names come from programs without bound.
    func target(of call: Call) -> Target? {
        let key = call.key
        if let last = self.lastTarget, last.key == key { return last }
        guard let target = self.targets[key] else {
            return self.isServed(key) ? self.addTarget(key, now: self.now) : nil
        }
        self.lastTarget = target
        return target
    }

    private func isServed(_ key: Target.Key) -> Bool {
        self.places.contains { key.matches($0.link.record) }
            || self.discovery.records.values.contains(where: key.matches)
    }

    func addTarget(_ key: Target.Key, now: Moment) -> Target {
        let target = Target(
            key,
            policy: self.configuration.policy,
            seed: self.instance.low
        )
        self.targets[key] = target
        self.refresh(target, now: now)
        // Those of its workers that this client should be linked to may not be.
        if self.discovery.records.count > self.configuration.subsetSize {
            self.relink(now: now)
        }
        return target
    }

    /// The list of workers or what they serve has changed.
    func refreshTargets(now: Moment) {
        self.lastTarget = nil
        for (key, target) in self.targets {
            self.refresh(target, now: now)
            let isForgotten = target.served.map { now - $0 >= Self.unservedGrace } ?? true
            if target.candidates.isEmpty, !target.isWaitedFor, isForgotten {
                self.targets[key] = nil
            }
        }
        self.mustPump = true
    }

    private func refresh(_ target: Target, now: Moment) {
        let known = Dictionary(
            uniqueKeysWithValues: target.candidates.map { (ObjectIdentifier($0.place), $0) }
        )
        if !target.candidates.isEmpty { target.served = now }
        target.candidates = self.places
            .filter { target.key.matches($0.link.record) }
            .sorted { $0.workerID < $1.workerID }
            .map { known[ObjectIdentifier($0)] ?? Candidate($0) }
        if !target.candidates.isEmpty { target.served = now }
        target.isStale = true
    }

    /// Something has changed that decides which workers can be used.
    func stalePools() {
        for target in self.targets.values { target.isStale = true }
        self.mustPump = true
    }

    // MARK: Choosing

    /// Gives the call to the worker that is chosen for it; false if none can take it.
    func place(_ call: Call, _ target: Target, now: Moment) -> Bool {
        guard let candidate = self.choose(call, target, now: now) else { return false }
        self.enqueue(call, to: candidate, now: now)
        self.scheduleHedge(call, target, now: now)
        return true
    }

    /// The worker for a call; `nil` if it must wait.
    func choose(_ call: Call, _ target: Target, now: Moment) -> Candidate? {
        if let pin = call.pin {
            return pin.link.canSend ? target.candidates.first { $0.place === pin } : nil
        }
        if target.isStale {
            target.refreshPools(
                zone: self.configuration.zone,
                panicShare: self.configuration.outlierDetection?.panicShare ?? 0
            )
        }
        if self.configuration.policy == .adaptive { self.fadeLatencies(now: now) }
        // A worker that says it is overloaded is asked if all are.
        for takesOverloaded in [false, true] {
            let near = Self.pick(&target.near, call, takesOverloaded, now: now)
            if let near, target.far.members.isEmpty || !self.spillsOver(near) { return near }
            let far = Self.pick(&target.far, call, takesOverloaded, now: now)
            guard let near else {
                if let far { return far }
                continue
            }
            guard let far, far.place.link.inFlight < near.place.link.inFlight else { return near }
            return far
        }
        // One that can be used and has no room is waited for; only if there is none of those that
        // the call has not been to, others are tried.
        let usable = target.near.members + target.far.members
        guard usable.allSatisfy({ call.avoids($0.place) }) else {
            return nil
        }
        return Self.pick(&target.last, call, true, now: now)
    }

    /// Whether the zone's workers have so much of ours that other zones should help.
    private func spillsOver(_ near: Candidate) -> Bool {
        let slots = Double(max(near.place.link.record.slots, 1))
        return Double(near.place.link.inFlight) >= self.configuration.zoneSpillover * slots
    }

    private static func pick(
        _ pool: inout CandidatePool,
        _ call: Call,
        _ takesOverloaded: Bool,
        now: Moment
    ) -> Candidate? {
        guard !pool.members.isEmpty else { return nil }
        func position(takesNewcomers: Bool) -> Int? {
            pool.picker.pick(
                from: Choice(
                    members: pool.members,
                    call: call,
                    takesOverloaded: takesOverloaded,
                    takesNewcomers: takesNewcomers
                ),
                key: call.affinity
            )
        }
        guard pool.hasNewcomers else {
            return position(takesNewcomers: true).map { pool.members[$0] }
        }
        pool.earn(now: now)
        // If the others can take nothing, those that have just joined take all.
        guard let chosen = position(takesNewcomers: false) ?? position(takesNewcomers: true) else {
            return nil
        }
        pool.members[chosen].place.slowStart?.take()
        return pool.members[chosen]
    }

    /// Workers that were not chosen for a while get another chance, little by little.
    private func fadeLatencies(now: Moment) {
        guard now - self.faded >= Self.fadeInterval else { return }
        for target in self.targets.values {
            for candidate in target.candidates where candidate.latency.updated < self.faded {
                // After a silence of all of them their proportions stay as they were.
                candidate.latency.fade(min(now - self.faded, LatencyEstimate.timeConstant))
            }
        }
        self.faded = now
    }

    // MARK: Hopeless calls

    /// Until when a model is waited for that nobody serves any more; `nil` if somebody does.
    func unservedDeadline(_ target: Target) -> Moment? {
        guard target.candidates.isEmpty, let served = target.served else { return nil }
        return served + Self.unservedGrace
    }

    /// Why no worker will ever take the call; `nil` if one may yet.
    func hopeless(_ call: Call, _ target: Target?, now: Moment) -> InferenceError? {
        if let pin = call.pin { return self.whyLost(pin, call, target) }
        guard let target, !target.candidates.isEmpty else {
            if let target, let deadline = self.unservedDeadline(target), now < deadline {
                return nil
            }
            // A list without any worker is that of a fleet which is being started.
            let isKnown = self.discovery.isComplete && !self.discovery.records.isEmpty
            let isServed = isKnown && self.isServed(call.key)
            return isKnown && !isServed ? self.unknownModel(call) : nil
        }
        // Everyone who could take it now has refused it: to ask again would not change that.
        let linked = target.near.members + target.far.members + target.last.members
        if let failure = call.failure, !target.isStale, !linked.isEmpty,
            linked.allSatisfy({ call.avoids($0.place) })
        {
            return failure
        }
        return nil
    }

    private func unknownModel(_ call: Call) -> InferenceError {
        let models = self.discovery.records.values.flatMap(\.models)
        let (key, request) = (call.key, call.request)
        let versions = Set(models.filter { $0.name == call.request.model }.map(\.version)).sorted()
        let message: String
        if !key.worker.isEmpty {
            message = "no worker is called '\(key.worker)'"
        } else if !versions.isEmpty, request.version == 0 {
            message =
                "no version of model '\(request.model)' has the label '\(request.label)'; the fleet "
                + "has version " + versions.map(String.init).joined(separator: ", ")
        } else if !versions.isEmpty {
            message =
                "model '\(request.model)' has no version \(request.version); the fleet has "
                + versions.map(String.init).joined(separator: ", ")
        } else {
            let names = Set(models.map(\.name)).sorted().prefix(8).joined(separator: ", ")
            message = "no worker serves model '\(call.request.model)'; the fleet serves \(names)"
        }
        return InferenceError(
            .modelNotFound,
            message,
            requestID: call.requestID,
            notExecuted: true
        )
    }
}
