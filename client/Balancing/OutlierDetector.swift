internal import RoostWire

/// When a worker that keeps failing is left alone for a while.
public struct OutlierDetection: Sendable, Hashable {
    /// So many failures in a row are too many.
    public var consecutiveFailures = 5
    /// Less than this share of good answers in ``window`` is too little.
    public var successShare = 0.8
    /// How many requests in ``window`` say anything about that share.
    public var requestsMin = 5
    public var window: Duration = .seconds(30)
    /// How long the first time; it doubles each time after.
    public var ejectionTime: Duration = .seconds(5)
    public var ejectionTimeMax: Duration = .seconds(300)
    /// What share of the workers may be left alone at once; one may in any case.
    public var ejectedShareMax = 0.1
    /// If fewer than this share of the linked workers could be used, ejection and the broker's
    /// suspicion are ignored: then not the workers are ill but something that they have in common.
    public var panicShare = 0.5

    public init() {}

    func problems() -> [String] {
        var problems: [String] = []
        if self.consecutiveFailures < 1 { problems.append("consecutiveFailures must be 1 or more") }
        if self.requestsMin < 1 { problems.append("requestsMin must be 1 or more") }
        for (name, share) in [
            ("successShare", self.successShare), ("ejectedShareMax", self.ejectedShareMax),
            ("panicShare", self.panicShare),
        ] where !(0...1).contains(share) {
            problems.append("\(name) must be 0 to 1")
        }
        if self.window < .seconds(1) { problems.append("the outliers' window is below 1 s") }
        if self.ejectionTime <= .zero || self.ejectionTimeMax < self.ejectionTime {
            problems.append("ejectionTime must be positive and not above ejectionTimeMax")
        }
        return problems
    }
}

/// Watches the outcomes of one worker's requests and says when it is an outlier.
///
/// A value: the owner reports outcomes and decides, with a view of the others, whether an outlier
/// is ejected.
///
/// ```
/// used --eject--> ejected --time--> probing --one request: good--> used
///                 ejected <--------------------------------- bad
/// ```
///
/// The constants are those of Finagle's failure accrual and of Envoy's outlier detection
/// (PROTOCOL.md §2.2).
struct OutlierDetector: Sendable {
    private enum State: Hashable, Sendable {
        case used
        case ejected(until: Moment)
        /// One request may go there, or is there.
        case probing(isOut: Bool)
    }

    private let limits: OutlierDetection
    private var state = State.used
    private var consecutive = 0
    /// Ejections that no good spell has followed yet.
    private var ejections = 0
    /// Requests, and failures among them.
    private var counts: SlidingCounts

    private static let buckets = 10

    init(_ limits: OutlierDetection) {
        self.limits = limits
        self.counts = SlidingCounts(window: limits.window, buckets: Self.buckets)
    }

    /// Whether requests may go there.
    var isUsable: Bool {
        switch self.state {
        case .used, .probing(isOut: false): true
        case .ejected, .probing(isOut: true): false
        }
    }

    /// Whether it is left alone, or was until a moment ago.
    var isEjected: Bool { self.state != .used }

    /// When ``tick(now:)`` is due.
    var deadline: Moment {
        if case .ejected(let until) = self.state { until } else { .never }
    }

    /// Time has passed; whether ``isUsable`` has changed.
    mutating func tick(now: Moment) -> Bool {
        guard case .ejected(let until) = self.state, now >= until else { return false }
        self.state = .probing(isOut: false)
        return true
    }

    /// A request goes there; whether ``isUsable`` has changed.
    mutating func sent() -> Bool {
        guard self.state == .probing(isOut: false) else { return false }
        self.state = .probing(isOut: true)
        return true
    }

    /// A good answer; whether ``isUsable`` has changed.
    mutating func succeeded(now: Moment) -> Bool {
        self.consecutive = 0
        self.counts.add(first: 1, now: now)
        guard case .probing(let isOut) = self.state else {
            // A spell without failures long enough to empty the window: the past is forgiven.
            if self.ejections > 0, self.state == .used, self.counts.second == 0 {
                self.ejections = 0
            }
            return false
        }
        self.state = .used
        self.counts.reset()
        return isOut
    }

    /// An outcome that says nothing of the worker: cancelled, refused for load. Whether
    /// ``isUsable`` has changed.
    mutating func passed() -> Bool {
        guard self.state == .probing(isOut: true) else { return false }
        self.state = .probing(isOut: false)
        return true
    }

    /// A failure.
    ///
    /// - Returns: whether the worker should be ejected (anew, if it was being probed).
    mutating func failed(now: Moment) -> Bool {
        self.consecutive += 1
        self.counts.add(first: 1, second: 1, now: now)
        switch self.state {
        case .probing: return true
        case .ejected: return false
        case .used:
            if self.consecutive >= self.limits.consecutiveFailures { return true }
            let requests = self.counts.first
            guard requests >= self.limits.requestsMin else { return false }
            let successes = Double(requests - self.counts.second)
            return successes < self.limits.successShare * Double(requests)
        }
    }

    /// It is left alone from now on: half of the time for sure, the other half by lot, so that
    /// clients do not come back all at once.
    ///
    /// - Parameter jitter: drawn evenly from 0..<1.
    mutating func eject(now: Moment, jitter: Double) {
        let doubled = self.limits.ejectionTime * (1 << min(self.ejections, 16))
        let time = min(doubled, self.limits.ejectionTimeMax)
        self.ejections += 1
        self.consecutive = 0
        let span = time.inSeconds
        self.state = .ejected(until: now + .seconds(span / 2 + span / 2 * jitter))
    }
}
