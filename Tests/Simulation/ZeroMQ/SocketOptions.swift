/// What is set on a socket. The simulated network heeds the high-water marks; the rest it takes as
/// every socket of Roost has it.
package struct SocketOptions: Sendable {
    package var sendHighWaterMark: Int32 = 64
    package var receiveHighWaterMark: Int32 = 64
    package var frameBytesMax: Int64 = 1 << 20
    package var kernelBufferBytes: Int32 = 1 << 20
    package var heartbeatInterval: Duration = .milliseconds(1000)
    package var heartbeatTimeout: Duration = .milliseconds(3000)
    package var routerMandatory = false
    package var backlog: Int32 = 4096

    package init() {}
}
