package import Logging
package import RoostBroker
internal import RoostWire

/// Tells people what a broker noticed.
package struct BrokerLog: Sendable {
    private let events: AsyncStream<Broker.Event>.Continuation
    private let following: Task<Void, Never>

    package init(_ logger: Logger) {
        // Bounded, and surely more than a broker has to tell before it is heard.
        let (events, continuation) = AsyncStream<Broker.Event>.makeStream(
            bufferingPolicy: .bufferingNewest(1024)
        )
        self.events = continuation
        self.following = Task {
            for await event in events { Self.log(event, to: logger) }
        }
    }

    /// For ``Broker``: takes what it noticed, and writes it elsewhere.
    package var observe: @Sendable (Broker.Event) -> Void {
        { [events] in events.yield($0) }
    }

    /// Returns when all is written.
    package func finish() async {
        self.events.finish()
        await self.following.value
    }

    static func log(_ event: Broker.Event, to logger: Logger) {
        switch event {
        case .preserving(let silent, let workers):
            logger.warning(
                """
                too many workers are silent at once: more likely the network is cut than that they \
                all died; none is removed, they are listed as suspects
                """,
                metadata: ["silent": "\(silent)", "workers": "\(workers)"]
            )
        case .preserved(let silent, let workers):
            logger.notice(
                "silent workers are removed again",
                metadata: ["silent": "\(silent)", "workers": "\(workers)"]
            )
        case .duplicate(let workerID):
            logger.warning(
                "two processes live under one worker id; the older is refused",
                metadata: ["worker": "\(workerID)"]
            )
        case .slept(let duration):
            logger.warning(
                "the broker was kept from running; nobody's silence in that time counts",
                metadata: ["seconds": "\(Self.rounded(duration))"]
            )
        }
    }

    private static func rounded(_ duration: Duration) -> String {
        "\((duration.inSeconds * 10).rounded() / 10)"
    }
}
