internal import CIsolation
internal import Glibc
internal import RoostWire

/// One end of a connection between a worker and the process of one of its models. It keeps messages
/// apart (`SOCK_SEQPACKET`), and may be written and read by any thread: each message is sent and
/// received whole.
final class MessageSocket: Sendable {
    /// The largest message in bytes: a run of a model with 64 inputs takes 6 KiB.
    static let messageBytesMax = 16 << 10

    /// What came.
    enum Received<Message> {
        case message(Message, descriptor: Int32)
        /// It is none of the messages that are expected here.
        case invalid(WireError)
        /// The other end is gone.
        case end
        /// Nothing came within the socket's limit.
        case late
    }

    let descriptor: Int32

    /// Takes the descriptor over.
    init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(self.descriptor) }

    /// Both ends of a new connection; none survives in programs that are started. `nil`: the system
    /// refuses.
    static func pair() -> (MessageSocket, MessageSocket)? {
        var (left, right): (Int32, Int32) = (-1, -1)
        guard roost_socket_pair(&left, &right) == 0 else { return nil }
        return (MessageSocket(left), MessageSocket(right))
    }

    /// Sends a message, and with it a descriptor, which stays the caller's. `false`: the other end is
    /// gone, or the system refuses.
    func send(_ message: some IsolationMessage, descriptor: Int32 = -1) -> Bool {
        withUnsafeTemporaryAllocation(
            byteCount: Self.messageBytesMax,
            alignment: 8
        ) { buffer in
            guard let base = buffer.baseAddress else { return false }
            var counter = WireWriter()
            message.encode(to: &counter)
            guard counter.offset <= buffer.count else { return false }
            var writer = WireWriter(into: base)
            message.encode(to: &writer)
            while roost_send(self.descriptor, base, writer.offset, descriptor) < 0 {
                guard errno == EINTR else { return false }
            }
            return true
        }
    }

    /// Waits for a message. The descriptor that came with it, if it is not -1, is the caller's to
    /// close.
    func receive<Message: IsolationMessage>(_: Message.Type) -> Received<Message> {
        withUnsafeTemporaryAllocation(
            byteCount: Self.messageBytesMax,
            alignment: 8
        ) { buffer in
            var descriptor: Int32 = -1
            var count = -1
            repeat {
                count = roost_receive(
                    self.descriptor,
                    buffer.baseAddress,
                    buffer.count,
                    &descriptor
                )
            } while count < 0 && errno == EINTR
            if count < 0, errno == EMSGSIZE { return .invalid(WireError(.tooLong)) }
            if count < 0, errno == EAGAIN { return .late }
            guard count > 0 else { return .end }
            do throws(WireError) {
                var reader = WireReader(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                return .message(try Message(from: &reader), descriptor: descriptor)
            } catch {
                if descriptor >= 0 { close(descriptor) }
                return .invalid(error)
            }
        }
    }

    /// From now on nobody waits at this end for longer than that; a tenth of a second at least.
    func limit(_ duration: Duration) {
        _ = roost_receive_limit(self.descriptor, Int(max(duration.nanoseconds / 1_000, 100_000)))
    }

    /// Whoever waits at this end or the other hears that it is over.
    func shutDown() { roost_socket_shut_down(self.descriptor) }
}

/// What is said between a worker and the process of one of its models.
protocol IsolationMessage {
    func encode(to writer: inout WireWriter)
    init(from reader: inout WireReader) throws(WireError)
}
