package import RoostWire
package import ZeroMQ

/// Which request of which client.
package struct RequestKey: Hashable, Sendable {
    package let peer: PeerID
    package let requestID: UInt64
}

/// Admits requests or refuses them, and says which is executed next: first come, first served.
///
/// A value without clock, lock or thread. What it accepted leaves it exactly once: taken to be
/// executed, taken because its deadline cannot be kept, or cancelled.
///
/// A request is refused when it surely cannot be answered in its budget: to wait for nothing costs
/// its client the time in which another worker would have answered. What is known of ``ServiceTime``
/// decides that, and in doubt the request is accepted.
package struct Scheduler<Item: Sendable>: Sendable {
    /// Why a request is not accepted.
    package enum Refusal: Hashable, Sendable {
        /// `backoff` is how long it takes until there is room again.
        case queueFull(Int, backoff: Duration)
        case bytesFull(Int, backoff: Duration)
        /// Its turn would come too late; another worker's queue may be shorter.
        case queueTooLong(wait: Duration)
        /// The model takes longer than the budget.
        case serviceTooLong(Duration)
        /// There was no time left when it came.
        case deadlinePassed
        case draining
    }

    /// What an executor is given.
    package enum Next: Sendable {
        /// To be executed. `slot` is for ``Scheduler/finish(slot:now:)``.
        case run(Item, slot: Int)
        /// Too little of its time is left: nobody would wait for the answer.
        case expired(Item)
        case nothing
    }

    private struct Entry: Sendable {
        var key: RequestKey
        let item: Item
        let model: Int
        let byteCount: Int
        let deadline: Moment
        /// What it was expected to take when it was accepted.
        let work: ServiceTime.Work
    }

    /// A request being executed.
    private struct Execution: Sendable {
        let model: Int
        let started: Moment
        let expected: Int64
    }

    /// Overloaded clients are asked to come back when this part of the queue is free. Were it one
    /// place, all of them would come for it.
    private static var roomShare: Int64 { 8 }
    /// Within these bounds.
    package static var backoffBounds: ClosedRange<Duration> {
        Duration.milliseconds(1)...Duration.seconds(1)
    }

    private let slots: Int
    private let queueMax: Int
    private let queueBytesMax: Int
    /// In nanoseconds.
    private let stallLimit: Int64
    private let stallFactor: Int64
    private var queue = Queue<Entry>()
    private var queuedWork = ServiceTime.Work()
    /// What the executions were expected to take when they began, in nanoseconds.
    private var runningWork: Int64 = 0
    /// By slot; `nil` where nothing runs.
    private var executions: [Execution?] = []
    private var freeSlots: [Int] = []
    package private(set) var serviceTime = ServiceTime()
    package private(set) var queuedBytes = 0
    /// Requests being executed.
    package private(set) var running = 0
    /// Executions finished.
    package private(set) var finished: UInt64 = 0
    /// When the last execution ended or, if nothing was running, the first began.
    package private(set) var lastProgress = Moment(nanoseconds: 0)
    package private(set) var isDraining = false

    package init(_ configuration: WorkerConfiguration) {
        self.slots = max(configuration.executors, 1)
        self.queueMax = configuration.queueMax
        self.queueBytesMax = configuration.queueBytesMax
        self.stallLimit = configuration.stallLimit.nanoseconds
        self.stallFactor = Int64(configuration.stallFactor)
    }

    /// Requests waiting.
    package var queued: Int { self.queue.count }
    /// Whether everything that was accepted has been finished.
    package var isIdle: Bool { self.running == 0 && self.queue.count == 0 }

    /// What the worker tells of its executors.
    package var statistics: ExecutorStatistics {
        var oldest = Moment.never
        var stall = Moment.never
        for case .some(let execution) in self.executions {
            oldest = min(oldest, execution.started)
            stall = min(
                stall,
                execution.started + .nanoseconds(self.stallLimit(of: execution.model))
            )
        }
        return ExecutorStatistics(
            running: self.running,
            queued: self.queue.count,
            finished: self.finished,
            lastProgress: self.lastProgress,
            oldestStart: oldest,
            stall: stall,
            meanServiceTime: .nanoseconds(self.serviceTime.mean)
        )
    }

    /// After how many nanoseconds an execution of the model is unusually long.
    private func stallLimit(of model: Int) -> Int64 {
        max(self.serviceTime.mean(of: model) * self.stallFactor, self.stallLimit)
    }

    /// Accepts a request, or says why not.
    ///
    /// - Parameter model: the model's place in the worker's list.
    package mutating func admit(
        _ item: Item,
        key: RequestKey,
        model: Int,
        byteCount: Int,
        deadline: Moment,
        now: Moment
    ) -> Refusal? {
        if self.isDraining { return .draining }
        guard self.queue.count + self.running < self.slots + self.queueMax else {
            return .queueFull(self.queueMax, backoff: self.backoff)
        }
        // A request that is alone is taken whatever its size: the wire bounds it.
        guard self.queuedBytes + byteCount <= self.queueBytesMax || self.queue.count == 0 else {
            return .bytesFull(self.queueBytesMax, backoff: self.backoff)
        }
        let work = self.serviceTime.work(of: model, now: now)
        if let refusal = self.lateness(of: work, deadline: deadline, now: now) { return refusal }
        self.queuedBytes += byteCount
        self.queuedWork += work
        self.queue.append(
            Entry(
                key: key,
                item: item,
                model: model,
                byteCount: byteCount,
                deadline: deadline,
                work: work
            )
        )
        return nil
    }

    /// Why a request that comes now cannot be answered in time; `nil` if it may well be.
    private func lateness(
        of work: ServiceTime.Work,
        deadline: Moment,
        now: Moment
    ) -> Refusal? {
        let left = deadline.nanoseconds - now.nanoseconds
        guard left > 0 else { return .deadlinePassed }
        let slots = Int64(self.slots)
        // The most that it can be: nearly every request passes this.
        let most = (self.queuedWork.mean + self.runningWork) / slots + work.mean
        if most <= left { return nil }
        let service = work.least
        guard service <= left else { return .serviceTooLong(.nanoseconds(service)) }
        guard self.queue.count + self.running >= self.slots else { return nil }
        var ahead = self.queuedWork.least
        for case .some(let execution) in self.executions {
            let age = now.nanoseconds - execution.started.nanoseconds
            ahead += max(execution.expected - age, 0)
        }
        let wait = ahead / slots
        return wait + service <= left ? nil : .queueTooLong(wait: .nanoseconds(wait))
    }

    /// How long it takes until there is room for the refused.
    private var backoff: Duration {
        let places = max(Int64(self.queue.count) / Self.roomShare, 1)
        let mean = self.serviceTime.mean
        let time = Duration.nanoseconds(mean * places / Int64(self.slots))
        return min(max(time, Self.backoffBounds.lowerBound), Self.backoffBounds.upperBound)
    }

    /// The next request for an executor that has become free.
    package mutating func next(now: Moment) -> Next {
        guard let entry = self.queue.popFirst() else { return .nothing }
        self.left(entry)
        let service = self.serviceTime.work(of: entry.model, now: now).least
        guard now < entry.deadline,
            service <= entry.deadline.nanoseconds - now.nanoseconds
        else { return .expired(entry.item) }
        if self.running == 0 { self.lastProgress = now }
        self.running += 1
        self.runningWork += service
        let slot = self.freeSlots.popLast() ?? self.executions.count
        let execution = Execution(model: entry.model, started: now, expected: service)
        if slot == self.executions.count {
            self.executions.append(execution)
        } else {
            self.executions[slot] = execution
        }
        return .run(entry.item, slot: slot)
    }

    /// An execution has ended, well or not.
    package mutating func finish(slot: Int, now: Moment) {
        guard let execution = self.executions[slot].take() else {
            preconditionFailure("an execution ended in slot \(slot) and none was running there")
        }
        self.freeSlots.append(slot)
        self.running -= 1
        self.runningWork -= execution.expected
        self.finished += 1
        self.lastProgress = now
        let duration = now.nanoseconds - execution.started.nanoseconds
        // One that stood still says little of the next: it does not make the next stall look usual.
        let isFirst = self.serviceTime.mean(of: execution.model) == 0
        self.serviceTime.record(
            nanoseconds: isFirst ? duration : min(duration, self.stallLimit(of: execution.model)),
            model: execution.model,
            now: now
        )
    }

    /// Takes a waiting request out; `nil` if it is not waiting: unknown, running or finished.
    package mutating func cancel(_ key: RequestKey) -> Item? {
        guard let entry = self.queue.removeFirst(where: { $0.key == key }) else { return nil }
        self.left(entry)
        return entry.item
    }

    /// Takes out everything that waits for a client that has gone.
    package mutating func cancelAll(of peer: PeerID) -> [Item] {
        var items: [Item] = []
        while let entry = self.queue.removeFirst(where: { $0.key.peer == peer }) {
            self.left(entry)
            items.append(entry.item)
        }
        return items
    }

    /// Takes out everything that waits.
    package mutating func cancelAll() -> [Item] {
        var items: [Item] = []
        while let entry = self.queue.popFirst() {
            self.left(entry)
            items.append(entry.item)
        }
        return items
    }

    /// A waiting request is another link's from now on; nothing if it does not wait.
    package mutating func rename(_ key: RequestKey, to other: RequestKey) {
        self.queue.updateFirst(where: { $0.key == key }) { $0.key = other }
    }

    private mutating func left(_ entry: Entry) {
        self.queuedBytes -= entry.byteCount
        self.queuedWork -= entry.work
        // What rounding has left over does not add up.
        if self.queue.count == 0 { self.queuedWork = ServiceTime.Work() }
    }

    /// From now on everything new is refused.
    package mutating func drain() { self.isDraining = true }
}
