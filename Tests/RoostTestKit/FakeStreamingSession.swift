package import RoostEngine
package import RoostWire
internal import Synchronization

/// A model that counts: for `x` FP32 `[1]` it gives `y` 0, 1, 2 ... up to, and not including, `x`.
/// At a number that it is told it fails.
package final class FakeStreamingSession: StreamingSession {
    private let plain = FakeSession.identity()
    private let gate: Gate?
    private let failing: Float?
    private let counts = Mutex((steps: 0, streams: 0))

    /// - Parameter gate: where each step waits.
    package init(gate: Gate? = nil, failing: Float? = nil) {
        self.gate = gate
        self.failing = failing
    }

    package var signature: ModelSignature { self.plain.signature }
    package var metadata: [(key: String, value: String)] { [] }
    /// How many steps there were.
    package var steps: Int { self.counts.withLock { $0.steps } }
    /// How many streams somebody holds.
    package var streams: Int { self.counts.withLock { $0.streams } }

    package func makeLane() throws(EngineError) -> any Lane { try self.plain.makeLane() }

    package func stream(
        _ inputs: [Tensor],
        outputs _: [Int]
    ) throws(EngineError) -> any ModelStream {
        Counting(self, to: inputs[0].elements(as: Float.self)?.first ?? 0)
    }

    private final class Counting: ModelStream {
        private let session: FakeStreamingSession
        private let end: Float
        private var number: Float = 0

        init(_ session: FakeStreamingSession, to end: Float) {
            self.session = session
            self.end = end
            session.counts.withLock { $0.streams += 1 }
        }

        deinit { self.session.counts.withLock { $0.streams -= 1 } }

        func next() throws(EngineError) -> [Tensor]? {
            self.session.counts.withLock { $0.steps += 1 }
            self.session.gate?.pass()
            guard self.number < self.end else { return nil }
            guard self.number != self.session.failing else {
                throw EngineError(.executionFailed, "it cannot count further", engine: "fake")
            }
            defer { self.number += 1 }
            return [Tensor([self.number], shape: [1])]
        }
    }
}
