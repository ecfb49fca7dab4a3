internal import RoostWire

/// When the process of a model that has ended is started again.
///
/// The pause doubles with each end; a process that has run well for a while begins anew. It is never
/// given up: what made it end may pass.
///
/// A value without clock or process: moments go in, pauses come out.
struct Supervision: Hashable, Sendable {
    /// The pause after the first end and the longest. Shorter serves sooner again; longer leaves the
    /// machine to the other models while one ends again and again.
    static let pauseBounds = Duration.milliseconds(100)...Duration.seconds(10)
    /// A process that has run for so long was well: its end counts as the first.
    static let healthyTime: Duration = .seconds(10)

    enum State: Hashable, Sendable {
        /// The process is being started, and loads and warms its model.
        case starting
        case running(since: Moment)
        /// It has ended; another is started then.
        case waiting(until: Moment)
    }

    private(set) var state = State.starting
    /// How many processes have ended in a row, none of which had been well.
    private(set) var ends = 0

    /// The model is loaded and warm.
    mutating func loaded(now: Moment) { self.state = .running(since: now) }

    /// The process has ended, or could not be started.
    ///
    /// - Returns: how long to wait before the next is started.
    mutating func ended(now: Moment) -> Duration {
        if case .running(let since) = self.state, now - since >= Self.healthyTime { self.ends = 0 }
        // Beyond 20 the bound holds anyway.
        let pause = min(
            Self.pauseBounds.lowerBound * (1 << min(self.ends, 20)),
            Self.pauseBounds.upperBound
        )
        self.ends += 1
        self.state = .waiting(until: now + pause)
        return pause
    }

    /// The pause is over.
    mutating func starting() { self.state = .starting }
}
