internal import RoostWire
internal import ZeroMQ

// The way of a call: started here, given to a worker, or kept waiting for one; given to another
// worker when that one is lost or refuses; ended exactly once. `Fleet+Choice` says to which worker,
// `Fleet+Failures` what becomes of a call whose worker failed it.

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
        let shadows = self.configuration.splits.isEmpty ? [] : self.split(call)
        defer { for shadow in shadows { self.start(shadow) } }
        let slot: Int
        if let free = self.freeSlots.popLast() {
            slot = free
        } else {
            slot = self.slots.count
            self.slots.append(Slot())
        }
        call.requestID = UInt64(self.slots[slot].occupy(call)) << 32 | UInt64(slot)
        let now = self.now
        self.noticeHoldUp(now: now)
        self.deadlines.insert(slot, deadline: call.deadline)
        self.wake(by: call.deadline)
        self.retryBudget.request(now: now)
        if self.configuration.hedging != nil { self.hedgeBudget.request(now: now) }
        let target = self.target(of: call)
        if self.configuration.throttles, let target,
            !target.throttle.admits(timeLeft: call.deadline - now, now: now, lot: { Self.jitter })
        {
            self.end(call, .failure(Self.throttled(call)))
            return
        }
        if let sequence = call.sequence {
            self.enter(call, sequence)
        } else {
            self.dispatch(call, target, now: now)
        }
    }

    /// The caller has given up.
    func cancel(_ call: Call) {
        guard self.isUnderWay(call) else { return }
        self.recall(call, .cancelled, now: self.now) { fleet, place in fleet.passed(place) }
        self.end(call, .failure(Self.cancelled(call)))
    }

    /// Tells the workers that have the call that its answer is no longer wanted, and why.
    func recall(
        _ call: Call,
        _ code: InferenceError.Code,
        now: Moment,
        _ report: (isolated Fleet, Place) -> Void
    ) {
        call.giveUp(code, now: now)
        for leg in [call.leg, call.hedge] {
            guard let leg else { continue }
            self.send(Cancel(), to: leg.place, requestID: call.requestID)
            report(self, leg.place)
        }
    }

    private static func cancelled(_ call: Call) -> InferenceError {
        InferenceError(.cancelled, "the call was cancelled", requestID: call.requestID)
    }

    private static func throttled(_ call: Call) -> InferenceError {
        InferenceError(
            .overloaded,
            "the workers refuse most requests for load, so this one was not sent; "
                + "send fewer, or add workers",
            requestID: call.requestID,
            notExecuted: true
        )
    }

    /// Whether the call has been started and has not ended.
    func isUnderWay(_ call: Call) -> Bool {
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
        // It may have ended just now: a CANCEL that finds its link lost fails the link's calls.
        guard self.isUnderWay(call) else { return }
        let slot = Int(call.requestID & Self.slotMask)
        if call.isShadow { self.shadowCount -= 1 }
        self.slots[slot].vacate()
        self.freeSlots.append(slot)
        self.deadlines.remove(slot)
        if call.isDelayed { self.delays.remove(slot) }
        if let leg = call.leg {
            self.releaseInputs(of: call, at: leg.place)
        } else {
            self.stopWaiting(call)
        }
        var answer = answer
        if case .failure(var error) = answer, !call.history.isEmpty {
            error.attempts = call.history
            answer = .failure(error)
        }
        guard let sequence = call.sequence else {
            call.finish(answer)
            return
        }
        call.finish(self.leave(sequence, call, answer))
        self.advance(sequence)
    }

    /// Gives the call to a worker, or has it wait, or ends it.
    func dispatch(_ call: Call, _ target: Target?, now: Moment) {
        // Calls that wait already go first, unless nobody takes them who may take this one.
        let isChoosy = !call.avoided.isEmpty || call.pin != nil
        let isNext = isChoosy || target?.waiting.count == 0
        if let target, isNext, self.place(call, target, now: now) { return }
        if let error = self.hopeless(call, target, now: now) {
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
        let waiting = target ?? self.addTarget(call.key, now: now)
        if isChoosy { waiting.choosy.append(call) } else { waiting.waiting.append(call) }
        if !self.discovery.hasFoundWorkers { self.wake(by: self.discoveryDeadline) }
        if let deadline = self.unservedDeadline(waiting) { self.wake(by: deadline) }
    }

    // MARK: Waiting

    /// Gives waiting calls to workers that have become able to take them.
    func pump() {
        self.mustPump = false
        guard self.waitingCount > 0 else { return }
        let now = self.now
        for target in self.targets.values {
            // Each once, the oldest first; one that finds nobody does not hold up the next.
            for _ in 0..<min(target.choosy.count, Self.choosyMax) {
                guard let call = target.choosy.popFirst() else { break }
                if !self.settle(call, target, now: now) { target.choosy.append(call) }
            }
            while let call = target.waiting.popFirst() {
                if self.settle(call, target, now: now) { continue }
                target.waiting.prepend(call)
                break
            }
        }
    }

    /// How many calls that may not go everywhere are looked at when something has changed.
    private static let choosyMax = 64

    /// Gives a call that waited to a worker, or ends it if none will ever take it; false if it must
    /// go on waiting.
    private func settle(_ call: Call, _ target: Target, now: Moment) -> Bool {
        self.waitingCount -= 1
        if self.place(call, target, now: now) { return true }
        if let error = self.hopeless(call, target, now: now) {
            if self.splitAnew(call) {
                self.dispatch(call, self.target(of: call), now: now)
            } else {
                self.end(call, .failure(error))
            }
            return true
        }
        self.waitingCount += 1
        return false
    }

    private func stopWaiting(_ call: Call) {
        guard let target = self.targets[call.key] else { return }
        let waited =
            target.waiting.removeFirst { $0 === call } ?? target.choosy.removeFirst { $0 === call }
        if waited != nil { self.waitingCount -= 1 }
    }

    /// Has the call taken up again at that moment; see ``resume(slot:now:)``.
    func delay(_ call: Call, until moment: Moment) {
        let slot = Int(call.requestID & Self.slotMask)
        call.isDelayed = true
        self.delays.insert(slot, deadline: moment)
        self.wake(by: moment)
    }

    /// The call needs no waking any more.
    func stopDelay(_ call: Call) {
        guard call.isDelayed else { return }
        call.isDelayed = false
        self.delays.remove(Int(call.requestID & Self.slotMask))
    }

    /// A call's moment has come: to be sent again or, if it is at a worker, hedged.
    func resume(slot: Int, now: Moment) {
        self.delays.remove(slot)
        guard let call = self.slots[slot].call else { return }
        call.isDelayed = false
        if call.leg == nil { self.repeatLost(call, now: now) } else { self.hedge(call, now: now) }
    }
}
