internal import RoostWire
internal import ZeroMQ

// What goes wrong: drawn from the seed, begun at some moment, and ended after a while.

extension Simulation {
    private enum Fault: CaseIterable {
        case killWorker, killBroker, killClient
        case drainWorker, closeClient
        case freeze
        case partition
        case latency
        case slowWorker
        case hungWorker
    }

    func planFaults(from begin: Int64, to end: Int64) {
        self.world.plan(at: begin) { [self] in
            self.world.network.mishaps = self.scenario.mishaps
        }
        let kinds: [Fault] = [
            .killWorker, .killWorker, .killWorker, .killBroker, .killBroker, .killClient,
            .drainWorker, .drainWorker, .closeClient, .freeze, .freeze, .freeze, .partition,
            .partition, .partition, .latency, .slowWorker, .hungWorker,
        ]
        for _ in 0..<self.scenario.faults {
            let fault = kinds[self.random.pick(0...kinds.count - 1)]
            let time = begin + Int64(self.random.fraction() * Double(end - begin))
            self.world.plan(at: time) { [self] in self.begin(fault) }
        }
    }

    private func begin(_ fault: Fault) {
        guard !self.isHealed else { return }
        switch fault {
        case .killWorker:
            let index = self.random.pick(0...self.scenario.workers - 1)
            self.kill(worker: index)
            self.later(.milliseconds(50)...(.seconds(9))) { $0.restart(worker: index) }
        case .killBroker:
            let index = self.random.pick(0...self.scenario.brokers - 1)
            self.kill(broker: index)
            let absence: ClosedRange<Duration> =
                self.random.chance(0.3)
                ? .seconds(10)...(.seconds(30)) : .milliseconds(50)...(.seconds(5))
            self.later(absence) { simulation in
                guard simulation.brokers[index] == nil else { return }
                simulation.startBroker(index, warmUp: .seconds(10))
            }
        case .killClient:
            let index = self.random.pick(0...self.scenario.clients - 1)
            guard let client = self.clients[index] else { return }
            self.note("c\(index) is killed")
            self.clients[index] = nil
            client.kill(self.world)
            self.later(.milliseconds(50)...(.seconds(4))) { $0.restart(client: index) }
        case .drainWorker: self.drain(worker: self.random.pick(0...self.scenario.workers - 1))
        case .closeClient:
            let index = self.random.pick(0...self.scenario.clients - 1)
            guard let client = self.clients[index], !client.node.isFrozen else { return }
            self.note("c\(index) is closed")
            self.clients[index] = nil
            client.close(self.world)
            self.later(.milliseconds(50)...(.seconds(4))) { $0.restart(client: index) }
        case .freeze:
            let nodes = self.nodes
            guard !nodes.isEmpty else { return }
            let node = nodes[self.random.pick(0...nodes.count - 1)]
            guard !node.isFrozen else { return }
            self.note("\(node.name) is stopped")
            node.freeze()
            self.later(.milliseconds(50)...(.seconds(9))) { simulation in
                simulation.note("\(node.name) goes on")
                simulation.thaw(node)
            }
        case .partition: self.partition()
        case .latency:
            let nodes = self.nodes
            guard !nodes.isEmpty else { return }
            let node = nodes[self.random.pick(0...nodes.count - 1)]
            let factor = Double(self.random.pick(5...400))
            self.note("\(node.name)'s network is \(factor) times slower")
            self.world.network.slow(node, by: factor)
            self.later(.milliseconds(200)...(.seconds(5))) { $0.world.network.slow(node, by: 1) }
        case .slowWorker:
            guard let worker = self.anyWorker() else { return }
            worker.executors.slowness = Double(self.random.pick(2...30))
            self.note("\(worker.id) is \(worker.executors.slowness) times slower")
            self.later(.seconds(1)...(.seconds(8))) { _ in worker.executors.slowness = 1 }
        case .hungWorker:
            guard let worker = self.anyWorker() else { return }
            self.note("\(worker.id)'s executions hang")
            worker.executors.isHung = true
            self.later(.seconds(1)...(.seconds(9))) { simulation in
                simulation.note("\(worker.id)'s executions go on")
                worker.executors.isHung = false
            }
        }
    }

    private func later(
        _ delay: ClosedRange<Duration>,
        _ action: @escaping (Simulation) -> Void
    ) {
        self.world.plan(after: self.random.nanoseconds(delay)) { [self] in
            if !self.isHealed { action(self) }
        }
    }

    private func anyWorker() -> SimulatedWorker? {
        self.workers[self.random.pick(0...self.scenario.workers - 1)]
    }

    private func kill(worker index: Int) {
        guard let worker = self.workers[index] else { return }
        self.note("w\(index) is killed")
        self.workers[index] = nil
        worker.kill(self.world)
        if self.sabotage == .wrongPeer, let stranger = Stranger(answeringAt: worker.endpoint) {
            self.strangers.append(stranger)
        } else {
            self.freedEndpoints.append(worker.endpoint)
        }
        if self.sabotage == .listsTheDead, let record = self.watch.records[worker.node.index] {
            self.strangers.append(Stranger(beatingAs: record, at: self.brokerEndpoints[0]))
        }
    }

    private func restart(worker index: Int) {
        if self.workers[index] == nil { self.startWorker(index) }
    }

    private func restart(client index: Int) {
        if self.clients[index] == nil { self.startClient(index) }
    }

    private func kill(broker index: Int) {
        guard let broker = self.brokers[index] else { return }
        self.note("b\(index) is killed")
        self.brokers[index] = nil
        broker.kill(self.world)
    }

    private func drain(worker index: Int) {
        guard let worker = self.workers[index], !worker.node.isFrozen, !worker.isDraining else {
            return
        }
        self.note("w\(index) drains")
        worker.drain(self.world) { [unowned self] in
            guard self.workers[index] === worker, !worker.node.isKilled else { return }
            self.note("w\(index) has drained")
            self.workers[index] = nil
            self.freedEndpoints.append(worker.endpoint)
            self.later(.milliseconds(50)...(.seconds(3))) { $0.restart(worker: index) }
        }
    }

    /// Some processes and the others no longer hear each other, or only one way.
    private func partition() {
        let nodes = self.nodes
        let apart = Set(nodes.filter { _ in self.random.chance(0.4) }.map(\.index))
        let way = self.random.pick(0...2)
        var pairs: [(Reactor, Reactor)] = []
        for from in nodes where apart.contains(from.index) {
            for to in nodes where !apart.contains(to.index) {
                if way != 1 { pairs.append((from, to)) }
                if way != 2 { pairs.append((to, from)) }
            }
        }
        let names = nodes.filter { apart.contains($0.index) }.map(\.name)
        let ways = ["hears and reaches nobody", "hears nobody", "reaches nobody"][way]
        self.note("\(names) \(ways)")
        for (from, to) in pairs { self.world.network.block(from: from, to: to) }
        self.world.network.changed()
        self.later(.milliseconds(100)...(.seconds(9))) { simulation in
            simulation.note("\(names) are back")
            for (from, to) in pairs { simulation.world.network.unblock(from: from, to: to) }
            simulation.world.network.changed()
        }
    }
}
