internal import Glibc

/// What the simulated network refuses, as its errno.
package struct ZeroMQError: Error, Hashable, RawRepresentable, CustomStringConvertible {
    package let rawValue: Int32
    package let call: StaticString

    package init(rawValue: Int32) { self.init(rawValue: rawValue, call: "") }
    init(rawValue: Int32, call: StaticString) {
        self.rawValue = rawValue
        self.call = call
    }

    package var isAddressInUse: Bool { self.rawValue == EADDRINUSE }
    package var isBadAddress: Bool { self.rawValue == EINVAL }

    package static func == (left: Self, right: Self) -> Bool { left.rawValue == right.rawValue }
    package func hash(into hasher: inout Hasher) { hasher.combine(self.rawValue) }

    package var description: String { "\(self.call): errno \(self.rawValue)" }
}
