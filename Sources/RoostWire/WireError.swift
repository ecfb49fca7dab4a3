/// Why bytes from the network were refused. The sender is at fault; the receiver counts it, answers
/// if it can, and goes on.
package struct WireError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong.
    package enum Reason: String, Hashable, Sendable {
        case truncated = "the message ends too early"
        case trailingBytes = "the frame's length is not what its header says"
        case badMagic = "these are not Roost's bytes"
        case badVersion = "the protocol version is unknown"
        case badType = "the message type is unknown"
        case badText = "a name is not UTF-8"
        case tooLong = "a list, name or frame is longer than allowed"
        case badValue = "a field has a value that is not allowed"
        case badSpan = "a tensor's bytes do not lie where its descriptor says"
        case badLength = "a tensor's bytes do not fit its datatype and shape"
    }

    package let reason: Reason
    package init(_ reason: Reason) { self.reason = reason }
    package var description: String { self.reason.rawValue }
}
