internal import RoostWire

/// A worker's presence at one broker: connect, register, beat, and again from the start when the
/// link or the broker is lost.
///
/// A value: the owner opens and closes the socket, sends what it is told to, and reports back.
///
/// ```
/// waiting --time--> registering --REGISTER_OK--> registered --silence, loss--> waiting
/// registering --no answer in `answerLimit`--> waiting        registered --UNKNOWN--> registering
/// registered --record changed--> announcing --REGISTER_OK, "too often"--> registered
/// ```
///
/// A record that changes more often than the broker takes is announced as it is when it may be: what
/// it was meanwhile nobody is told.
///
/// Who was registered and loses the broker waits for a time drawn from the whole `spread` that the
/// broker asked for: a fleet that comes back at once would keep it busy for seconds.
struct Heartbeater: Sendable {
    enum Action: Hashable, Sendable {
        /// Open a fresh socket to the broker and send REGISTER as its first message.
        case connect
        /// Send REGISTER on the open socket.
        case register
        case beat
        /// Close the socket.
        case disconnect
        /// The broker refuses us for good reason; people should hear of it.
        case report(String)
    }

    private enum State: Hashable, Sendable {
        /// No socket; the next attempt is due then.
        case waiting(until: Moment)
        /// REGISTER was sent; the answer is due then.
        case registering(until: Moment)
        /// Registered; the broker was last heard then.
        case registered(nextBeat: Moment, heard: Moment)
        /// Registered, and REGISTER was sent again since the record changed; the answer is due then.
        case announcing(until: Moment)
        case stopped
    }

    /// A broker that says nothing for this long is gone.
    static let silenceLimit: Duration = .seconds(3)
    /// REGISTER is answered within this time.
    static let answerLimit: Duration = .seconds(2)
    /// A link that has worked for this long ends the doubling of waits. One that is lost sooner may
    /// be lost again at once.
    static let healthyAfter: Duration = .seconds(30)
    /// A longer spread is not followed: it is that of the largest fleet (PROTOCOL, §1.6).
    static let spreadMax: Duration = .seconds(120)
    /// However long the broker was away, a worker waits for no longer than the spread and this, so
    /// that the fleet is whole again 2 s and the spread after the broker is back.
    static let waitBeyondSpread: Duration = .milliseconds(750)
    /// A fresh link to a broker that answered before is given up after the spread, if that is longer
    /// than this and shorter than ``answerLimit``. Nobody tells of a connection that was refused
    /// (PROTOCOL, §1.4), and only a large fleet's broker has to be given time.
    static let connectLimitMin: Duration = .seconds(1)
    /// A change that came too often is not announced again before this time, whatever the broker
    /// says.
    static let changeWaitMin: Duration = .milliseconds(100)

    private var state: State
    private var backoff = Backoff()
    /// Over how long the broker wants the fleet's return spread, once it has said so.
    private var spread: Duration?
    /// Since when the link is registered.
    private var registered: Moment?
    /// A change of the record waits to be announced, and may be then.
    private var changeDue: Moment?
    private var interval: Duration
    private var wasReported = false

    init(interval: Duration, now: Moment) {
        self.interval = interval
        self.state = .waiting(until: now)
    }

    /// When ``tick(now:jitter:)`` is due.
    var deadline: Moment {
        switch self.state {
        case .waiting(let until), .registering(let until), .announcing(let until): until
        case .registered(let nextBeat, let heard):
            min(nextBeat, heard + Self.silenceLimit, self.changeDue ?? .never)
        case .stopped: .never
        }
    }

    var isRegistered: Bool {
        switch self.state {
        case .registered, .announcing: true
        case .waiting, .registering, .stopped: false
        }
    }

    /// Time has passed.
    mutating func tick(now: Moment, jitter: Double) -> [Action] {
        guard now >= self.deadline else { return [] }
        switch self.state {
        case .waiting:
            self.state = .registering(until: now + self.connectLimit)
            return [.connect]
        case .registering, .announcing:
            return self.lost(now: now, jitter: jitter)
        case .registered(_, let heard):
            if now - heard >= Self.silenceLimit { return self.lost(now: now, jitter: jitter) }
            if let changeDue, now >= changeDue { return self.announce(now: now) }
            self.state = .registered(nextBeat: now + self.spaced(jitter), heard: heard)
            return [.beat]
        case .stopped:
            return []
        }
    }

    /// The record changed: a registered broker hears of it at once, or as soon as it wants to.
    mutating func recordChanged(now: Moment) -> [Action] {
        guard case .registered = self.state, self.changeDue == nil else { return [] }
        return self.announce(now: now)
    }

    private mutating func announce(now: Moment) -> [Action] {
        self.changeDue = nil
        self.state = .announcing(until: now + Self.answerLimit)
        return [.register]
    }

    /// REGISTER_OK came.
    mutating func accepted(_ answer: RegisterOK, now: Moment, jitter: Double) -> [Action] {
        switch self.state {
        case .registering, .announcing: break
        case .waiting, .registered, .stopped: return []
        }
        self.registered = self.registered ?? now
        self.spread = min(answer.spread, Self.spreadMax)
        self.wasReported = false
        self.interval = max(answer.heartbeatInterval, .milliseconds(10))
        // The first beat at once: it says READY.
        self.state = .registered(nextBeat: now, heard: now)
        return self.tick(now: now, jitter: jitter)
    }

    /// HB_ACK or another sign of life came; `knownRevision` is what the broker holds.
    mutating func heard(knownRevision: UInt64, revision: UInt64, now: Moment) -> [Action] {
        guard case .registered(let nextBeat, _) = self.state else { return [] }
        self.state = .registered(nextBeat: nextBeat, heard: now)
        return knownRevision == revision ? [] : self.recordChanged(now: now)
    }

    /// UNKNOWN came: the broker lost our lease.
    mutating func unknown(now: Moment) -> [Action] {
        switch self.state {
        case .registered:
            self.changeDue = nil
            self.state = .registering(until: now + Self.answerLimit)
            return [.register]
        case .announcing(let until):
            // What is on its way is a registration anew.
            self.state = .registering(until: until)
            return []
        case .waiting, .registering, .stopped:
            return []
        }
    }

    /// ERROR came: the broker does not take the record, or not yet.
    mutating func refused(_ error: ErrorReply, now: Moment, jitter: Double) -> [Action] {
        guard self.state != .stopped else { return [] }
        if case .announcing = self.state, error.code == .overloaded {
            // It holds the record of before, and takes a newer one then.
            self.changeDue = now + max(error.backoff, Self.changeWaitMin)
            self.state = .registered(nextBeat: now, heard: now)
            return self.tick(now: now, jitter: jitter)
        }
        self.registered = nil
        self.changeDue = nil
        self.state = .waiting(
            until: now + max(error.backoff, .seconds(1), self.backoff.next(jitter: jitter))
        )
        defer { self.wasReported = true }
        return self.wasReported ? [.disconnect] : [.disconnect, .report(error.detail)]
    }

    /// The link was lost, or the broker said good-bye.
    mutating func lost(now: Moment, jitter: Double) -> [Action] {
        guard self.state != .stopped else { return [] }
        if let registered, now - registered >= Self.healthyAfter { self.backoff.reset() }
        self.registered = nil
        self.changeDue = nil
        self.state = .waiting(until: now + self.wait(jitter))
        return [.disconnect]
    }

    /// The worker ends.
    mutating func stop() { self.state = .stopped }

    private var connectLimit: Duration {
        guard let spread else { return Self.answerLimit }
        return min(max(spread, Self.connectLimitMin), Self.answerLimit)
    }

    /// How long to wait before the next attempt: evenly drawn from zero to the back-off's bound, or
    /// to the spread if that is longer.
    private mutating func wait(_ jitter: Double) -> Duration {
        let backoff = self.backoff.next(jitter: jitter)
        guard let spread else { return backoff }
        return max(
            min(backoff, Self.part(jitter, of: spread + Self.waitBeyondSpread)),
            Self.part(jitter, of: spread)
        )
    }

    private static func part(_ jitter: Double, of duration: Duration) -> Duration {
        .nanoseconds(Int64(Double(duration.nanoseconds) * jitter))
    }

    /// Beats are spread by 10 % either way, or a fleet that started together beats together.
    private func spaced(_ jitter: Double) -> Duration {
        Self.part(0.9 + 0.2 * jitter, of: self.interval)
    }
}
