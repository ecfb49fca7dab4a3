import RoostTestKit
import RoostWire
import ZeroMQ

@testable import RoostWorker

/// A scheduler of numbered requests in virtual time.
struct SchedulerScene {
    var scheduler: Scheduler<Int>

    init(slots: Int = 1, queueMax: Int = 1_000_000, _ policies: ExecutionPolicy...) {
        var configuration = WorkerConfiguration(id: "w", listen: [])
        configuration.executors = slots
        configuration.queueMax = queueMax
        self.scheduler = Scheduler(configuration)
        for (place, policy) in policies.enumerated() { self.scheduler.open(place, policy) }
    }

    static func key(_ item: Int, peer: UInt8 = 1) -> RequestKey {
        RequestKey(peer: .sample(peer), requestID: UInt64(item))
    }

    mutating func admit(
        _ item: Int,
        place: Int = 0,
        rows: Int = 1,
        form: Int = 1,
        priority: UInt8 = 0,
        bytes: Int = 0,
        peer: UInt8 = 1,
        deadline: Moment = .never,
        at now: Moment = .milliseconds(0)
    ) -> Scheduler<Int>.Refusal? {
        self.scheduler.admit(
            item,
            key: Self.key(item, peer: peer),
            place: place,
            rows: rows,
            form: form,
            priority: priority,
            byteCount: bytes,
            deadline: deadline,
            now: now
        )
    }

    /// The requests that are executed next; none if there is nothing to do.
    mutating func next(at now: Moment = .milliseconds(0)) -> [Int] {
        if case .run(let first, let joined, _) = self.scheduler.next(now: now) {
            [first] + joined
        } else {
            []
        }
    }

    /// Has executions of so many rows take so long, often enough to be believed.
    mutating func measure(
        _ duration: Duration,
        rows: Int,
        place: Int = 0,
        at now: Moment = .milliseconds(0)
    ) {
        for _ in 0..<(2 * ServiceTime.samplesMin) {
            self.scheduler.serviceTime.record(
                nanoseconds: duration.nanoseconds,
                model: place,
                rows: rows,
                now: now
            )
        }
    }
}

extension ExecutionPolicy {
    static func batches(
        of rows: Int,
        preferred: [Int] = [],
        delay: Duration = .zero
    ) -> ExecutionPolicy {
        var policy = ExecutionPolicy()
        policy.batchMax = rows
        policy.preferredRows = preferred
        policy.batchDelay = delay
        return policy
    }
}
