import RoostClient
import RoostTestKit
import RoostWire
import Synchronization

/// Follows what a client sees of a fleet, closely, while something happens to it.
final class Presence: Sendable {
    /// A worker is seen in another state than before; `nil` is not at all.
    struct Change: Sendable {
        let at: Moment
        let id: String
        let state: String?
        let isLinked: Bool
    }

    private let changes = Mutex<[Change]>([])

    /// Follows while `body` runs.
    static func follow(
        _ client: FleetClient,
        _ body: (Presence) async throws -> Void
    ) async throws -> [Change] {
        let presence = Presence()
        let following = Task { await presence.follow(client) }
        do {
            try await body(presence)
        } catch {
            following.cancel()
            throw error
        }
        following.cancel()
        await following.value
        return presence.changes.withLock { $0 }
    }

    /// What was seen so far.
    var seen: [Change] { self.changes.withLock { $0 } }

    /// Waits until a worker is seen so, and says when that was.
    func wait(
        for id: String,
        within limit: Duration,
        _ what: String,
        since start: Moment,
        _ matches: @escaping (Change) -> Bool
    ) async throws -> Moment {
        var found: Change?
        try await eventually("\(id) is \(what)", within: limit) {
            found = self.seen.first { $0.id == id && $0.at >= start && matches($0) }
            return found != nil
        }
        return found?.at ?? .never
    }

    private func follow(_ client: FleetClient) async {
        var last: [String: WorkerStatus] = [:]
        while !Task.isCancelled {
            guard let workers = try? await client.workers() else { break }
            let now = OpenLoad.now
            var current: [String: WorkerStatus] = [:]
            for worker in workers {
                current[worker.id] = worker
                let before = last[worker.id]
                guard before?.state != worker.state || before?.isLinked != worker.isLinked else {
                    continue
                }
                self.add(worker.id, worker.state, worker.isLinked, now)
            }
            for id in last.keys where current[id] == nil { self.add(id, nil, false, now) }
            last = current
            try? await Task.sleep(for: .milliseconds(5))
        }
    }

    private func add(_ id: String, _ state: String?, _ isLinked: Bool, _ now: Moment) {
        let change = Change(at: now, id: id, state: state, isLinked: isLinked)
        self.changes.withLock { $0.append(change) }
    }
}
