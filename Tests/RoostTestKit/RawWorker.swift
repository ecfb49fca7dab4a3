internal import RoostBroker
package import RoostWire
internal import Synchronization
internal import ZeroMQ

/// A worker that does with requests exactly what a test tells it to: two raw peers, one that
/// registers and beats, one that serves. It greets and answers PING by itself.
package final class RawWorker: Sendable {
    private struct State {
        var state = WorkerRecord.State.ready
        var beats = true
        var pongs = true
        var answers = false
        var arrived = 0
        var taken = 0
        /// Who asked last for a sign of life that was not given.
        var pinged: RawPeer.Received?
        var wasAskedInVain = false
        var greetings = 0
    }

    package let record: WorkerRecord
    let serving: RawPeer
    private let presence: RawPeer
    private let broker: Broker
    private let credit: UInt32
    private let state = Mutex(State())
    private let requests: AsyncStream<RawPeer.Received>
    private let arrival: AsyncStream<RawPeer.Received>.Continuation

    fileprivate init(
        _ id: String,
        zone: String,
        credit: UInt32,
        in fleet: InProcessFleet
    ) async throws {
        (self.requests, self.arrival) = AsyncStream.makeStream()
        self.serving = fleet.peer(.router)
        self.presence = fleet.peer()
        self.broker = fleet.broker
        self.credit = credit
        self.record = WorkerRecord.sample(
            id,
            instance: self.presence.instance,
            zone: zone,
            endpoint: try await self.serving.bind(try Endpoint("tcp://127.0.0.1:*"))
        )
        try await self.presence.connect(to: fleet.brokerEndpoint)
        await self.presence.send(Register(record: self.record))
        _ = try await self.presence.next(RegisterOK.self)
    }

    package var id: String { self.record.workerID }

    /// Whether every request and cancellation that came has been taken by the test.
    package var isQuiet: Bool { self.state.withLock { $0.arrived == $0.taken } }

    /// Answers the last PING after all, and those that come.
    package func pong() async {
        let ping = self.state.withLock { state in
            state.pongs = true
            return state.pinged
        }
        if let ping { await self.pong(to: ping) }
    }

    private func pong(to ping: RawPeer.Received) async {
        await self.serving.send(Pong(), to: ping.peer, requestID: ping.header.requestID)
    }

    /// Whether requests are answered at once, instead of being handed to the test.
    package func answers(_ isOn: Bool) { self.state.withLock { $0.answers = isOn } }

    /// How often a client has opened a link.
    package var greetings: Int { self.state.withLock { $0.greetings } }

    /// Beats no more: the broker will suspect it, and from then on neither PING nor HELLO is answered.
    package func fallSilent() {
        self.state.withLock { state in
            state.beats = false
            state.pongs = false
        }
    }

    /// Whether a PING has come that it left unanswered.
    package var wasAskedInVain: Bool { self.state.withLock { $0.wasAskedInVain } }

    /// Not before the broker has noticed: clients would give it up by themselves.
    private var isMute: Bool {
        get async {
            guard self.state.withLock({ !$0.pongs }) else { return false }
            return await self.broker.workers().contains {
                $0.workerID == self.id && $0.state == .suspect
            }
        }
    }

    /// Tells the broker of another state.
    package func become(_ state: WorkerRecord.State) async {
        self.state.withLock { $0.state = state }
        await self.beat()
    }

    /// The next request or cancellation, which must be of that type.
    package func next(_ type: MessageType = .infer) async throws -> RawPeer.Received {
        try await self.received(anyOf: [type])
    }

    /// The type of the next message, which must be one of those.
    package func next(anyOf types: Set<MessageType>) async throws -> MessageType {
        try await self.received(anyOf: types).header.type
    }

    private func received(anyOf types: Set<MessageType>) async throws -> RawPeer.Received {
        var iterator = self.requests.makeAsyncIterator()
        guard let received = await iterator.next() else {
            throw NeverHappened(description: "worker \(self.id) got none of \(types)")
        }
        self.state.withLock { $0.taken += 1 }
        guard types.contains(received.header.type) else {
            throw NeverHappened(description: "\(types) expected, not \(received.header.type)")
        }
        return received
    }

    /// Answers with a vector.
    package func answer(_ request: RawPeer.Received) async {
        await self.serving.send(
            InferReply(
                timing: .init(version: 1),
                outputs: ["y": Tensor([1, 7] as [Float], shape: [2])]
            ),
            .result,
            to: request.peer,
            requestID: request.header.requestID
        )
    }

    /// Answers with an error; without flags it is one of an execution that failed.
    package func fail(
        _ request: RawPeer.Received,
        _ code: InferenceError.Code = .executionFailed,
        backoff: Duration = .zero,
        flags: FrameHeader.Flags = []
    ) async {
        await self.serving.send(
            ErrorReply(code, "because the test says so", backoff: backoff),
            to: request.peer,
            flags: flags,
            requestID: request.header.requestID
        )
    }

    /// Is full.
    package func refuse(_ request: RawPeer.Received, backoff: Duration = .zero) async {
        await self.fail(request, .overloaded, backoff: backoff, flags: [.notExecuted, .retryable])
    }

    /// Its links break, and nobody listens there any more.
    package func die() async { await self.serving.close() }

    /// Takes its leave of the broker, and dies.
    package func leave() async {
        self.state.withLock { $0.beats = false }
        await self.presence.send(Deregister())
        await self.die()
    }

    fileprivate func serve() async {
        while let received = try? await self.serving.next() {
            let isMute = await self.isMute
            switch received.header.type {
            case .hello where isMute: break
            case .hello:
                self.state.withLock { $0.greetings += 1 }
                await self.serving.send(
                    HelloOK(credit: self.credit, load: Load()),
                    to: received.peer,
                    aux: 1 << 30
                )
            case .ping:
                self.state.withLock { state in
                    state.pinged = received
                    if isMute { state.wasAskedInVain = true }
                }
                if !isMute { await self.pong(to: received) }
            case .infer where self.state.withLock({ $0.answers }):
                await self.answer(received)
            default:
                self.state.withLock { $0.arrived += 1 }
                self.arrival.yield(received)
            }
        }
    }

    fileprivate func keepBeating() async {
        let clock = SuspendingClock()
        while !Task.isCancelled {
            if self.state.withLock({ $0.beats }) { await self.beat() }
            // Cancelled: the loop ends.
            try? await clock.sleep(for: .milliseconds(500))
        }
    }

    private func beat() async {
        let state = self.state.withLock { $0.state }
        await self.presence.send(Heartbeat(revision: self.record.revision, state: state))
    }
}

extension InProcessFleet {
    /// Runs `body` with raw workers that are registered, in the order of the ids.
    ///
    /// - Parameters:
    ///   - zones: the zones of the first ones; the others have none.
    ///   - credit: how many requests each grants a client.
    package func withRawWorkers(
        _ ids: [String],
        zones: [String] = [],
        credit: UInt32 = 256,
        _ body: ([RawWorker]) async throws -> Void
    ) async throws {
        var workers: [RawWorker] = []
        for (index, id) in ids.enumerated() {
            let zone = index < zones.count ? zones[index] : ""
            workers.append(try await RawWorker(id, zone: zone, credit: credit, in: self))
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in workers {
                group.addTask { await worker.serve() }
                group.addTask { await worker.keepBeating() }
            }
            defer { group.cancelAll() }
            try await body(workers)
        }
    }
}
