internal import RoostWire

/// Which sequence of which client.
struct SequenceKey: Hashable, Sendable {
    /// The client's process.
    let client: InstanceID
    /// The client's number for it; never 0.
    let number: UInt64
    /// It is no sequence of the client's but one that an open stream is for itself, and the number is
    /// the worker's.
    var isStream = false
}

/// What the sequences of one version of a model may take.
package struct SequenceLimits: Hashable, Sendable {
    /// How many sequences there may be.
    package var countMax = 4_096
    /// What the states of all of them may hold in memory, in bytes: once they do, none begins, and a
    /// request that would leave a larger state behind than it found fails.
    package var bytesMax = 1 << 30
    /// How many requests of one may wait for those before them. A client of Roost's sends one after
    /// the other.
    package var waitingMax = 64
    /// A sequence that nothing is asked of for so long has ended.
    package var idleMax: Duration = .seconds(60)

    package static let countBounds = 1...1_000_000
    package static let bytesBounds = 1...(1 << 40)
    package static let idleBounds = Duration.milliseconds(1)...Duration.seconds(86_400)
}

/// The sequences of one version of a model: for each its state, and whose turn it is.
///
/// A sequence is a row of requests of which each goes on from the state that the one before left
/// behind. They are executed one after the other, in the order in which they came; requests of
/// different sequences may be executed together.
///
/// ```
/// (none) --start--> running --executed--> idle --next--> running ... --end, or idle too long--> (none)
/// ```
///
/// A request that fails leaves the state as it was before it. A value without clock: requests are
/// opaque to it.
struct SequenceTable<Item: Sendable>: Sendable {
    typealias Limits = SequenceLimits
    typealias Position = InferExtension.Position

    enum Refusal: Hashable, Sendable {
        /// It ended, was idle for too long, or began elsewhere.
        case unknown
        case alreadyStarted
        case tooManySequences(Int)
        case tooManyBytes(Int)
        /// There is no room for the state of that size that it would leave.
        case stateTooLarge(byteCount: Int, bytesMax: Int)
        case tooManyWaiting(Int)
    }

    enum Admission: Sendable {
        /// It is to be executed now, on that state; `nil`: the beginning.
        case run([Tensor]?)
        /// It waits for the requests before it.
        case waits
        case refused(Refusal)
    }

    /// What becomes of a sequence's other requests when one has ended.
    struct Turn: Sendable {
        /// This one is to be executed now, on that state.
        var next: (item: Item, state: [Tensor])?
        /// These have nothing to go on from: the sequence failed to begin.
        var orphans: [Item] = []
    }

    private struct Sequence: Sendable {
        var state: [Tensor]?
        var byteCount = 0
        var isRunning = true
        /// The request that runs is the last.
        var isEnding: Bool
        var waiting: [(item: Item, position: Position)] = []
        var used: Moment
    }

    private let limits: Limits
    private var sequences: [SequenceKey: Sequence] = [:]
    private(set) var byteCount = 0
    /// When ``sweep(now:)`` is due; never if there are no sequences.
    private(set) var deadline = Moment.never

    init(_ limits: Limits = Limits()) { self.limits = limits }

    var count: Int { self.sequences.count }

    func contains(_ key: SequenceKey) -> Bool { self.sequences[key] != nil }

    /// A request has come.
    mutating func admit(
        _ item: Item,
        _ position: Position,
        of key: SequenceKey,
        now: Moment
    ) -> Admission {
        guard self.sequences[key] != nil else {
            return self.start(position, of: key, now: now)
        }
        guard !position.contains(.start) else { return .refused(.alreadyStarted) }
        return self.goOn(item, position, of: key, now: now)
    }

    private mutating func start(
        _ position: Position,
        of key: SequenceKey,
        now: Moment
    ) -> Admission {
        guard position.contains(.start) else { return .refused(.unknown) }
        guard self.sequences.count < self.limits.countMax else {
            return .refused(.tooManySequences(self.limits.countMax))
        }
        guard self.byteCount < self.limits.bytesMax else {
            return .refused(.tooManyBytes(self.limits.bytesMax))
        }
        self.sequences[key] = Sequence(isEnding: position.contains(.end), used: now)
        self.deadline = min(self.deadline, now + self.limits.idleMax)
        return .run(nil)
    }

    private mutating func goOn(
        _ item: Item,
        _ position: Position,
        of key: SequenceKey,
        now: Moment
    ) -> Admission {
        guard var sequence = self.sequences[key] else { return .refused(.unknown) }
        defer { self.sequences[key] = sequence }
        sequence.used = now
        guard sequence.isRunning else {
            sequence.isRunning = true
            sequence.isEnding = position.contains(.end)
            return .run(sequence.state)
        }
        // What comes after the last has no state to go on from.
        let ends = sequence.isEnding || sequence.waiting.contains { $0.position.contains(.end) }
        guard !ends else { return .refused(.unknown) }
        guard sequence.waiting.count < self.limits.waitingMax else {
            return .refused(.tooManyWaiting(self.limits.waitingMax))
        }
        sequence.waiting.append((item, position))
        return .waits
    }

    /// The request of a sequence that ran, or a step of it, leaves a state of that size behind:
    /// whether there is room for what it has more than the one before.
    ///
    /// - Parameter isKept: something will go on from it.
    mutating func keep(_ byteCount: Int, of key: SequenceKey, isKept: Bool) -> Refusal? {
        guard let sequence = self.sequences[key], isKept || !sequence.isEnding else { return nil }
        let growth = byteCount - sequence.byteCount
        guard growth <= 0 || growth <= self.limits.bytesMax - self.byteCount else {
            return .stateTooLarge(byteCount: byteCount, bytesMax: self.limits.bytesMax)
        }
        self.sequences[key]?.byteCount = byteCount
        self.byteCount += growth
        return nil
    }

    /// The request of a sequence that ran has ended.
    ///
    /// - Parameter state: what it left behind; `nil` if it failed or was not executed, and the
    ///   state is still the one before it.
    mutating func ended(_ key: SequenceKey, state: [Tensor]?, now: Moment) -> Turn {
        guard var sequence = self.sequences[key] else { return Turn() }
        if let state { sequence.state = state }
        self.byteCount -= sequence.byteCount
        sequence.byteCount = sequence.state?.reduce(0) { $0 + $1.byteCount } ?? 0
        self.byteCount += sequence.byteCount
        sequence.used = now
        sequence.isRunning = false
        // One whose last request failed is over all the same: its client said so.
        guard let state = sequence.state, !sequence.isEnding else {
            self.remove(key, sequence)
            return Turn(orphans: sequence.waiting.map(\.item))
        }
        var turn = Turn()
        if !sequence.waiting.isEmpty {
            let next = sequence.waiting.removeFirst()
            sequence.isRunning = true
            sequence.isEnding = next.position.contains(.end)
            turn.next = (next.item, state)
        }
        self.sequences[key] = sequence
        return turn
    }

    /// Takes out a request that waits for those before it; `nil` if it does not.
    mutating func cancel(_ key: SequenceKey, where isIt: (Item) -> Bool) -> Item? {
        guard let place = self.sequences[key]?.waiting.firstIndex(where: { isIt($0.item) }) else {
            return nil
        }
        return self.sequences[key]?.waiting.remove(at: place).item
    }

    /// Lets go the sequences that nothing was asked of for too long.
    ///
    /// - Returns: how many there were.
    mutating func sweep(now: Moment) -> Int {
        guard now >= self.deadline else { return 0 }
        self.deadline = .never
        var over: [SequenceKey] = []
        for (key, sequence) in self.sequences {
            // One that runs is looked at again when it may have been idle for long.
            let until = (sequence.isRunning ? now : sequence.used) + self.limits.idleMax
            if until <= now { over.append(key) } else { self.deadline = min(self.deadline, until) }
        }
        for key in over { self.sequences[key].map { self.remove(key, $0) } }
        return over.count
    }

    private mutating func remove(_ key: SequenceKey, _ sequence: Sequence) {
        self.byteCount -= sequence.byteCount
        self.sequences[key] = nil
    }
}
