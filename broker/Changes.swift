internal import RoostWire

extension [WorkerRegistry.Change] {
    /// At most one change for each worker, from what was listed before the first to what is listed
    /// after the last; in the order of the last.
    func coalesced() -> [WorkerRegistry.Change] {
        guard self.count > 1 else { return self }
        var places: [String: Int] = [:]
        var merged: [WorkerRegistry.Change?] = []
        places.reserveCapacity(self.count)
        merged.reserveCapacity(self.count)
        for change in self {
            guard let id = (change.after ?? change.before)?.workerID else { continue }
            var change = change
            if let place = places[id], let earlier = merged[place] {
                change = WorkerRegistry.Change(
                    before: earlier.before,
                    after: change.after,
                    why: change.why,
                    sequence: change.sequence
                )
                merged[place] = nil
            }
            places[id] = merged.count
            merged.append(change)
        }
        return merged.compactMap { $0 }.filter { $0.before != nil || $0.after != nil }
    }

    /// What they mean to those who watch that selector, cut into messages of bounded size. Only
    /// the last one's `sequence` stands; `previous` is another for each client.
    func deltas(for selector: Selector) -> [Delta] {
        var deltas: [Delta] = []
        var bytes = WireLimits.snapshotPartBytes
        for change in self {
            let listed = change.before.map(selector.matches) ?? false
            let lists = change.after.map(selector.matches) ?? false
            guard listed || lists else { continue }
            if bytes >= WireLimits.snapshotPartBytes
                || deltas[deltas.count - 1].recordCount == WireLimits.recordsMax
            {
                deltas.append(Delta(sequence: 0, previous: 0))
                bytes = 0
            }
            let last = deltas.count - 1
            deltas[last].sequence = change.sequence
            if lists, let after = change.after {
                deltas[last].upserts.append(after)
                if self.count > 1 { bytes += after.encodedBytes }
            } else if let before = change.before {
                deltas[last].removals.append(
                    Delta.Removal(
                        workerID: before.workerID,
                        incarnation: before.incarnation,
                        why: change.after == nil ? change.why : .unmatched
                    )
                )
                bytes += before.workerID.utf8.count + 16
            }
        }
        return deltas
    }
}

extension Delta {
    fileprivate var recordCount: Int { self.upserts.count + self.removals.count }
}

extension WorkerRecord {
    /// The size of the record in a message.
    var encodedBytes: Int {
        var counter = WireWriter()
        self.encode(to: &counter)
        return counter.offset
    }
}
