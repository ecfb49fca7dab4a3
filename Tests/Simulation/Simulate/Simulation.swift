internal import RoostClient
internal import RoostWire
internal import ZeroMQ

/// One seed's world from beginning to end: a fleet, its requests, what goes wrong, the settled
/// fleet after it, and the judgement.
///
/// One thread drives it; that is the promise behind `@unchecked Sendable`.
final class Simulation: @unchecked Sendable {
    struct Outcome {
        let hash: UInt64
        let violations: [Violation]
        let requests: Int
        let succeeded: Int
        let steps: Int
    }

    let world: World
    let scenario: Scenario
    let history: History
    let watch: TrafficWatch
    let sabotage: Sabotage?
    var random: SeededGenerator

    var brokers: [SimulatedBroker?] = []
    var workers: [SimulatedWorker?] = []
    var clients: [SimulatedClient?] = []
    var requests: [Request] = []
    /// Where workers that died have listened.
    var freedEndpoints: [Endpoint] = []
    var brokerEndpoints: [Endpoint] = []
    var workerModels: [[Int]] = []
    /// When a client's process last went on after it was stopped.
    var thawed: [Int: Int64] = [:]
    /// What sabotage has added to the world.
    var strangers: [Stranger] = []
    /// More steps were made than any seed needs.
    private var isSpinning = false
    /// All faults are over.
    private(set) var isHealed = false

    /// More steps than any seed needs: something spins.
    static let stepsMax = 3_000_000
    /// I7: how long after all faults have ended every client lists the workers that live, ...
    static let settlingTime: Duration = .seconds(20)
    /// ... and how much later only those, and as ready. The broker's two long memories, of flapping
    /// and of mass silence, are shortened for it; see ``SimulatedBroker``.
    static let forgettingTime: Duration = .seconds(16)
    /// I1: how long after its deadline a call may end.
    static let endSlack: Duration = .milliseconds(250)

    init(seed: UInt64, sabotage: Sabotage?, isTraced: Bool) {
        self.world = World(seed: seed)
        self.random = self.world.random.split()
        self.scenario = Scenario(&self.random)
        self.sabotage = sabotage
        self.history = History(self.world, isTraced: isTraced)
        self.watch = TrafficWatch(self.history)
    }

    func run() -> Outcome {
        self.world.network.tap = self.watch
        self.world.network.baseLatency = self.scenario.baseLatency
        self.note("\(self.scenario)")
        self.startFleet()
        let begin = self.world.now + Duration.seconds(2).nanoseconds
        let end = begin + self.scenario.duration.nanoseconds
        self.planRequests(from: begin, to: end)
        self.planFaults(from: begin, to: end)
        self.pass(until: end)
        self.heal()
        self.pass(until: self.world.now + Self.settlingTime.nanoseconds)
        self.checkLists(isFinal: false)
        self.pass(until: self.world.now + Self.forgettingTime.nanoseconds)
        self.checkLists(isFinal: true)
        self.planProbes()
        self.pass(until: self.world.now + Duration.seconds(10).nanoseconds)
        self.checkSockets()
        self.closeFleet()
        self.pass(until: self.world.now + Duration.seconds(40).nanoseconds)
        self.endFleet()
        self.checkRequests()
        let outcome = Outcome(
            hash: self.history.hash,
            violations: self.history.violations,
            requests: self.requests.count,
            succeeded: self.requests.count { if case .ok = $0.end { true } else { false } },
            steps: self.world.steps
        )
        self.world.end()
        return outcome
    }

    func note(_ line: @autoclosure () -> String) { self.history.note(3, 0, 0, line()) }

    private func pass(until end: Int64) {
        guard !self.world.run(until: end, stepsMax: Self.stepsMax) else { return }
        guard !self.isSpinning else { return }
        self.isSpinning = true
        self.history.violated(
            "I1",
            "time stands still: \(self.world.lastTurn) spins, after \(Self.stepsMax) steps"
        )
    }

    // MARK: The fleet

    private func startFleet() {
        self.brokerEndpoints = (0..<self.scenario.brokers).map {
            Self.endpoint("tcp://b\($0):7100")
        }
        let warmUp: Duration = self.random.chance(0.5) ? .zero : .seconds(10)
        self.brokers = Array(repeating: nil, count: self.scenario.brokers)
        for index in self.brokers.indices { self.startBroker(index, warmUp: warmUp) }
        self.workers = Array(repeating: nil, count: self.scenario.workers)
        self.workerModels = self.workers.indices.map { index in
            // Both models are served by somebody.
            if index < 2 { return self.random.chance(0.5) ? [0, 1] : [index] }
            return self.random.chance(0.5) ? [0, 1] : [self.random.pick(0...1)]
        }
        for index in self.workers.indices { self.startWorker(index) }
        self.clients = Array(repeating: nil, count: self.scenario.clients)
        for index in self.clients.indices { self.startClient(index) }
        self.sabotageFleet()
    }

    static func endpoint(_ text: String) -> Endpoint {
        guard let endpoint = try? Endpoint(text) else {
            preconditionFailure("no endpoint: \(text)")
        }
        return endpoint
    }

    func startBroker(_ index: Int, warmUp: Duration) {
        let endpoint = self.brokerEndpoints[index]
        self.brokers[index] = try? SimulatedBroker(
            index,
            self.world,
            endpoint: endpoint,
            warmUp: warmUp
        )
        self.note("b\(index) starts: \(self.brokers[index] != nil)")
    }

    /// Starts a worker that is not there: where it was before, where another was, or elsewhere.
    func startWorker(_ index: Int) {
        var listen = Self.endpoint("tcp://w\(index):*")
        if !self.freedEndpoints.isEmpty, self.random.chance(0.6) {
            listen = self.freedEndpoints.remove(
                at: self.random.pick(0...self.freedEndpoints.count - 1)
            )
        }
        // A clock that was set back gives a lower incarnation than the life before had.
        let milliseconds = UInt64(self.world.now / 1_000_000)
        let incarnation =
            self.scenario.clocksGoBack && self.random.chance(0.3)
            ? milliseconds - 60_000 : milliseconds
        let worker = try? SimulatedWorker(
            index,
            self.world,
            scenario: self.scenario,
            brokers: self.brokerEndpoints,
            listen: listen,
            incarnation: incarnation,
            models: self.workerModels[index],
            execute: { [unowned self] in self.executed($0, $1, $2, $3) }
        )
        if index == 0 { worker?.executors.neverAnswers = self.sabotage == .neverAnswers }
        self.workers[index] = worker
        self.note("w\(index) starts at \(worker?.endpoint.address ?? "nowhere"), \(incarnation)")
    }

    func startClient(_ index: Int) {
        self.clients[index] = try? SimulatedClient(
            index,
            self.world,
            brokers: self.brokerEndpoints,
            configuration: self.scenario.client(index, &self.random)
        )
        let policy = self.clients[index]?.configuration.policy
        self.note("c\(index) starts: \(policy.map(\.description) ?? "not")")
    }

    private func executed(_ worker: String, _ model: Int, _ number: Int, _ input: Tensor) -> Tensor
    {
        // A stranger's request has no number.
        guard number >= 0 else { return input }
        guard self.requests.indices.contains(number) else {
            self.history.violated("I2", "\(worker) executes a request that nobody made")
            return input
        }
        self.requests[number].executions.append(worker)
        self.history.note(4, UInt64(number), 0, "\(worker) executes r\(number)")
        if self.sabotage == .executesTwice { self.requests[number].executions.append(worker) }
        if self.sabotage == .wrongTensor, number % 50 == 7 {
            let other = SimulatedSession.input(number: number - 1, elements: 4)
            return SimulatedSession.output(other, model: model)
        }
        return SimulatedSession.output(input, model: model)
    }

    // MARK: Requests

    private func planRequests(from begin: Int64, to end: Int64) {
        var time = begin
        let gap = Double(end - begin) / Double(self.scenario.requests)
        while self.requests.count < self.scenario.requests {
            // Now and then many at once.
            let count = self.random.chance(0.05) ? self.random.pick(5...20) : 1
            for _ in 0..<min(count, self.scenario.requests - self.requests.count) {
                self.plan(self.drawRequest(), at: time)
            }
            time += Int64(gap * Double(count) * self.random.exponential())
            time = min(time, end)
        }
    }

    private func drawRequest() -> Request {
        let timeout: Duration =
            self.random.chance(0.3)
            ? .milliseconds(self.random.pick(50...500))
            : .milliseconds(self.random.pick(500...5000))
        return Request(
            number: self.requests.count,
            client: self.random.pick(0...self.scenario.clients - 1),
            model: self.random.pick(0...1),
            isIdempotent: self.random.chance(0.7),
            timeout: timeout,
            isProbe: false,
            elements: self.random.chance(0.1) ? 2000 : self.random.pick(1...16)
        )
    }

    private func plan(_ request: Request, at time: Int64) {
        self.requests.append(request)
        let patience: Int64? =
            !request.isProbe && self.random.chance(0.08)
            ? self.random.nanoseconds(.milliseconds(1)...(.milliseconds(400))) : nil
        self.world.plan(at: time) { [self] in
            self.invoke(request)
            guard let patience else { return }
            self.world.plan(after: patience) {
                guard request.end == nil else { return }
                self.history.note(5, UInt64(request.number), 0, "r\(request.number) is cancelled")
                request.task?.cancel()
            }
        }
    }

    private func invoke(_ request: Request) {
        // A program that is dead or stopped calls nothing.
        guard let client = self.clients[request.client], !client.node.isFrozen,
            !client.node.isKilled, !client.isClosed
        else { return }
        request.invoked = self.world.now
        self.history.note(
            6,
            UInt64(request.number),
            0,
            "r\(request.number) is called by c\(request.client): model "
                + "\(Scenario.models[request.model]), \(request.timeout), "
                + (request.isIdempotent ? "idempotent" : "once")
        )
        var options = InferenceOptions()
        options.timeout = request.timeout
        options.isIdempotent = request.isIdempotent
        options.affinityKey = request.number % 3 == 0 ? nil : "key \(request.number % 7)"
        self.watch.called(client)
        request.task = Task(executorPreference: client.node.taskExecutor) { [options] in
            await self.call(request, on: client, options)
        }
    }

    private nonisolated(nonsending) func call(
        _ request: Request,
        on client: SimulatedClient,
        _ options: InferenceOptions
    ) async {
        do {
            let result = try await client.client.infer(
                model: Scenario.models[request.model],
                inputs: [
                    "x": SimulatedSession.input(number: request.number, elements: request.elements)
                ],
                options: options
            )
            let isOwn = SimulatedSession.isAnswer(
                result.outputs["y"],
                number: request.number,
                elements: request.elements,
                model: request.model
            )
            if !isOwn {
                self.history.violated(
                    "I2",
                    "r\(request.number) is answered by \(result.worker) with another's tensor"
                )
            }
            self.ended(request, client, .ok(worker: result.worker, attempts: result.attempts))
        } catch {
            self.ended(request, client, .failure(error))
        }
    }

    private func ended(_ request: Request, _ client: SimulatedClient, _ end: Request.End) {
        switch self.sabotage {
        case .lostEnd where request.number % 50 == 7: return
        case .secondEnd where request.number % 50 == 7: self.record(request, client, end)
        case .lateEnd where request.number % 50 == 7:
            self.world.plan(after: 6_000_000_000) { [self] in self.record(request, client, end) }
            return
        default: break
        }
        self.record(request, client, end)
    }

    private func record(_ request: Request, _ client: SimulatedClient, _ end: Request.End) {
        request.endCount += 1
        request.ended = self.world.now
        request.end = client.node.isKilled ? .abandoned : end
        request.task = nil
        switch end {
        case .ok(let worker, let attempts):
            self.history.note(
                7,
                UInt64(request.number),
                UInt64(attempts),
                "r\(request.number) is answered by \(worker), attempt \(attempts)"
            )
        case .failure(let error):
            self.history.note(
                8,
                UInt64(request.number),
                UInt64(error.code.number),
                "r\(request.number) fails: \(error.code): \(error)"
            )
        case .abandoned: break
        }
        if request.endCount > 1 {
            self.history.violated("I1", "r\(request.number) ends \(request.endCount) times")
        }
        let limit = max(
            request.invoked + request.timeout.nanoseconds,
            self.thawed[client.node.index] ?? 0
        )
        if !client.node.isKilled, self.world.now > limit + Self.endSlack.nanoseconds {
            let late = Double(self.world.now - limit) / 1e9
            self.history.violated("I1", "r\(request.number) ends \(late) s after its deadline")
        }
    }

    private func planProbes() {
        var time = self.world.now
        for index in self.clients.indices {
            for model in Scenario.models.indices {
                guard self.workers.contains(where: { $0?.models.contains(model) == true }) else {
                    continue
                }
                for _ in 0..<2 {
                    let probe = Request(
                        number: self.requests.count,
                        client: index,
                        model: model,
                        isIdempotent: self.random.chance(0.5),
                        timeout: .seconds(5),
                        isProbe: true,
                        elements: 4
                    )
                    // One after another: this is no test of small queues.
                    self.plan(probe, at: time)
                    time += Duration.milliseconds(300).nanoseconds
                }
            }
        }
    }

    // MARK: The end

    /// Every fault ends, and who was killed is started again, or stays away for good.
    private func heal() {
        self.note("all faults end")
        self.isHealed = true
        for node in self.nodes { self.thaw(node) }
        for from in self.nodes {
            for to in self.nodes { self.world.network.unblock(from: from, to: to) }
        }
        for node in self.nodes { self.world.network.slow(node, by: 1) }
        self.world.network.mishaps = Mishaps()
        self.world.network.changed()
        for worker in self.workers.compactMap({ $0 }) {
            worker.executors.isHung = false
            worker.executors.slowness = 1
        }
        for index in self.brokers.indices where self.brokers[index] == nil {
            // One broker at least comes back.
            if index == 0 || self.random.chance(0.5) {
                self.startBroker(index, warmUp: .seconds(10))
            }
        }
        for index in self.workers.indices where self.workers[index] == nil {
            // The dead whose beats go on must stay dead, or they are noticed less often.
            guard self.sabotage != .listsTheDead, self.random.chance(0.7) else { continue }
            self.startWorker(index)
        }
        for index in self.clients.indices where self.clients[index] == nil {
            self.startClient(index)
        }
    }

    var nodes: [Reactor] {
        self.brokers.compactMap { $0?.node } + self.workers.compactMap { $0?.node }
            + self.clients.compactMap { $0?.node }
    }

    func thaw(_ node: Reactor) {
        guard node.isFrozen else { return }
        self.thawed[node.index] = self.world.now
        node.thaw()
    }

    private func closeFleet() {
        self.note("the fleet is closed")
        for client in self.clients.compactMap({ $0 }) { client.close(self.world) }
        for worker in self.workers.compactMap({ $0 }) { worker.drain(self.world) {} }
    }

    /// Everything must be closed by now but the brokers.
    private func endFleet() {
        for (index, worker) in self.workers.enumerated() {
            guard let worker else { continue }
            if !worker.isDrained {
                self.history.violated("I1", "w\(index) does not end draining")
                worker.kill(self.world)
            }
        }
        for broker in self.brokers.compactMap({ $0 }) { broker.kill(self.world) }
        _ = self.world.runReady(stepsMax: .max)
        for node in self.nodes where node.openSockets > 0 {
            self.history.violated("I6", "\(node.name) leaves \(node.openSockets) sockets open")
        }
        for stranger in self.strangers { stranger.close(self.world) }
    }
}
