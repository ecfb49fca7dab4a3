internal import CZeroMQ

/// The state that a process's sockets share: libzmq's own I/O threads.
///
/// The context itself may be used from any thread (zmq_ctx_new(3) says so); a ``Socket`` may not.
final class Context: @unchecked Sendable {
    private let handle: UnsafeMutableRawPointer

    /// A context with that many I/O threads. The Guide's rule is one per gigabyte a second.
    init(ioThreads: Int) throws(ZeroMQError) {
        guard let handle = zmq_ctx_new() else { throw .last("zmq_ctx_new") }
        self.handle = handle
        // The default of 1023 sockets would be a client's limit of workers.
        let options = [
            (ZMQ_IO_THREADS, Int32(ioThreads)), (ZMQ_MAX_SOCKETS, 16384), (ZMQ_BLOCKY, 0),
        ]
        for (option, value) in options {
            guard zmq_ctx_set(handle, option, value) == 0 else { throw .last("zmq_ctx_set") }
        }
    }

    func socket(_ kind: Socket.Kind) throws(ZeroMQError) -> UnsafeMutableRawPointer {
        guard let socket = zmq_socket(self.handle, kind.option) else { throw .last("zmq_socket") }
        return socket
    }

    /// Waits until every socket is closed, then frees the context.
    func terminate() {
        while zmq_ctx_term(self.handle) != 0 && zmq_errno() == EINTR {}
    }
}
