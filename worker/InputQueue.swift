internal import RoostWire

/// The further inputs of an open stream on their way to its model: how many its client may send,
/// which have come and wait, and whether more follow.
///
/// A value: the owner sends the credit that is due, and counts the bytes of all streams.
struct InputQueue: Sendable {
    /// What one INPUT brought.
    struct Input: Sendable {
        let inputs: NamedTensors
        /// What it holds in memory.
        let byteCount: Int
    }

    /// The most inputs that wait or may be on their way.
    let size: Int
    private var waiting = Queue<Input>()
    /// How many INPUTs have come.
    private var received: UInt32 = 0
    /// How many the client may send.
    private(set) var credit = 0
    /// What those that wait hold in memory.
    private(set) var byteCount = 0
    /// No input follows those that wait.
    private(set) var hasEnded: Bool

    /// - Parameter isOpen: whether the client sends further inputs at all.
    init(size: Int, isOpen: Bool) {
        self.size = size
        self.hasEnded = !isOpen
    }

    /// How many inputs wait.
    var count: Int { self.waiting.count }

    /// An INPUT has come.
    ///
    /// Throws if it is not the next one, or comes behind the last or without credit.
    mutating func receive(_ input: InferInput, byteCount: Int) throws(WireError) {
        guard !self.hasEnded, input.index == self.received &+ 1 else { throw WireError(.badValue) }
        let isInput = !input.isLast || !input.inputs.isEmpty
        guard !isInput || self.credit > 0 else { throw WireError(.badValue) }
        self.received &+= 1
        self.hasEnded = input.isLast
        guard isInput else { return }
        self.credit -= 1
        self.byteCount += byteCount
        self.waiting.append(Input(inputs: input.inputs, byteCount: byteCount))
    }

    /// The next input for the model; `nil` if none waits.
    mutating func next() -> Input? {
        guard let input = self.waiting.popFirst() else { return nil }
        self.byteCount -= input.byteCount
        return input
    }

    /// How much credit the client is to be given now: half of the size at a time, so that one CREDIT
    /// serves many INPUTs and the client need not wait for it.
    ///
    /// - Parameter isTight: memory is short: a stream has one input, waiting or on its way.
    mutating func grant(isTight: Bool) -> UInt32 {
        guard !self.hasEnded else { return 0 }
        let size = isTight ? 1 : self.size
        let room = size - self.credit - self.waiting.count
        guard room >= max(size / 2, 1) else { return 0 }
        self.credit += room
        return UInt32(clamping: room)
    }

    /// The stream has ended: lets go what waits.
    mutating func clear() {
        self.waiting = Queue()
        self.byteCount = 0
    }
}
