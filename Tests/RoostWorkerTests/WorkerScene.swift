import RoostEngine
import RoostTestKit
import RoostWire
import Synchronization
import ZeroMQ

@testable import RoostWorker

/// A worker without a broker, and peers that are connected to it.
final class WorkerScene: Sendable {
    let reactor: Reactor
    let worker: Worker
    let endpoint: Endpoint
    private let peers = Mutex<[RawPeer]>([])

    private init(reactor: Reactor, worker: Worker, endpoint: Endpoint) {
        self.reactor = reactor
        self.worker = worker
        self.endpoint = endpoint
    }

    /// Runs `body` with a worker named `w` in its life 7, and closes all of it afterwards.
    static func with(
        models: [LoadedModel] = [.identity()],
        configure: (inout WorkerConfiguration) -> Void = { _ in },
        observe: @escaping @Sendable (Worker.Event) -> Void = { _ in },
        peers count: Int = 1,
        _ body: (WorkerScene, [RawPeer]) async throws -> Void
    ) async throws {
        var configuration = WorkerConfiguration(
            id: "w",
            listen: [try Endpoint("tcp://127.0.0.1:*")]
        )
        configure(&configuration)
        let reactor = try Reactor()
        let worker = Worker(
            configuration,
            models: models,
            on: reactor,
            incarnation: 7,
            observe: observe
        )
        let scene = WorkerScene(
            reactor: reactor,
            worker: worker,
            endpoint: try await worker.start()
        )
        var peers: [RawPeer] = []
        for _ in 0..<count { peers.append(try await scene.peer()) }
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await body(scene, peers))
        } catch {
            outcome = .failure(error)
        }
        for peer in scene.peers.withLock({ $0 }) { await peer.close() }
        await worker.stop()
        await worker.join()
        reactor.stop()
        try outcome.get()
    }

    /// A peer that is connected, of a process of its own or of another peer's. It is closed at the
    /// end, if it was not before.
    func peer(of instance: InstanceID = .random()) async throws -> RawPeer {
        let peer = RawPeer(on: self.reactor, instance: instance)
        self.peers.withLock { $0.append(peer) }
        try await peer.connect(to: self.endpoint)
        return peer
    }

    /// A peer that has been greeted.
    func greeted(_ peer: RawPeer, credit: UInt32 = 64) async throws -> HelloOK {
        await peer.send(Hello(workerID: "w", incarnation: 7, wantCredit: credit))
        return try await peer.next(HelloOK.self)
    }
}

extension LoadedModel {
    static func identity(version: UInt32 = 1) -> LoadedModel {
        LoadedModel(
            name: "identity",
            version: version,
            engine: "fake 1",
            session: FakeSession.identity()
        )
    }

    static func function(
        _ name: String = "identity",
        _ function: @escaping FakeSession.Function
    ) -> LoadedModel {
        let signature = FakeSession.identity().signature
        return LoadedModel(
            name: name,
            version: 1,
            engine: "fake 1",
            session: FakeSession(signature, function: function)
        )
    }

    /// An identity that waits at a gate.
    static func gated(_ gate: Gate) -> LoadedModel {
        .function("gated") { (inputs) throws(EngineError) in
            gate.pass()
            return inputs
        }
    }
}
