package import RoostEngine
package import RoostWire
internal import Synchronization

/// A model that adds up: for each `x` FP32 `[1]` that it is given it gives the sum so far as `y`, and
/// at the end how many there were. After an infinite one it ends; a negative one it refuses.
package final class FakeOpenSession: StreamingSession {
    private let plain = FakeSession.identity()
    private let gate: Gate?
    private let givesSums: Bool
    private let counts = Mutex((taken: 0, streams: 0))

    /// - Parameters:
    ///   - gate: where each input is taken.
    ///   - givesSums: whether there is more than the item at the end.
    package init(gate: Gate? = nil, givesSums: Bool = true) {
        self.gate = gate
        self.givesSums = givesSums
    }

    package var signature: ModelSignature { self.plain.signature }
    package var metadata: [(key: String, value: String)] { [] }
    package var takesInputs: Bool { true }
    /// How many inputs were taken, those of requests not counted.
    package var taken: Int { self.counts.withLock { $0.taken } }
    /// How many streams somebody holds.
    package var streams: Int { self.counts.withLock { $0.streams } }

    package func makeLane() throws(EngineError) -> any Lane { try self.plain.makeLane() }

    package func stream(
        _ inputs: [Tensor],
        outputs _: [Int]
    ) throws(EngineError) -> any ModelStream {
        Adding(self, inputs[0])
    }

    private final class Adding: OpenModelStream {
        private let session: FakeOpenSession
        private var sum: Float = 0
        private var count: Float = 0
        private var item: Float?
        private(set) var isOver = false

        init(_ session: FakeOpenSession, _ first: Tensor) {
            self.session = session
            session.counts.withLock { $0.streams += 1 }
            self.add(first)
        }

        deinit { self.session.counts.withLock { $0.streams -= 1 } }

        private func add(_ x: Tensor) {
            let x = x.elements(as: Float.self)?.first ?? 0
            self.count += 1
            guard x.isFinite else {
                self.isOver = true
                return
            }
            self.sum += x
            if self.session.givesSums { self.item = self.sum }
        }

        func next() throws(EngineError) -> [Tensor]? {
            self.item.take().map { [Tensor([$0], shape: [1])] }
        }

        func take(_ inputs: NamedTensors) throws(EngineError) {
            self.session.counts.withLock { $0.taken += 1 }
            self.session.gate?.pass()
            guard let x = inputs["x"], x.elements(as: Float.self)?.first ?? 0 >= 0 else {
                throw EngineError(.inputRefused, "it takes no negative number", engine: "fake")
            }
            self.add(x)
        }

        func finish() throws(EngineError) { self.item = self.count }
    }
}
