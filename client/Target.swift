internal import RoostWire

/// A worker as one of those that serve a model: how fast it has been with it.
final class Candidate {
    let place: Place
    var latency = LatencyEstimate()

    init(_ place: Place) {
        self.place = place
        self.latency.seed(place.service)
    }
}

/// Candidates that are alike, and whose turn it is.
struct CandidatePool {
    private(set) var members: [Candidate] = []
    var picker: Picker
    /// Whether some of them are being given less than their share.
    private(set) var hasNewcomers = false

    init(picker: Picker) { self.picker = picker }

    mutating func replace(_ members: [Candidate]) {
        self.members = members
        self.hasNewcomers = members.contains { $0.place.slowStart != nil }
    }

    /// A request is given to one of them: those that have just joined earn their part of it.
    mutating func earn(now: Moment) {
        self.hasNewcomers = false
        for member in self.members {
            guard let slowStart = member.place.slowStart else { continue }
            if slowStart.isOver(now: now) {
                member.place.slowStart = nil
            } else {
                member.place.slowStart?.earn(of: self.members.count, now: now)
                self.hasNewcomers = true
            }
        }
    }
}

/// What calls ask for, and who serves it.
final class Target {
    /// A model, in a version (0: that of the label) or with a label (empty: any); or one worker.
    struct Key: Hashable {
        let model: String
        let version: UInt32
        let label: String
        /// Empty: every worker that serves the model.
        let worker: String

        init(model: String, version: UInt32 = 0, label: String = "", worker: String = "") {
            self.model = model
            self.version = version
            self.label = label
            self.worker = worker
        }

        /// Whether calls of this key may go to that worker.
        func matches(_ record: WorkerRecord) -> Bool {
            self.worker.isEmpty
                ? record.serves(self.model, version: self.version, label: self.label)
                : record.workerID == self.worker
        }
    }

    let key: Key
    /// Workers that serve it, in the order of their ids.
    var candidates: [Candidate] = []
    /// Those that can be used, in the client's zone and elsewhere. Without zones all are near.
    var near: CandidatePool
    var far: CandidatePool
    /// Those that are linked, and used only if there is nobody else.
    var last: CandidatePool
    /// The pools are out of date.
    var isStale = true
    /// Calls that wait for a worker, first come first.
    var waiting = Ring<Call>()
    /// Calls that wait and may not go everywhere: some workers refused them, or they are of a
    /// sequence that one worker knows. They must not keep others from those.
    var choosy = Ring<Call>()
    /// When somebody was last known to serve it.
    var served: Moment?
    var throttle = Throttle()
    /// How long answers take, for hedging, and what that means for the next call.
    var latencies = LatencyQuantile()
    var hedgeDelay: Duration?

    /// Whether any call waits.
    var isWaitedFor: Bool { self.waiting.count + self.choosy.count > 0 }

    init(_ key: Key, policy: BalancingPolicy, seed: UInt64) {
        self.key = key
        self.near = CandidatePool(picker: Picker(policy, seed: seed))
        self.far = CandidatePool(picker: Picker(policy, seed: seed &+ 1))
        self.last = CandidatePool(picker: Picker(policy, seed: seed &+ 2))
    }
}

extension Target {
    /// Sorts the candidates into the pools.
    ///
    /// - Parameters:
    ///   - zone: the client's; empty: all are near.
    ///   - panicShare: if fewer of the linked ones can be used, all are that make progress.
    func refreshPools(zone: String, panicShare: Double) {
        self.isStale = false
        let linked = self.candidates.filter { candidate in
            let link = candidate.place.link
            return link.isReady && !link.isDraining && !candidate.place.isSurplus
        }
        var usable = linked.filter { candidate in
            let link = candidate.place.link
            return link.record.state.isServing && !link.isDoubted
                && candidate.place.detector?.isUsable != false
        }
        if Double(usable.count) < panicShare * Double(linked.count) {
            let moving = linked.filter { $0.place.link.record.state.isServing }
            usable = moving.isEmpty ? linked : moving
        }
        let isUsed = Set(usable.map(ObjectIdentifier.init))
        self.near.replace(
            usable.filter { zone.isEmpty || $0.place.link.record.zone == zone }
        )
        self.far.replace(
            zone.isEmpty ? [] : usable.filter { $0.place.link.record.zone != zone }
        )
        self.last.replace(linked.filter { !isUsed.contains(ObjectIdentifier($0)) })
    }
}

extension WorkerRecord.State {
    /// Whether a worker in that state executes what it is sent. What the broker suspects, the link
    /// knows better.
    fileprivate var isServing: Bool {
        switch self {
        case .ready, .suspect: true
        case .joining, .degraded, .draining: false
        }
    }
}

/// Those of a pool that a call may go to, as the picker sees them.
struct Choice: PickerCandidates {
    let members: [Candidate]
    let call: Call
    /// Whether those count that said they are overloaded.
    let takesOverloaded: Bool
    /// Whether those count that have just joined and have not earned another request.
    let takesNewcomers: Bool

    var count: Int { self.members.count }

    func outstanding(_ position: Int) -> Int? {
        let place = self.members[position].place
        guard place.link.canSend else { return nil }
        guard self.takesOverloaded || place.overloadedUntil == nil else { return nil }
        guard self.takesNewcomers || place.slowStart?.mayTake != false else { return nil }
        guard !self.call.avoids(place) else { return nil }
        return place.link.inFlight
    }

    func latency(_ position: Int) -> Double {
        self.members[position].latency.mean(self.call.sizeClass)
    }

    func roughLatency(_ position: Int) -> Double {
        self.members[position].latency.roughMean(self.call.sizeClass)
    }

    func slots(_ position: Int) -> Int { Int(self.members[position].place.link.record.slots) }

    func hash(_ position: Int) -> UInt64 { self.members[position].place.hash }
}
