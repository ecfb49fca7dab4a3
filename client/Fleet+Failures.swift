internal import RoostWire
internal import ZeroMQ

// What becomes of calls whose workers failed them, what is thought of such workers, and hedges.

extension Fleet {
    /// How long a lost request waits for the retry budget before it asks again.
    private static let budgetPause: Duration = .milliseconds(50)

    // MARK: Calls

    /// An attempt failed: the call goes to another worker, or waits, or ends.
    func failed(
        _ call: Call,
        at place: Place,
        _ error: InferenceError,
        _ outcome: RetryPolicy.Outcome,
        now: Moment
    ) {
        guard let (leg, isHedge) = call.leg(at: place) else { return }
        call.record(leg, error.code, isHedge: isHedge, now: now)
        // A worker that was lost may take it again once its link is mended; one that refused may not.
        if outcome == .refused || outcome == .final {
            call.avoided.append(ObjectIdentifier(place))
        }
        if outcome == .unknown { call.losses += 1 }
        // The other copy is still on its way.
        if isHedge {
            call.hedge = nil
            return
        }
        if let hedge = call.hedge {
            call.leg = hedge
            call.hedge = nil
            return
        }
        call.leg = nil
        self.stopDelay(call)
        if outcome == .refused { call.failure = error }
        guard !call.isBound else {
            self.end(call, .failure(error))
            return
        }
        let verdict = self.retries.verdict(
            outcome,
            attempts: call.attempts,
            losses: call.losses,
            isIdempotent: call.isIdempotent,
            jitter: Self.jitter
        )
        switch verdict {
        case .never: self.end(call, .failure(error))
        case .after(let pause): self.delay(call, until: now + pause)
        case .now:
            // What a worker that leaves did not take costs nobody anything. What is refused for
            // load is not asked for again without end: that would be more load.
            guard outcome == .notSent || self.retryBudget.take(now: now) else {
                self.end(call, .failure(error))
                return
            }
            self.dispatch(call, self.target(of: call), now: now)
        }
    }

    /// A call whose worker was lost is sent again, if that many repetitions are allowed now.
    func repeatLost(_ call: Call, now: Moment) {
        guard self.retryBudget.take(now: now) else {
            self.delay(call, until: now + Self.budgetPause)
            return
        }
        self.dispatch(call, self.target(of: call), now: now)
    }

    /// A call's deadline has passed.
    func expire(slot: Int, now: Moment) {
        guard let call = self.slots[slot].call else {
            self.deadlines.remove(slot)
            return
        }
        let worker = call.leg?.place.workerID
        // A stream that has begun is long, or its reader slow; its worker is well.
        let isFaulty = !call.hasBegun
        self.recall(call, .deadlineExceeded, now: now) { fleet, place in
            if isFaulty { fleet.suspect(place, now: now) } else { fleet.passed(place) }
        }
        let message: String
        if worker != nil {
            message = "the deadline passed before the worker answered"
        } else if call.losses > 0, call.isDelayed {
            message =
                "its worker was lost, and the deadline passed before the request could be sent "
                + "again: the retry budget was spent"
        } else {
            message = "the deadline passed and no worker could take the request\(self.whyNoWorker)"
        }
        self.end(
            call,
            .failure(
                InferenceError(
                    .deadlineExceeded,
                    message,
                    worker: worker,
                    requestID: call.requestID,
                    notExecuted: worker == nil && call.losses == 0,
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
            guard let call = self.slots[slot].call, call.leg == nil else { continue }
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

    // MARK: Workers

    /// A worker has answered well.
    func trust(_ place: Place, now: Moment) {
        if place.detector?.succeeded(now: now) == true { self.stalePools() }
    }

    /// A worker's answer says nothing of its health.
    func passed(_ place: Place) {
        if place.detector?.passed() == true { self.stalePools() }
    }

    /// A worker has failed a request, or let its deadline pass: if it keeps doing so, it is left
    /// alone for a while.
    func suspect(_ place: Place, now: Moment) {
        guard place.detector?.failed(now: now) == true else { return }
        let isOut = place.detector?.isEjected == true
        let ejected = self.places.count { $0.detector?.isEjected == true }
        let share = self.configuration.outlierDetection?.ejectedShareMax ?? 0
        guard isOut || ejected < max(1, Int(share * Double(self.places.count))) else { return }
        place.detector?.eject(now: now, jitter: Self.jitter)
        self.stalePools()
        self.wake(by: place.deadline)
    }

    /// A worker says that it takes nothing before a while has passed.
    func backOff(_ place: Place, for pause: Duration, now: Moment) {
        guard pause > .zero else { return }
        place.overloadedUntil = max(place.overloadedUntil ?? now, now + pause)
        self.wake(by: place.deadline)
    }

    // MARK: Hedges

    /// Has a second copy of the call sent if it takes longer than most do.
    func scheduleHedge(_ call: Call, _ target: Target, now: Moment) {
        guard let hedging = self.configuration.hedging, let delay = target.hedgeDelay,
            call.isIdempotent, call.question == .infer, call.stream == nil,
            target.candidates.count > 1
        else { return }
        self.delay(call, until: now + max(delay, hedging.delayMin))
    }

    /// Sends a second copy to another worker, if that many are allowed and one has room.
    func hedge(_ call: Call, now: Moment) {
        guard let leg = call.leg, call.hedge == nil, call.frame == nil,
            let target = self.target(of: call)
        else { return }
        // Not to the one that has it.
        call.avoided.append(ObjectIdentifier(leg.place))
        let other = self.choose(call, target, now: now)
        call.avoided.removeLast()
        guard let other, self.hedgeBudget.take(now: now), self.retryBudget.take(now: now) else {
            return
        }
        self.enqueue(call, to: other, asHedge: true, now: now)
    }

    /// Remembers how long a call took, and from time to time what that means for hedges.
    func learn(_ latency: Duration, _ target: Target) {
        guard let hedging = self.configuration.hedging else { return }
        target.latencies.add(latency)
        if target.latencies.isDue {
            target.hedgeDelay = target.latencies.value(hedging.quantile)
        }
    }
}
