package import RoostWire
package import ZeroMQ

/// Which request of which client.
package struct RequestKey: Hashable, Sendable {
    package let peer: PeerID
    package let requestID: UInt64
}

/// Admits requests or refuses them, and says which are executed next: models share the executors
/// fairly (``FairShare``), inside a model higher classes of priority come first and inside a class
/// who came first (``ModelQueue``). Requests that can be executed together are (``Batcher``).
///
/// A value without clock, lock or thread. What it accepted leaves it exactly once: taken to be
/// executed, taken because it is too late for it, or cancelled.
///
/// A request is refused when it cannot be answered in its budget: to wait for nothing costs its
/// client the time in which another worker would have answered. What is known of ``ServiceTime``
/// decides that, and in doubt the request is accepted. See `Scheduler+Admission`.
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
        /// To be executed, together with `joined`. `slot` is for ``Scheduler/finish(slot:now:times:isMeasured:)``.
        case run(Item, joined: [Item], slot: Int)
        /// It waited for too long.
        case late(Item, Lateness)
        /// Requests are held back for others to join them: ask again then.
        case wait(until: Moment)
        case nothing
    }

    /// Batches that take longer are divided among executors that are free; to wake one of them for
    /// less costs more than it saves. In nanoseconds.
    private static var divideMin: Int64 { 200_000 }

    let slots: Int
    let queueMax: Int
    let queueBytesMax: Int
    /// In nanoseconds.
    private let stallLimit: Int64
    private let stallFactor: Int64
    /// By place; a closed place has an empty one, for each use of an optional one asks what it is.
    var queues: [ModelQueue<Item>] = []
    /// The places where requests wait.
    var backlog: [Int] = []
    var shares = FairShare()
    var executions = Executions()
    /// Requests waiting.
    package internal(set) var queued = 0
    package internal(set) var queuedBytes = 0
    package internal(set) var serviceTime = ServiceTime()
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

    /// Requests being executed.
    package var running: Int { self.executions.requests }
    /// Whether everything that was accepted has been finished.
    package var isIdle: Bool { self.executions.count == 0 && self.queued == 0 }

    /// From now on everything new is refused.
    package mutating func drain() { self.isDraining = true }

    /// What the worker tells of its executors.
    package var statistics: ExecutorStatistics {
        var oldest = Moment.never
        var stall = Moment.never
        self.executions.forEach { execution in
            oldest = min(oldest, execution.started)
            stall = min(stall, execution.started + .nanoseconds(self.stallLimit(of: execution)))
        }
        return ExecutorStatistics(
            running: self.running,
            queued: self.queued,
            finished: self.finished,
            lastProgress: self.lastProgress,
            oldestStart: oldest,
            stall: stall,
            meanServiceTime: .nanoseconds(self.serviceTime.mean)
        )
    }

    /// After how many nanoseconds an execution is unusually long.
    private func stallLimit(of execution: Executions.Execution) -> Int64 {
        let mean = self.serviceTime.mean(of: execution.place, rows: execution.rows)
        let (limit, isLong) = mean.multipliedReportingOverflow(by: self.stallFactor)
        return isLong ? .max : max(limit, self.stallLimit)
    }

    // MARK: Models

    /// A model may be asked for by that place from now on.
    package mutating func open(_ place: Int, _ policy: ExecutionPolicy) {
        while self.queues.count <= place { self.queues.append(ModelQueue()) }
        precondition(!self.queues[place].isOpen, "place \(place) was opened twice")
        self.queues[place] = ModelQueue(policy)
        self.shares.open(place)
        self.serviceTime.forget(place)
    }

    /// The place may be given to another model.
    package mutating func close(_ place: Int) {
        let queue = self.queues[place]
        precondition(
            queue.isOpen && queue.count == 0 && queue.executing == 0,
            "place \(place) was closed with \(queue.count) requests waiting"
        )
        self.queues[place] = ModelQueue()
    }

    /// What was done for the model of that place; nothing if there is none.
    package func statistics(of place: Int) -> ModelStatistics? {
        guard place < self.queues.count, self.queues[place].isOpen else { return nil }
        return self.queues[place].statistics
    }

    // MARK: What is next

    /// The next requests for an executor that has become free.
    package mutating func next(now: Moment) -> Next {
        var due = Moment.never
        guard let place = self.choose(now: now, due: &due) else {
            return due == .never ? .nothing : .wait(until: due)
        }
        if let late = self.queues[place].popLate(now: now, place: place, self.serviceTime) {
            self.left(late.entry, place)
            return .late(late.entry.item, late.reason)
        }
        guard let first = self.queues[place].popFirst() else {
            preconditionFailure("nothing waits at place \(place) of the backlog")
        }
        self.left(first, place)
        guard self.queues[place].batcher.mayJoin else { return self.begin(first, [], place, now) }
        guard self.queues[place].batcher.joins else {
            self.queues[place].batcher.ranAlone()
            return self.begin(first, [], place, now)
        }
        let times = self.serviceTime
        let rowsMax = self.rowsMax(first, place)
        let joined = self.queues[place].popJoining(
            first,
            rowsMax: rowsMax,
            now: now
        ) { rows in times.mean(of: place, rows: rows) }
        for entry in joined { self.left(entry, place) }
        return self.begin(first, joined, place, now)
    }

    /// Of the models that may be executed the one with the lowest tag.
    private func choose(now: Moment, due: inout Moment) -> Int? {
        var chosen: Int?
        for place in self.backlog where self.queues[place].hasInstance {
            if let chosen, self.shares.tags[chosen] <= self.shares.tags[place] { continue }
            if let then = self.delay(at: place, now: now) {
                due = min(due, then)
            } else {
                chosen = place
            }
        }
        return chosen
    }

    /// Until when the model's requests are held back; `nil` if they are not.
    private func delay(at place: Int, now: Moment) -> Moment? {
        guard self.queues[place].batcher.delays, !self.isDraining else { return nil }
        let rows = min(self.queues[place].rows, self.queues[place].batcher.rowsMax)
        let due = self.queues[place].due(service: self.serviceTime.mean(of: place, rows: rows))
        return due > now ? due : nil
    }

    /// How many rows a batch may have that begins with `first`: what waits is divided among the
    /// executors that are free if that is quicker.
    private mutating func rowsMax(_ first: Waiting<Item>, _ place: Int) -> Int {
        let rows = self.queues[place].rows + first.rows
        let rowsMax = self.queues[place].batcher.nextMax(waiting: rows, first: first.rows)
        let free = min(self.slots - self.executions.count, self.queues[place].unused)
        guard free > 1 else { return rowsMax }
        let part = (rows + free - 1) / free
        guard part < rowsMax else { return rowsMax }
        guard let together = self.serviceTime.measuredMean(of: place, rows: min(rows, rowsMax)),
            together > Self.divideMin
        else { return rowsMax }
        // A part that was never measured is tried.
        let divided =
            self.serviceTime.measuredMean(of: place, rows: part) ?? together / Int64(free)
        return divided < together - together >> 2 ? part : rowsMax
    }

    private mutating func begin(
        _ first: Waiting<Item>,
        _ joined: [Waiting<Item>],
        _ place: Int,
        _ now: Moment
    ) -> Next {
        if self.executions.count == 0 { self.lastProgress = now }
        var rows = first.rows
        self.queues[place].began(first, now: now)
        for entry in joined {
            rows += entry.rows
            self.queues[place].waited(entry, now: now)
        }
        self.queues[place].batcher.formed(rows: rows, leaving: self.queues[place].rows)
        let mean = self.serviceTime.mean(of: place, rows: rows)
        let expected = mean == 0 ? self.serviceTime.mean : mean
        self.shares.begin(place, expected: expected, weight: self.queues[place].weight)
        let slot = self.executions.begin(
            Executions.Execution(
                place: place,
                rows: rows,
                requests: 1 + joined.count,
                form: first.form,
                started: now,
                believed: self.serviceTime.work(of: place, rows: rows, now: now).mean,
                expected: expected
            )
        )
        return .run(first.item, joined: joined.isEmpty ? [] : joined.map(\.item), slot: slot)
    }

    /// What executors that have nothing to do could begin now.
    package func demand(now: Moment) -> ExecutorDemand {
        var demand = ExecutorDemand()
        for place in self.backlog where self.queues[place].hasInstance {
            if let then = self.delay(at: place, now: now) {
                demand.due = min(demand.due, then)
            } else {
                // Whoever takes the first of a batch sees whether another is left.
                demand.executions +=
                    self.queues[place].batcher.joins
                    ? 1 : min(self.queues[place].count, self.queues[place].unused)
            }
        }
        return demand
    }

    // MARK: What has ended

    /// An execution has ended, well or not.
    ///
    /// - Parameters:
    ///   - isMeasured: whether what it took is what another will take.
    ///   - isAnswered: whether it gave what it was to give: what fails may be quicker.
    package mutating func finish(
        slot: Int,
        now: Moment,
        times: ModelStatistics.Times? = nil,
        isMeasured: Bool = true,
        isAnswered: Bool = true
    ) {
        let execution = self.executions.end(slot)
        let place = execution.place
        self.finished += 1
        self.lastProgress = now
        var duration = now.nanoseconds - execution.started.nanoseconds
        // One that stood still says little of the next: it does not make the next stall look usual.
        if duration > self.stallLimit, self.serviceTime.mean(of: place) != 0 {
            duration = min(duration, self.stallLimit(of: execution))
        }
        if isMeasured {
            self.serviceTime.record(
                nanoseconds: duration,
                model: place,
                rows: execution.rows,
                requests: execution.requests,
                now: now
            )
        }
        self.shares.end(
            place,
            expected: execution.expected,
            actual: duration,
            weight: self.queues[place].weight
        )
        self.queues[place].ended(
            execution,
            nanoseconds: isAnswered ? duration : nil,
            times: times ?? ModelStatistics.Times(),
            isMeasured: isMeasured
        )
    }

    /// The requests in that slot could not be executed together, and are one by one.
    package mutating func failed(_ failure: BatchFailure, slot: Int) {
        let place = self.executions.place(of: slot)
        switch failure {
        case .unequal, .gone: break
        case .engine: self.queues[place].batcher.failed()
        case .rows: self.queues[place].batcher.stopJoining()
        }
        self.queues[place].statistics.failedBatches &+= 1
    }

    /// A request has been taken out of its model's queue.
    mutating func left(_ entry: Waiting<Item>, _ place: Int) {
        self.queued -= 1
        self.queuedBytes -= entry.byteCount
        if self.queues[place].count == 0 { self.backlog.removeAll { $0 == place } }
    }
}
