package import RoostWire

extension WorkerRecord {
    /// A ready worker that serves `model` in version 1.
    package static func sample(
        _ id: String = "w",
        incarnation: UInt64 = 1,
        instance: InstanceID? = nil,
        revision: UInt64 = 1,
        state: State = .ready,
        zone: String = "",
        model: String = "identity",
        endpoint: Endpoint? = nil
    ) -> WorkerRecord {
        // The same worker in the same life is the same process.
        let number = id.utf8.reduce(incarnation << 8) { $0 &* 31 &+ UInt64($1) }
        return WorkerRecord(
            workerID: id,
            incarnation: incarnation,
            instance: instance ?? InstanceID(high: number, low: incarnation),
            revision: revision,
            state: state,
            zone: zone,
            endpoints: endpoint.map { [$0] } ?? [],
            models: [ModelRecord(name: model, version: 1)]
        )
    }
}

extension Moment {
    /// That many milliseconds after the start of the test's time.
    package static func milliseconds(_ count: Int64) -> Moment {
        Moment(nanoseconds: count * 1_000_000)
    }
}
