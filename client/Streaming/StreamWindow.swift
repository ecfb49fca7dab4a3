internal import RoostWire

/// A stream's items on their way to the reader: which may still come, which have come and are not
/// read yet, and how the stream ended.
///
/// A value: the owner receives, wakes the reader, and sends the credit that is due.
struct StreamWindow: Sendable {
    /// How a stream ended.
    enum End: Sendable {
        case complete(StreamSummary)
        case failed(InferenceError)
    }

    /// What there is for the reader.
    enum Step: Sendable {
        /// The next item, and how many more the worker is to be allowed because of it.
        case item(InferenceItem, credit: UInt32)
        case end(End)
        case wait
    }

    /// The most items that are kept for the reader.
    let size: Int
    private var items = Ring<InferenceItem>()
    /// How many items have come.
    private(set) var received = 0
    /// How many more the worker may send.
    private var credit: Int
    /// How many were read since it was last given credit.
    private var read = 0
    private(set) var end: End?

    /// - Parameter size: what the worker was given as credit with the request; at least 1.
    init(size: Int) {
        self.size = size
        self.credit = size
    }

    /// Whether ``next()`` would have something to say.
    var isReady: Bool { self.items.count > 0 || self.end != nil }

    /// An item has come.
    ///
    /// Throws if it is not the next one, or the worker had no credit for it.
    mutating func receive(_ item: InferItem) throws(WireError) {
        guard self.credit > 0, item.index == UInt32(truncatingIfNeeded: self.received) else {
            throw WireError(.badValue)
        }
        self.credit -= 1
        self.items.append(InferenceItem(outputs: item.outputs, index: self.received))
        self.received += 1
    }

    /// The reader takes an item, or learns that there is none. The worker is given credit again for
    /// half of the window at a time: one CREDIT for many ITEMs, and the worker need not wait for it.
    mutating func next() -> Step {
        guard let item = self.items.popFirst() else { return self.end.map(Step.end) ?? .wait }
        self.read += 1
        guard self.end == nil, self.read >= max(self.size / 2, 1) else {
            return .item(item, credit: 0)
        }
        defer { self.read = 0 }
        self.credit += self.read
        return .item(item, credit: UInt32(clamping: self.read))
    }

    /// The stream has ended; what has come before is read first. Only the first end counts.
    mutating func finish(_ end: End) {
        if self.end == nil { self.end = end }
    }

    /// The reader has given up: nothing that has come is read any more.
    mutating func discard(_ error: InferenceError) {
        guard self.items.count > 0 || self.end == nil else { return }
        self.items = Ring()
        self.end = .failed(error)
    }
}
