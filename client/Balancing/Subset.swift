internal import RoostWire

/// Which workers a client is linked to, of more than it needs.
///
/// Each client ranks the workers by its own hash of their names and takes the first ones: clients
/// spread over the fleet evenly, and a worker that comes or goes changes one link of a client at
/// most. See gRPC proposal A68, "Random subsetting with rendezvous hashing LB policy".
enum Subset {
    /// The chosen ones, those of the client's own zone first.
    ///
    /// - Parameters:
    ///   - size: how many at most.
    ///   - zone: the client's; empty: all zones are alike.
    ///   - client: the client's own hash.
    static func choose(
        _ size: Int,
        of records: some Collection<WorkerRecord>,
        zone: String,
        client: UInt64
    ) -> some Sequence<String> {
        if records.count <= size { return records.map(\.workerID) }
        let ranked = records.map { record in
            (
                id: record.workerID,
                isNear: !zone.isEmpty && record.zone == zone,
                weight: Rendezvous.weight(Rendezvous.hash(record.workerID), client)
            )
        }
        let first = ranked.sorted { left, right in
            if left.isNear != right.isNear { return left.isNear }
            return (left.weight, left.id) > (right.weight, right.id)
        }
        return first.prefix(size).map(\.id)
    }
}
