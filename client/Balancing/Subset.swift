internal import RoostWire

/// Which workers a client is linked to, of more than it needs.
///
/// Each client ranks the workers by its own hash of their names and takes the first ones: clients
/// spread over the fleet evenly, and a worker that comes or goes changes one link of a client at
/// most. See gRPC proposal A68, "Random subsetting with rendezvous hashing LB policy".
enum Subset {
    /// The chosen ones: those first that may serve, and of them those of the client's own zone.
    ///
    /// - Parameters:
    ///   - size: how many at most.
    ///   - zone: the client's; empty: all zones are alike.
    ///   - client: the client's own hash.
    ///   - mayServe: whether a worker may be usable; others are chosen if there are too few.
    static func choose(
        _ size: Int,
        of records: some Sequence<WorkerRecord>,
        zone: String,
        client: UInt64,
        mayServe: (WorkerRecord) -> Bool
    ) -> [String] {
        // The first ones so far, in order: few of many records get as far as that.
        var first: [Rank] = []
        for record in records {
            let rank = Rank(
                mayServe: mayServe(record),
                isNear: !zone.isEmpty && record.zone == zone,
                weight: Rendezvous.weight(Rendezvous.hash(record.workerID), client),
                id: record.workerID
            )
            if first.count == size {
                guard let last = first.last, rank.isBefore(last) else { continue }
                first.removeLast()
            }
            let position = first.firstIndex { rank.isBefore($0) } ?? first.count
            first.insert(rank, at: position)
        }
        return first.map(\.id)
    }

    private struct Rank {
        let mayServe: Bool
        let isNear: Bool
        let weight: UInt64
        let id: String

        func isBefore(_ other: Rank) -> Bool {
            if self.mayServe != other.mayServe { return self.mayServe }
            if self.isNear != other.isNear { return self.isNear }
            if self.weight != other.weight { return self.weight > other.weight }
            return self.id < other.id
        }
    }
}
