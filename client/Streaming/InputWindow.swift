internal import RoostWire

/// The further inputs of an open stream on their way to the worker: how many it will take, which
/// number is next, and whether it knows that there are no more.
///
/// A value: the owner keeps what waits for credit, and sends.
struct InputWindow: Sendable {
    /// More credit than this is not remembered: no worker has room for so many inputs.
    static let creditMax = 65_536

    private var credit = 0
    /// How many were sent. The request's own inputs are not counted.
    private(set) var sent = 0
    /// The sizes of those that the worker has not given credit for since: it may not have read them.
    private var unread = Ring<Int>()
    /// The caller has no more.
    private(set) var isFinished = false
    /// The worker was told so.
    private var isClosed = false

    /// The worker takes that many more.
    ///
    /// - Returns: how many bytes it has surely read: those of as many inputs, the oldest first.
    mutating func grant(_ messages: UInt32) -> Int {
        self.credit = min(self.credit + Int(messages), Self.creditMax)
        var byteCount = 0
        for _ in 0..<min(Int(messages), self.unread.count) {
            byteCount += self.unread.popFirst() ?? 0
        }
        return byteCount
    }

    /// The number of an input that is sent now; `nil` if the worker takes none.
    mutating func send(byteCount: Int) -> UInt32? {
        guard self.credit > 0 else { return nil }
        self.credit -= 1
        self.sent += 1
        self.unread.append(byteCount)
        return UInt32(truncatingIfNeeded: self.sent)
    }

    /// The caller has no more.
    mutating func finish() { self.isFinished = true }

    /// The number of the INPUT that tells the worker so; `nil` if it need not be told. Nothing may
    /// wait to be sent.
    mutating func close() -> UInt32? {
        guard self.isFinished, !self.isClosed else { return nil }
        self.isClosed = true
        return UInt32(truncatingIfNeeded: self.sent + 1)
    }

    /// The request goes out, for the first time or to another worker.
    ///
    /// - Parameter hasWaiting: whether inputs wait to be sent.
    /// - Returns: whether inputs follow it.
    mutating func open(hasWaiting: Bool) -> Bool {
        self.credit = 0
        self.isClosed = self.isFinished && !hasWaiting
        return !self.isClosed
    }

    /// The stream is over: none of its inputs is on its way any more.
    ///
    /// - Returns: how many bytes it may not have read.
    mutating func end() -> Int {
        var byteCount = 0
        while let next = self.unread.popFirst() { byteCount += next }
        return byteCount
    }
}
