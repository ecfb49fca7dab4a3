internal import RoostWire
internal import ZeroMQ

// The way of a call: started here, given to a worker that the picker chooses, or kept waiting for
// one; given to another worker when that one is lost or refuses; ended exactly once.

extension Fleet {
    /// How much room a request id leaves for slots: the generation has the upper half.
    private static let slotMask: UInt64 = 0xffff_ffff

    /// A call comes in.
    func start(_ call: Call) {
        guard !self.isClosed else {
            call.finish(.failure(InferenceError(.closed, "the client was closed")))
            return
        }
        // The caller may have given up before the call got here.
        guard !call.isCancelled else {
            call.finish(.failure(Self.cancelled(call)))
            return
        }
        self.open()
        let slot: Int
        if let free = self.freeSlots.popLast() {
            slot = free
        } else {
            slot = self.slots.count
            self.slots.append(Slot())
        }
        call.requestID = UInt64(self.slots[slot].occupy(call)) << 32 | UInt64(slot)
        self.deadlines.insert(slot, deadline: call.deadline)
        self.wake(by: call.deadline)
        self.dispatch(call)
    }

    /// The caller has given up.
    func cancel(_ call: Call) {
        guard self.isUnderWay(call) else { return }
        if let place = call.place { self.send(Cancel(), to: place, requestID: call.requestID) }
        self.end(call, .failure(Self.cancelled(call)))
    }

    private static func cancelled(_ call: Call) -> InferenceError {
        InferenceError(.cancelled, "the call was cancelled", requestID: call.requestID)
    }

    /// Whether the call has been started and has not ended.
    private func isUnderWay(_ call: Call) -> Bool {
        call.requestID != 0 && self.slots[Int(call.requestID & Self.slotMask)].call === call
    }

    /// The call that an answer belongs to; `nil` if it has ended meanwhile.
    func call(_ requestID: UInt64) -> Call? {
        let slot = Int(requestID & Self.slotMask)
        guard slot < self.slots.count, self.slots[slot].generation == UInt32(requestID >> 32) else {
            return nil
        }
        return self.slots[slot].call
    }

    /// The call ends: its slot is free for another, and late answers find nothing.
    func end(_ call: Call, _ answer: Call.Answer) {
        let slot = Int(call.requestID & Self.slotMask)
        self.slots[slot].vacate()
        self.freeSlots.append(slot)
        self.deadlines.remove(slot)
        if call.place == nil { self.stopWaiting(call) }
        call.finish(answer)
    }

    // MARK: Choosing

    /// Gives the call to a worker, or has it wait, or ends it.
    func dispatch(_ call: Call) {
        let target = self.target(of: call)
        // Calls that wait already go first.
        if let target, target.waiting.count == 0, self.place(call, target) { return }
        if let error = self.hopeless(call, target) {
            self.end(call, .failure(error))
            return
        }
        guard self.waitingCount < self.configuration.waitingMax else {
            self.end(
                call,
                .failure(
                    InferenceError(
                        .overloaded,
                        "\(self.waitingCount) calls wait for a worker already",
                        requestID: call.requestID,
                        notExecuted: true
                    )
                )
            )
            return
        }
        self.waitingCount += 1
        (target ?? self.addTarget(Target.Key(call))).waiting.append(call)
        if !self.discovery.hasFoundWorkers { self.wake(by: self.discoveryDeadline) }
    }

    /// The target that the call asks for; `nil` if nobody serves it and no call waits for it. Such
    /// targets are not remembered: names come from programs without bound.
    private func target(of call: Call) -> Target? {
        if let last = self.lastTarget, last.key.version == call.request.version,
            last.key.model == call.request.model
        {
            return last
        }
        let key = Target.Key(call)
        guard let target = self.targets[key] else {
            return self.candidates(key).isEmpty ? nil : self.addTarget(key)
        }
        self.lastTarget = target
        return target
    }

    private func addTarget(_ key: Target.Key) -> Target {
        let target = Target(key)
        target.candidates = self.candidates(key)
        self.targets[key] = target
        return target
    }

    private func candidates(_ key: Target.Key) -> [Place] {
        self.places
            .filter { $0.link.record.serves(key.model, version: key.version) }
            .sorted { $0.workerID < $1.workerID }
    }

    /// Gives the call to the worker that the picker chooses; false if none can take it.
    private func place(_ call: Call, _ target: Target) -> Bool {
        guard !target.candidates.isEmpty else { return false }
        let chosen = target.picker.pick(of: target.candidates.count) { position in
            let candidate = target.candidates[position]
            guard candidate.link.canSend else { return nil }
            guard call.avoided.isEmpty || !call.avoided.contains(ObjectIdentifier(candidate)) else {
                return nil
            }
            return candidate.link.inFlight
        }
        guard let chosen else { return false }
        self.enqueue(call, to: target.candidates[chosen])
        return true
    }

    /// Why no worker will ever take the call; `nil` if one may yet.
    private func hopeless(_ call: Call, _ target: Target?) -> InferenceError? {
        guard let target, !target.candidates.isEmpty else {
            // A list without any worker is that of a fleet which is being started.
            let isKnown = self.discovery.isComplete && !self.discovery.records.isEmpty
            return isKnown ? self.unknownModel(call) : nil
        }
        // Everyone who serves the model has refused it: to ask again would not change that.
        if let failure = call.failure,
            target.candidates.allSatisfy({ call.avoided.contains(ObjectIdentifier($0)) })
        {
            return failure
        }
        return nil
    }

    private func unknownModel(_ call: Call) -> InferenceError {
        let models = self.discovery.records.values.flatMap(\.models)
        let versions = Set(models.filter { $0.name == call.request.model }.map(\.version)).sorted()
        let message: String
        if !versions.isEmpty {
            message =
                "model '\(call.request.model)' has no version \(call.request.version); the fleet has "
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

    /// The list of workers or what they serve has changed.
    func refreshTargets() {
        self.lastTarget = nil
        for (key, target) in self.targets {
            target.candidates = self.candidates(key)
            if target.candidates.isEmpty, target.waiting.count == 0 { self.targets[key] = nil }
        }
        self.mustPump = true
    }

    // MARK: Waiting

    /// Gives waiting calls to workers that have become able to take them.
    func pump() {
        self.mustPump = false
        guard self.waitingCount > 0 else { return }
        for target in self.targets.values {
            while let call = target.waiting.popFirst() {
                self.waitingCount -= 1
                if self.place(call, target) { continue }
                if let error = self.hopeless(call, target) {
                    self.end(call, .failure(error))
                    continue
                }
                self.waitingCount += 1
                target.waiting.prepend(call)
                break
            }
        }
    }

    private func stopWaiting(_ call: Call) {
        let waited = self.targets[Target.Key(call)]?.waiting.removeFirst { $0 === call }
        if waited != nil { self.waitingCount -= 1 }
    }

    // MARK: Failing

    /// An attempt failed: the call goes to another worker, or ends.
    func failed(_ call: Call, _ error: InferenceError, _ outcome: RetryPolicy.Outcome) {
        // A worker that was lost may take it again once its link is mended; one that refused may not.
        if let place = call.place, outcome != .unknown {
            call.avoided.append(ObjectIdentifier(place))
        }
        call.place = nil
        call.failure = error
        guard
            self.retries.allows(
                outcome,
                attempts: call.attempts,
                isIdempotent: call.isIdempotent
            )
        else {
            self.end(call, .failure(error))
            return
        }
        // After a loss any worker will do, the same one again if it comes back.
        if outcome == .unknown { call.failure = nil }
        self.dispatch(call)
    }

    /// A call's deadline has passed.
    func expire(slot: Int, now: Moment) {
        guard let call = self.slots[slot].call else {
            self.deadlines.remove(slot)
            return
        }
        if let place = call.place { self.send(Cancel(), to: place, requestID: call.requestID) }
        let worker = call.place?.workerID
        let message =
            worker == nil
            ? "the deadline passed and no worker could take the request\(self.whyNoWorker)"
            : "the deadline passed before the worker answered"
        self.end(
            call,
            .failure(
                InferenceError(
                    .deadlineExceeded,
                    message,
                    worker: worker,
                    requestID: call.requestID,
                    notExecuted: worker == nil && call.attempts == 0,
                    cause: call.failure
                )
            )
        )
    }

    private var whyNoWorker: String {
        if !self.discovery.hasList { return ": no broker answered at \(self.discovery.broker)" }
        return self.discovery.records.isEmpty ? ": no worker is registered" : ""
    }

    /// Nobody has ever told us of a worker: calls need not wait for their deadline to hear that.
    func failUndiscovered(now: Moment) {
        guard !self.discovery.hasFoundWorkers, self.waitingCount > 0,
            now >= self.discoveryDeadline
        else { return }
        for slot in self.slots.indices {
            guard let call = self.slots[slot].call, call.place == nil else { continue }
            let message =
                self.discovery.hasList
                ? "no worker serves model '\(call.request.model)': no worker is registered"
                : "no broker answered at \(self.discovery.broker); "
                    + "start one with roost-broker, or correct the address"
            self.end(
                call,
                .failure(
                    InferenceError(
                        .unavailable,
                        message,
                        requestID: call.requestID,
                        notExecuted: true
                    )
                )
            )
        }
    }
}

extension Target.Key {
    fileprivate init(_ call: Call) {
        self.init(model: call.request.model, version: call.request.version)
    }
}
