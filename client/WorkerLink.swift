internal import RoostWire

/// A client's link to one incarnation of one worker.
///
/// A value: the owner opens and closes the socket, sends what it is told to, and reports back.
///
/// ```
/// waiting --time--> greeting (HELLO sent) --HELLO_OK--> ready --loss, silence--> waiting
/// greeting --no answer in `answerLimit`--> waiting      ready --GOAWAY--> ready, draining
/// ```
struct WorkerLink: Sendable {
    enum Action: Hashable, Sendable {
        /// Open a fresh socket to the worker and send HELLO as its first message.
        case connect
        /// Send a PING with the number ``proof``.
        case ping
        /// Close the socket; what was in flight on it has no answer coming.
        case disconnect
        /// Requests can be sent now.
        case ready
    }

    private enum State: Hashable, Sendable {
        case waiting(until: Moment)
        case greeting(until: Moment)
        case ready(nextPing: Moment)
        case closed
    }

    /// HELLO is answered within this time; a refused connection gives no error.
    static let answerLimit: Duration = .seconds(2)
    /// How often a silent worker is asked for a sign of life: with requests out, and without.
    static let pingInterval: (busy: Duration, idle: Duration) = (.seconds(1), .seconds(5))
    /// A worker that owes an answer and says nothing for this long is gone.
    static let silenceLimit: Duration = .seconds(3)
    /// The slowest network that a large request may take its time on, in bytes a second: the worker
    /// can say nothing, nor be asked anything, before it has the whole of it.
    static let bytesPerSecondMin = 1_000_000
    /// A link that worked for this long has forgotten its earlier failures: as long as the longest
    /// wait, so that one which works for a moment only is not tried more often than that.
    static let healthyAfter: Duration = .seconds(5)
    /// Who is called so much too late was held up himself: the worker's silence proves nothing, and
    /// neither does the link's.
    static let latenessLimit: Duration = .milliseconds(500)

    private(set) var record: WorkerRecord
    private var state: State
    private var retry = LinkRetry()
    private var heard = Moment(nanoseconds: 0)
    /// Since when the worker owes us a sign of life: the first request or PING after the last one.
    private var expecting: Moment?
    private var readySince = Moment(nanoseconds: 0)
    private var credit = 0
    private(set) var sequence = LinkSequence()
    /// Requests sent and not answered.
    private(set) var inFlight = 0
    /// What they hold, about: answers take an even share of it with them.
    private var bytesInFlight = 0
    /// The worker said that it takes nothing new, or the broker says so.
    private(set) var isDraining = false
    /// The worker said so on this link, and waits for us to take leave.
    private var owesGoAway = false
    /// The broker no longer lists the worker in this life; the link is used as long as it works.
    var isUnlisted = false
    /// The broker hears nothing of the worker, and neither have we since it said so.
    private(set) var isDoubted = false
    /// The number of the PING whose answer proves that the link has outlived a time in which we
    /// were held up; 0 if nothing need be proved. The worker may have closed it without our notice,
    /// and an answer from before may still come.
    private(set) var proof: UInt64 = 0
    private var holdUps: UInt64 = 0
    /// A broker that answers now hears the worker.
    var isHeard = true

    init(_ record: WorkerRecord, now: Moment) {
        self.record = record
        self.isDraining = record.state == .draining
        self.state = .waiting(until: now)
    }

    var isReady: Bool {
        if case .ready = self.state { true } else { false }
    }

    /// Whether a request may be sent now.
    var canSend: Bool {
        self.isReady && !self.isDraining && self.inFlight < self.credit && self.proof == 0
    }

    /// Whether the worker was given up: it is tried rarely, until a broker hears it.
    var isGivenUp: Bool { self.retry.isRare }

    /// When ``tick(now:jitter:)`` is due.
    var deadline: Moment {
        switch self.state {
        case .waiting(let until), .greeting(let until): until
        case .ready(let nextPing):
            min(nextPing, self.expecting.map { $0 + self.patience } ?? .never)
        case .closed: .never
        }
    }

    /// How long the worker may be silent: longer while much is on its way to it.
    private var patience: Duration {
        guard self.bytesInFlight > 0 else { return Self.silenceLimit }
        let seconds = Double(self.bytesInFlight) / Double(Self.bytesPerSecondMin)
        return Self.silenceLimit + .nanoseconds(Int64(seconds * 1e9))
    }

    /// The broker tells something new of the same process.
    mutating func update(_ record: WorkerRecord, now: Moment) -> [Action] {
        let wasSuspect = self.record.state == .suspect
        self.record = record
        self.isUnlisted = false
        if record.state == .draining { self.isDraining = true }
        guard record.state == .suspect else {
            self.isDoubted = false
            return []
        }
        guard !wasSuspect, case .ready = self.state else { return [] }
        // The broker's word against our link's: ask the worker.
        self.isDoubted = true
        self.expecting = self.expecting ?? now
        return [.ping]
    }

    /// Time has passed.
    mutating func tick(now: Moment, jitter: Double) -> [Action] {
        guard now >= self.deadline else { return [] }
        switch self.state {
        case .waiting:
            self.state = .greeting(until: now + Self.answerLimit)
            self.sequence = LinkSequence()
            return [.connect]
        case .greeting:
            return self.lost(now: now, jitter: jitter)
        case .ready:
            if now - self.deadline >= Self.latenessLimit {
                self.holdUps += 1
                self.proof = self.holdUps
                self.expecting = now
                self.state = .ready(nextPing: now + Self.pingInterval.busy)
                return [.ping]
            }
            if let expecting, now - expecting >= self.patience {
                return self.lost(now: now, jitter: jitter)
            }
            let interval = self.inFlight > 0 ? Self.pingInterval.busy : Self.pingInterval.idle
            guard now - self.heard >= interval else {
                self.state = .ready(nextPing: self.heard + interval)
                return []
            }
            self.expecting = self.expecting ?? now
            self.state = .ready(nextPing: now + Self.pingInterval.busy)
            return [.ping]
        case .closed:
            return []
        }
    }

    /// HELLO_OK has come.
    mutating func greeted(_ answer: HelloOK, now: Moment) -> [Action] {
        guard case .greeting = self.state else { return [] }
        self.credit = Int(answer.credit)
        self.expecting = nil
        self.retry.worked()
        self.heard = now
        self.readySince = now
        self.state = .ready(nextPing: now + Self.pingInterval.busy)
        return [.ready]
    }

    /// Messages have come: a sign of life.
    ///
    /// - Returns: whether the worker was doubted until now.
    mutating func heard(now: Moment) -> Bool {
        self.heard = now
        self.expecting = self.inFlight > 0 ? now : nil
        defer { self.isDoubted = false }
        return self.isDoubted
    }

    /// The answer to the PING of that number has come.
    ///
    /// - Returns: whether requests can be sent again, which could not until now.
    mutating func ponged(_ number: UInt64) -> Bool {
        guard number != 0, number == self.proof else { return false }
        self.proof = 0
        return true
    }

    /// Whether a message of that number is the next one.
    mutating func accept(_ linkSequence: UInt64) -> Bool { self.sequence.accept(linkSequence) }

    /// The number of the next message to the worker.
    mutating func nextSequence() -> UInt64 { self.sequence.next() }

    /// A request goes out.
    ///
    /// - Parameter bytes: what its tensors hold.
    /// - Returns: its number in the link's sequence.
    @discardableResult
    mutating func sent(now: Moment, bytes: Int = 0) -> UInt64 {
        self.inFlight += 1
        self.bytesInFlight += bytes
        if self.expecting == nil {
            self.expecting = now
            // An idle link would be asked much later.
            let ping = now + Self.pingInterval.busy
            if case .ready(let nextPing) = self.state, ping < nextPing {
                self.state = .ready(nextPing: ping)
            }
        }
        return self.sequence.next()
    }

    /// Further inputs of a request go out.
    mutating func added(bytes: Int) { self.bytesInFlight += bytes }

    /// The worker has read inputs, or will never read them.
    mutating func read(bytes: Int) { self.bytesInFlight = max(self.bytesInFlight - bytes, 0) }

    /// An answer has come, wanted or not.
    ///
    /// - Returns: whether it may have been the last one: the worker drains.
    @discardableResult
    mutating func answered() -> Bool {
        self.bytesInFlight -= self.bytesInFlight / max(self.inFlight, 1)
        self.inFlight = max(self.inFlight - 1, 0)
        return self.owesGoAway
    }

    /// GOAWAY has come. After a breach of protocol nothing is answered either.
    mutating func goAway(_ reason: GoAway.Reason, now: Moment, jitter: Double) -> [Action] {
        self.isDraining = true
        switch reason {
        case .draining:
            self.owesGoAway = true
            return []
        case .protocolViolation:
            self.isDraining = false
            return self.lost(now: now, jitter: jitter)
        }
    }

    /// Whether to say good-bye to a worker that drains now: once, when everything is answered.
    mutating func takeLeave() -> Bool {
        guard self.owesGoAway, self.inFlight == 0 else { return false }
        self.owesGoAway = false
        return true
    }

    /// The connection was lost or makes no sense any more.
    mutating func lost(now: Moment, jitter: Double) -> [Action] {
        guard self.state != .closed else { return [] }
        if self.isReady, now - self.readySince >= Self.healthyAfter { self.retry = LinkRetry() }
        let wait = self.retry.failed(
            now: now,
            isAttempt: !self.isReady,
            isHeard: self.isHeard,
            jitter: jitter
        )
        self.state = .waiting(until: now + wait)
        self.inFlight = 0
        self.bytesInFlight = 0
        self.credit = 0
        self.owesGoAway = false
        self.expecting = nil
        self.isDoubted = false
        self.proof = 0
        return [.disconnect]
    }

    /// A broker hears the worker: a link that was hardly tried any more is tried soon.
    mutating func hurry(now: Moment, jitter: Double) {
        guard case .waiting(let until) = self.state, let wait = self.retry.hurry(jitter: jitter)
        else { return }
        self.state = .waiting(until: min(until, now + wait))
    }

    /// The link is given up for good.
    mutating func close() { self.state = .closed }
}
