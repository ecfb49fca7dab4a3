/// The memory of one frame, shared by whoever holds it.
final class FrameMemory: @unchecked Sendable {
    let base: UnsafeMutableRawPointer
    let byteCount: Int
    /// Keeps borrowed memory valid; `nil`: the memory is ours.
    private let owner: AnyObject?

    init(byteCount: Int) {
        self.base = .allocate(byteCount: max(byteCount, 1), alignment: 16)
        self.byteCount = byteCount
        self.owner = nil
    }

    init(borrowing base: UnsafeMutableRawPointer, byteCount: Int, owner: AnyObject) {
        self.base = base
        self.byteCount = byteCount
        self.owner = owner
    }

    deinit { if self.owner == nil { self.base.deallocate() } }
}

/// One frame. Owns its memory until it is sent or goes away.
package struct Message: ~Copyable {
    private(set) var memory: FrameMemory?
    private var isFollowed = false

    package init() { self.memory = nil }

    package init(byteCount: Int) { self.memory = FrameMemory(byteCount: byteCount) }

    package init(borrowing base: UnsafeMutableRawPointer, byteCount: Int, owner: AnyObject) {
        self.memory = FrameMemory(borrowing: base, byteCount: byteCount, owner: owner)
    }

    package init(byteCount: Int, initializingWith initialize: (UnsafeMutableRawPointer) -> Void) {
        let memory = FrameMemory(byteCount: byteCount)
        self.memory = memory
        initialize(memory.base)
    }

    package init(payload base: UnsafeMutableRawPointer, byteCount: Int, owner: AnyObject) {
        self.init(borrowing: base, byteCount: byteCount, owner: owner)
    }

    package var byteCount: Int { mutating get { self.memory?.byteCount ?? 0 } }
    package var hasMore: Bool { mutating get { self.isFollowed } }

    package mutating func withUnsafeBytes<R, E: Error>(
        _ body: (UnsafeRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        try body(UnsafeRawBufferPointer(start: self.memory?.base, count: self.byteCount))
    }

    package mutating func withUnsafeMutableBytes<R, E: Error>(
        _ body: (UnsafeMutableRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        try body(UnsafeMutableRawBufferPointer(start: self.memory?.base, count: self.byteCount))
    }

    /// Takes the frame's memory out: it is being sent.
    consuming func takeMemory() -> FrameMemory { self.memory ?? FrameMemory(byteCount: 0) }

    /// Becomes the frame that was received.
    mutating func set(_ memory: FrameMemory, hasMore: Bool) {
        self.memory = memory
        self.isFollowed = hasMore
    }
}

/// A received frame that outlives the turn it was received in.
package final class ReceivedFrame: @unchecked Sendable {
    private var message: Message
    package let bytes: UnsafeMutableRawBufferPointer

    package init(_ message: consuming Message) {
        self.message = message
        self.bytes = self.message.withUnsafeMutableBytes { $0 }
    }
}
