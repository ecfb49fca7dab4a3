internal import RoostClient
internal import ZeroMQ

// The judgement: what PROTOCOL.md §5 promises, on the history of one world.

extension Simulation {
    /// I7, first half: a while after healing every client lists every worker that lives, and of the
    /// dead at most suspects; after another while exactly those that live, as ready.
    func checkLists(isFinal: Bool) {
        let alive = Set(self.workers.compactMap { $0 }.filter { !$0.isDraining }.map(\.id))
        let leaving = Set(self.workers.compactMap { $0 }.filter(\.isDraining).map(\.id))
        for client in self.clients.compactMap({ $0 }) {
            _ = Task(executorPreference: client.node.taskExecutor) { [self] in
                let workers = (try? await client.client.workers()) ?? []
                let missing = alive.subtracting(workers.map(\.id)).sorted()
                if !missing.isEmpty {
                    self.history.violated(
                        "I7",
                        "\(client.node.name) does not list \(missing), which live"
                    )
                }
                for worker in workers where !leaving.contains(worker.id) {
                    let isAlive = alive.contains(worker.id)
                    guard
                        isAlive
                            ? isFinal && worker.state != "ready"
                            : isFinal || worker.state != "suspect"
                    else { continue }
                    self.history.violated(
                        "I7",
                        "\(client.node.name) lists \(worker.id), which is "
                            + (isAlive ? "alive" : "dead") + ", as \(worker.state)"
                    )
                }
            }
        }
    }

    /// I6: no table grows without bound; of those that can be seen from outside, the sockets.
    func checkSockets() {
        let workers = self.workers.count { $0 != nil }
        for client in self.clients.compactMap({ $0 })
        where client.node.openSockets > workers + self.scenario.brokers {
            self.history.violated(
                "I6",
                "\(client.node.name) has \(client.node.openSockets) sockets for \(workers) workers and "
                    + "\(self.scenario.brokers) brokers"
            )
        }
        for worker in self.workers.compactMap({ $0 })
        where worker.node.openSockets > 1 + self.scenario.brokers {
            self.history.violated("I6", "\(worker.id) has \(worker.node.openSockets) sockets")
        }
    }

    /// I1, I3 and the second half of I7.
    func checkRequests() {
        self.watch.checkBudgets(now: self.world.now)
        for request in self.requests where request.invoked > 0 {
            if request.end == nil {
                self.history.violated("I1", "r\(request.number) never ends")
            }
            if !request.isIdempotent, request.executions.count > 1 {
                self.history.violated(
                    "I3",
                    "r\(request.number) must be executed once and was by "
                        + request.executions.joined(separator: ", ")
                )
            }
            guard request.isProbe else { continue }
            if case .failure(let error) = request.end {
                self.history.violated(
                    "I7",
                    "r\(request.number), asked of the settled fleet, fails: \(error.code): \(error)"
                )
            }
        }
    }
}
