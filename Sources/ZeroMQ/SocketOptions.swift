internal import CZeroMQ

/// What is set on a socket before it is bound or connected. `nil` leaves libzmq's default.
///
/// The defaults are those of PROTOCOL.md §1.1 that every socket of ours has.
package struct SocketOptions: Sendable {
    /// Messages queued for sending before a send would block: a tripwire above the credit window.
    /// The corresponding option is `ZMQ_SNDHWM`.
    package var sendHighWaterMark: Int32 = 64
    /// The corresponding option is `ZMQ_RCVHWM`.
    package var receiveHighWaterMark: Int32 = 64
    /// A longer frame closes the connection that it came on. `ZMQ_MAXMSGSIZE`.
    package var frameBytesMax: Int64 = 1 << 20
    /// Kernel buffers; larger ones carry large tensors in fewer system calls. `ZMQ_SNDBUF`,
    /// `ZMQ_RCVBUF`.
    package var kernelBufferBytes: Int32 = 1 << 20
    /// How often the peer is asked for a sign of life on an idle link. `ZMQ_HEARTBEAT_IVL`.
    package var heartbeatInterval: Duration = .milliseconds(1000)
    /// Without an answer for this long the link is closed. `ZMQ_HEARTBEAT_TIMEOUT`.
    package var heartbeatTimeout: Duration = .milliseconds(3000)
    /// A ROUTER reports peers that are gone or slow instead of dropping. `ZMQ_ROUTER_MANDATORY`.
    package var routerMandatory = false
    /// Pending connections. `ZMQ_BACKLOG`.
    package var backlog: Int32 = 4096

    package init() {}

    func apply(to socket: borrowing SocketHandle, kind: Socket.Kind) throws(ZeroMQError) {
        try socket.set(ZMQ_SNDHWM, self.sendHighWaterMark)
        try socket.set(ZMQ_RCVHWM, self.receiveHighWaterMark)
        // 64 bytes more: the bound is ours to enforce, with an error that says so.
        try socket.set(ZMQ_MAXMSGSIZE, wide: self.frameBytesMax + 64)
        try socket.set(ZMQ_SNDBUF, self.kernelBufferBytes)
        try socket.set(ZMQ_RCVBUF, self.kernelBufferBytes)
        try socket.set(ZMQ_HEARTBEAT_IVL, self.heartbeatInterval.milliseconds)
        try socket.set(ZMQ_HEARTBEAT_TIMEOUT, self.heartbeatTimeout.milliseconds)
        // In libzmq 4.3.4 65 600 ms and more overflow and the peer drops every PING (#4226).
        try socket.set(ZMQ_HEARTBEAT_TTL, min(self.heartbeatTimeout.milliseconds + 2000, 60_000))
        try socket.set(ZMQ_HANDSHAKE_IVL, 3000)
        try socket.set(ZMQ_LINGER, 0)
        try socket.set(ZMQ_TCP_KEEPALIVE, 1)
        switch kind {
        case .router:
            try socket.set(ZMQ_ROUTER_MANDATORY, self.routerMandatory ? 1 : 0)
            try socket.set(ZMQ_BACKLOG, self.backlog)
        case .dealer:
            // One socket is one session: after a disconnect libzmq must not reconnect, or it would
            // deliver what is queued to the next process on that port.
            try socket.set(ZMQ_RECONNECT_IVL, -1)
            try socket.set(ZMQ_CONNECT_TIMEOUT, 2000)
            try socket.set(ZMQ_TCP_MAXRT, 5000)
        }
    }
}

extension Duration {
    /// In whole milliseconds, as libzmq's options take them.
    var milliseconds: Int32 {
        Int32(
            clamping: self.components.seconds * 1000 + self.components.attoseconds
                / 1_000_000_000_000_000
        )
    }
}
