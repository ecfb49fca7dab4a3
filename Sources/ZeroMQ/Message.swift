internal import CZeroMQ

/// One frame. Owns its memory until it is sent or goes away.
///
/// The corresponding C type is `zmq_msg_t`. Values of it may be moved, not copied; hence the
/// noncopyable type.
package struct Message: ~Copyable {
    private var raw: zmq_msg_t

    /// An empty frame.
    package init() {
        self.raw = zmq_msg_t()
        zmq_msg_init(&self.raw)
    }

    /// A frame of that many uninitialised bytes. Traps if memory runs out.
    package init(byteCount: Int) {
        self.raw = zmq_msg_t()
        let status = zmq_msg_init_size(&self.raw, byteCount)
        precondition(status == 0, "no memory for a frame of \(byteCount) bytes")
    }

    /// A frame over memory that `owner` keeps valid and unchanged: it is sent without a copy.
    ///
    /// The owner is retained here and released by libzmq, on a thread of its own choosing, when
    /// the bytes have gone out or the frame was dropped.
    package init(borrowing base: UnsafeMutableRawPointer, byteCount: Int, owner: AnyObject) {
        self.raw = zmq_msg_t()
        let retained = Unmanaged.passRetained(owner)
        let status = zmq_msg_init_data(
            &self.raw,
            base,
            byteCount,
            { _, hint in
                guard let hint else { return }
                Unmanaged<AnyObject>.fromOpaque(hint).release()
            },
            retained.toOpaque()
        )
        precondition(status == 0, "no memory for a frame")
    }

    /// A frame of that many bytes, all of which `initialize` writes.
    package init(byteCount: Int, initializingWith initialize: (UnsafeMutableRawPointer) -> Void) {
        self.init(byteCount: byteCount)
        if let base = zmq_msg_data(&self.raw) { initialize(base) }
    }

    /// A payload frame: a large one is sent from where it lies, a small one is copied, which is
    /// cheaper than counting its owner's references.
    package init(payload base: UnsafeMutableRawPointer, byteCount: Int, owner: AnyObject) {
        if byteCount >= Self.zeroCopyMin {
            self.init(borrowing: base, byteCount: byteCount, owner: owner)
        } else {
            self.init(byteCount: byteCount) { $0.copyMemory(from: base, byteCount: byteCount) }
        }
    }

    /// Copying wins below it (PROTOCOL.md §3; pyzmq's break-even was 16 to 64 kB).
    private static let zeroCopyMin = 64 << 10

    deinit {
        // A zmq_msg_t may be moved bitwise; this is the last use of it.
        var last = self.raw
        zmq_msg_close(&last)
    }

    /// The number of bytes.
    package var byteCount: Int {
        mutating get { zmq_msg_size(&self.raw) }
    }

    /// Whether more frames of the same message follow.
    package var hasMore: Bool {
        mutating get { zmq_msg_more(&self.raw) != 0 }
    }

    /// The bytes, valid inside `body` only: a small frame's lie inside this value.
    package mutating func withUnsafeBytes<R, E: Error>(
        _ body: (UnsafeRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        try body(
            UnsafeRawBufferPointer(start: zmq_msg_data(&self.raw), count: zmq_msg_size(&self.raw))
        )
    }

    /// The bytes, to be written before the frame is sent.
    package mutating func withUnsafeMutableBytes<R, E: Error>(
        _ body: (UnsafeMutableRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        try body(
            UnsafeMutableRawBufferPointer(
                start: zmq_msg_data(&self.raw),
                count: zmq_msg_size(&self.raw)
            )
        )
    }

    /// Gives the frame to libzmq; afterwards it is empty. False, with errno set, if it refused.
    mutating func send(on socket: UnsafeMutableRawPointer, flags: Int32) -> Bool {
        zmq_msg_send(&self.raw, socket, flags) >= 0
    }

    /// Fills the frame with the next one received; false, with errno set, if there is none.
    mutating func receive(on socket: UnsafeMutableRawPointer) -> Bool {
        zmq_msg_recv(&self.raw, socket, ZMQ_DONTWAIT) >= 0
    }
}

/// A received frame that outlives the turn it was received in: tensors lie over it.
///
/// It is only read, and its memory is freed by whoever lets go last: libzmq counts references to a
/// received frame's memory atomically, so that may be any thread.
package final class ReceivedFrame: @unchecked Sendable {
    private var message: Message
    /// The frame's bytes. They may start at any address.
    package let bytes: UnsafeMutableRawBufferPointer

    package init(_ message: consuming Message) {
        self.message = message
        // Taken after the move: a small frame's bytes lie inside the message itself.
        self.bytes = self.message.withUnsafeMutableBytes { $0 }
    }
}
