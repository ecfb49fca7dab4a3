/// What a message is. The numbers are the wire's.
package enum MessageType: UInt8, Sendable, CaseIterable {
    // Presence: worker and broker.
    case register = 0x01
    case registerOK = 0x02
    case heartbeat = 0x03
    case heartbeatAck = 0x04
    case unknown = 0x05
    case drain = 0x06
    case deregister = 0x07
    // Discovery: client and broker.
    case lookup = 0x10
    case snapshot = 0x11
    case watch = 0x12
    case delta = 0x13
    case digest = 0x14
    // Inference: client and worker.
    case hello = 0x20
    case helloOK = 0x21
    case goAway = 0x22
    case describe = 0x24
    case description = 0x25
    case models = 0x26
    case modelStates = 0x27
    case control = 0x28
    case statistics = 0x29
    case modelStatistics = 0x2a
    case infer = 0x30
    case result = 0x31
    case item = 0x32
    case end = 0x33
    case cancel = 0x34
    case credit = 0x35
    case error = 0x36
    case ping = 0x37
    case pong = 0x38
    case input = 0x39

    /// Whether payload may follow the fields: an inline part, payload frames.
    package var carriesTensors: Bool {
        switch self {
        case .infer, .result, .item, .input: true
        default: false
        }
    }
}
