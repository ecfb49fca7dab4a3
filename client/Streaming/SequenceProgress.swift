internal import RoostWire

/// How far a sequence has come: what its next request must say, and whether there can be one.
///
/// A value: the owner sends one request after the other, each after the answer to the one before.
struct SequenceProgress: Sendable {
    /// How a request ended.
    enum Outcome: Sendable {
        case answered
        /// The worker said that it failed, or it was never sent: the state is as it was.
        case refused
        /// Nobody knows whether the worker executed it.
        case unknown
        /// The worker knows nothing of the sequence.
        case forgotten
    }

    private enum State: Sendable {
        case fresh
        case open
        case over
        case lost
    }

    private var state = State.fresh
    private var number: UInt64 = 0
    /// Of the request that is under way.
    private var position: InferExtension.Position = []

    /// Whether a worker holds a state for it.
    var isOpen: Bool { self.state == .open }

    /// A request is to be sent.
    ///
    /// - Parameters:
    ///   - isLast: it ends the sequence.
    ///   - number: the sequence's, if the request starts it.
    /// Throws if there is no sequence any more.
    mutating func next(
        isLast: Bool,
        number: @autoclosure () -> UInt64
    ) throws(InferenceError) -> InferExtension {
        switch self.state {
        case .fresh:
            // Never that of a start that failed: what became of it may not be known.
            self.number = max(number(), 1)
            self.position = .start
        case .open: self.position = []
        case .over: throw InferenceError(.closed, "the sequence has ended", notExecuted: true)
        case .lost:
            throw InferenceError(
                .sequenceLost,
                "the sequence was lost: an earlier request of it ended without the worker's answer, "
                    + "or the worker that held its state is gone; start another",
                notExecuted: true
            )
        }
        if isLast { self.position.insert(.end) }
        return InferExtension(sequence: self.number, position: self.position)
    }

    /// The request under way has ended.
    mutating func ended(_ outcome: Outcome) {
        let isStart = self.position.contains(.start)
        switch outcome {
        case .answered: self.state = self.position.contains(.end) ? .over : .open
        case .refused: break
        case .unknown: self.state = isStart ? .fresh : .lost
        case .forgotten: self.state = .lost
        }
    }
}
