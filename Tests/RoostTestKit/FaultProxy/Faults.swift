/// What is wrong with the network between a client and a server. Without any fault a
/// ``FaultProxy`` passes everything on at once.
package struct Faults: Sendable, Hashable {
    /// Which way bytes go.
    package enum Direction: Sendable, CaseIterable {
        case toServer, toClient
    }

    /// What is wrong one way.
    package struct Path: Sendable, Hashable {
        /// How long every byte is on its way.
        package var latency: Duration = .zero
        /// How much longer or shorter some are, evenly spread. Their order stays: it is TCP.
        package var jitter: Duration = .zero
        /// The most that a connection passes on; `nil` for no limit.
        package var bytesPerSecond: Int?
        /// The most that is written at once, so that the receiver gets small pieces; `nil` for no
        /// limit.
        package var sliceBytes: Int?
        /// The least time between two slices, without which the receiver's system may join them.
        package var sliceGap: Duration = .zero
        /// Nothing passes, not even the end of a connection, until this is over; then all of it
        /// does, as after a partition that was shorter than TCP's patience.
        package var isBlackHole = false
        /// A connection is reset once it has passed on that many bytes; `nil` for no limit.
        package var bytesMax: Int?
        package init() {}
    }

    package var toServer = Path()
    package var toClient = Path()
    /// Nobody listens at the proxy's port: new connections are refused, old ones stay.
    package var refusesConnections = false

    package init() {}

    package subscript(direction: Direction) -> Path {
        get { direction == .toServer ? self.toServer : self.toClient }
        set {
            switch direction {
            case .toServer: self.toServer = newValue
            case .toClient: self.toClient = newValue
            }
        }
    }

    /// Nothing passes either way.
    package static var blackHole: Faults {
        var faults = Faults()
        for direction in Direction.allCases { faults[direction].isBlackHole = true }
        return faults
    }
}
