package import ZeroMQ

// What waits and is not wanted any more.

extension Scheduler {
    /// Takes a waiting request out; `nil` if it is not waiting: unknown, running or finished.
    package mutating func cancel(_ key: RequestKey) -> Item? {
        for place in self.backlog {
            guard let entry = self.queues[place].cancel(key) else { continue }
            self.left(entry, place)
            return entry.item
        }
        return nil
    }

    /// Takes out everything that waits for a client that has gone.
    package mutating func cancelAll(of peer: PeerID) -> [Item] {
        self.cancelAll { $0.key.peer == peer }
    }

    /// Takes out everything that waits.
    package mutating func cancelAll() -> [Item] { self.cancelAll { _ in true } }

    private mutating func cancelAll(_ matches: (Waiting<Item>) -> Bool) -> [Item] {
        var items: [Item] = []
        for place in self.backlog {
            let taken = self.queues[place].cancelAll(matches)
            for entry in taken {
                self.left(entry, place)
                items.append(entry.item)
            }
        }
        return items
    }

    /// A waiting request is another link's from now on; nothing if it does not wait.
    package mutating func rename(_ key: RequestKey, to other: RequestKey) {
        for place in self.backlog where self.queues[place].rename(key, to: other) { return }
    }
}
