package import Logging
package import RoostOps
package import RoostWire
package import RoostWorker
package import ZeroMQ

/// A worker's life in a program: start, wait for a broker, serve, drain.
package struct WorkerProgram: Sendable {
    /// How long the first broker's answer is waited for before the worker calls itself ready.
    private static let registrationLimit: Duration = .seconds(2)

    package let worker: Worker
    /// What clients are told.
    package let endpoint: Endpoint
    private let brokers: [Endpoint]
    private let logger: Logger
    private let events: AsyncStream<Worker.Event>.Continuation
    /// Has an element, or ends, when a broker has registered the worker.
    private let registration: AsyncStream<Void>
    private let following: Task<Void, Never>

    /// Binds and begins to register.
    package static func start(
        _ configuration: WorkerConfiguration,
        _ models: (supply: ModelSupply, stock: ModelSupply.Stock),
        on reactor: Reactor,
        logger: Logger
    ) async throws -> WorkerProgram {
        // Bounded, and surely more than a worker has to tell before it is heard.
        let (events, continuation) = AsyncStream<Worker.Event>.makeStream(
            bufferingPolicy: .bufferingNewest(1024)
        )
        let worker = Worker(
            configuration,
            supply: models.supply,
            stock: models.stock,
            on: reactor,
            incarnation: ClockTime.now.milliseconds,
            observe: { continuation.yield($0) }
        )
        let endpoint = try await worker.start()
        let (registration, registered) = AsyncStream<Void>.makeStream(
            bufferingPolicy: .bufferingNewest(1)
        )
        return WorkerProgram(
            worker: worker,
            endpoint: endpoint,
            brokers: configuration.brokers,
            logger: logger,
            events: continuation,
            registration: registration,
            following: Task {
                for await event in events {
                    self.log(event, to: logger)
                    if case .registered = event { registered.yield() }
                }
            }
        )
    }

    /// Waits until a broker has registered the worker, or for two seconds.
    package func waitForBroker() async {
        guard !self.brokers.isEmpty else { return }
        let isRegistered = await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                for await _ in self.registration { return true }
                return false
            }
            group.addTask {
                // Woken early by cancellation only, when the answer is there.
                try? await Task.sleep(for: Self.registrationLimit)
                return false
            }
            let first = await group.next() ?? false
            group.cancelAll()
            return first
        }
        if !isRegistered {
            self.logger.warning(
                "no broker answers; serving, and trying on",
                metadata: ["brokers": "\(self.brokers.map(\.address).joined(separator: ","))"]
            )
        }
    }

    /// Finishes what was accepted; a second request to stop ends that.
    package func drain(_ requests: StopRequests) async {
        self.logger.info("draining")
        await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                await self.worker.drain()
                return true
            }
            group.addTask {
                await requests.next()
                return false
            }
            let isDrained = await group.next() ?? false
            if !isDrained {
                self.logger.warning("stopping now; what is not answered yet is dropped")
                await self.worker.stop()
            }
            group.cancelAll()
        }
        self.events.finish()
        await self.following.value
    }

    static func log(_ event: Worker.Event, to logger: Logger) {
        switch event {
        case .registered(let broker):
            logger.info("registered", metadata: ["broker": "\(broker)"])
        case .brokerLost(let broker):
            logger.warning(
                "broker lost; serving on, and trying to reach it",
                metadata: ["broker": "\(broker)"]
            )
        case .refusedByBroker(let broker, let problem):
            logger.error("refused: \(problem)", metadata: ["broker": "\(broker)"])
        case .stalled(let age):
            logger.warning(
                "degraded: an execution takes unusually long",
                metadata: ["time": "\(age.text)"]
            )
        case .recovered: logger.info("ready again: no execution takes too long any more")
        case .noIPC(let problem):
            logger.warning("clients of this machine use TCP: \(problem)")
        case .modelLoaded(let name, let version, let duration):
            logger.info(
                "model loaded",
                metadata: ["model": "\(name)/\(version)", "time": "\(duration.text)"]
            )
        case .modelRetired(let name, let version):
            logger.info("model retired", metadata: ["model": "\(name)/\(version)"])
        case .modelProcess(let name, let version, .running):
            logger.info("model serves again", metadata: ["model": "\(name)/\(version)"])
        case .modelProcess(let name, let version, let status):
            logger.error(
                "model does not serve: \(status.outage ?? "")",
                metadata: ["model": "\(name)/\(version)"]
            )
        case .repositoryProblem(let problem): logger.warning("\(problem)")
        case .drained: logger.info("drained")
        }
    }
}
