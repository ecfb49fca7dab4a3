internal import RoostWire

/// A request that waits for its model.
///
/// A class, for it is looked at more often than made, and each look at a struct in an array of
/// optional ones copies it. It does not change: values that share it do not see each other.
final class Waiting<Item: Sendable>: Sendable {
    let key: RequestKey
    let item: Item
    let rows: Int
    /// Requests of equal form may be joined; those of form 0 never are.
    let form: Int
    let byteCount: Int
    let admitted: Moment
    let deadline: Moment
    /// What it was expected to take alone when it was accepted.
    let work: ServiceTime.Work

    init(
        key: RequestKey,
        item: Item,
        rows: Int,
        form: Int,
        byteCount: Int,
        admitted: Moment,
        deadline: Moment,
        work: ServiceTime.Work
    ) {
        self.key = key
        self.item = item
        self.rows = rows
        self.form = form
        self.byteCount = byteCount
        self.admitted = admitted
        self.deadline = deadline
        self.work = work
    }

    func renamed(_ key: RequestKey) -> Waiting {
        Waiting(
            key: key,
            item: self.item,
            rows: self.rows,
            form: self.form,
            byteCount: self.byteCount,
            admitted: self.admitted,
            deadline: self.deadline,
            work: self.work
        )
    }
}

/// The requests that wait for one model: a line for each class of priority.
///
/// Classes are strict: nobody is served while a higher one waits. Inside a class it is first come,
/// first served.
struct ModelQueue<Item: Sendable>: Sendable {
    /// Priorities of this and above are one class: a worker has four.
    static var priorityMax: Int { 3 }
    /// How many waiting requests are looked at, beyond as many as fill a batch, to find those that
    /// can be joined to the first.
    static var searchMax: Int { 256 }

    private struct Line: Sendable {
        var queue = Queue<Waiting<Item>>()
        var rows = 0
        var work = ServiceTime.Work()

        mutating func left(_ entry: Waiting<Item>) {
            self.rows -= entry.rows
            self.work -= entry.work
            // What rounding has left over does not add up.
            if self.queue.count == 0 { self.work = ServiceTime.Work() }
        }
    }

    /// A model is at the place that this is the queue of.
    let isOpen: Bool
    /// By class, as far as one was asked for.
    private var lines: [Line]
    private(set) var count = 0
    private(set) var rows = 0
    private(set) var bytes = 0
    /// Executions of the model that run.
    var executing = 0
    var batcher: Batcher
    var statistics = ModelStatistics()

    /// How many may run at once.
    let instances: Int
    let weight: Int64
    let queueMax: Int
    let queueBytesMax: Int
    /// In nanoseconds.
    let queueTimeout: Int64

    /// Of a place that is closed.
    init() {
        self.init(isOpen: false, lines: [], ExecutionPolicy())
    }

    init(_ policy: ExecutionPolicy) {
        self.init(isOpen: true, lines: [Line()], policy)
    }

    private init(isOpen: Bool, lines: [Line], _ policy: ExecutionPolicy) {
        self.isOpen = isOpen
        self.lines = lines
        self.batcher = Batcher(policy)
        self.instances = policy.instances ?? .max
        self.weight = Int64(policy.weight)
        self.queueMax = policy.queueMax ?? .max
        self.queueBytesMax = policy.queueBytesMax ?? .max
        self.queueTimeout = policy.queueTimeout?.nanoseconds ?? .max
    }

    /// How many more executions may begin.
    var unused: Int { self.instances - self.executing }
    var hasInstance: Bool { self.executing < self.instances }

    /// An execution begins with that request.
    mutating func began(_ first: Waiting<Item>, now: Moment) {
        self.executing += 1
        self.waited(first, now: now)
    }

    /// A request leaves to be executed.
    mutating func waited(_ entry: Waiting<Item>, now: Moment) {
        self.statistics.waited(nanoseconds: now.nanoseconds - entry.admitted.nanoseconds)
    }

    /// An execution has ended.
    ///
    /// - Parameter nanoseconds: what one of its size takes; `nil`: it does not say.
    mutating func ended(
        _ execution: Executions.Execution,
        nanoseconds: Int64?,
        times: ModelStatistics.Times,
        isMeasured: Bool
    ) {
        self.executing -= 1
        if isMeasured {
            if let nanoseconds {
                self.batcher.executed(
                    rows: execution.rows,
                    form: execution.form,
                    nanoseconds: nanoseconds
                )
            }
            if execution.requests > 1 { self.batcher.succeeded() }
        }
        self.statistics.executed(
            requests: execution.requests,
            rows: execution.rows,
            times: times
        )
    }

    static func line(of priority: UInt8) -> Int { min(Int(priority), self.priorityMax) }

    mutating func append(_ entry: Waiting<Item>, priority: UInt8) {
        let line = Self.line(of: priority)
        while self.lines.count <= line { self.lines.append(Line()) }
        self.lines[line].queue.append(entry)
        self.lines[line].rows += entry.rows
        self.lines[line].work += entry.work
        self.count += 1
        self.rows += entry.rows
        self.bytes += entry.byteCount
    }

    /// What is served before a request of that priority that comes now.
    @inline(__always)
    func ahead(of priority: UInt8) -> (rows: Int, work: ServiceTime.Work) {
        let line = Self.line(of: priority)
        guard line < self.lines.count else { return (0, ServiceTime.Work()) }
        var (rows, work) = (self.lines[line].rows, self.lines[line].work)
        for higher in self.lines[(line + 1)...] {
            rows += higher.rows
            work += higher.work
        }
        return (rows, work)
    }

    /// When the oldest requests are to be executed, with whom has come until then.
    ///
    /// No request gives more than half of its time for others to join it.
    ///
    /// - Parameter service: what the batch will take, in nanoseconds.
    func due(service: Int64) -> Moment {
        var due = Moment.never
        for line in self.lines {
            guard let first = line.queue.first else { continue }
            due = min(due, self.batcher.due(rows: self.rows, since: first.admitted))
            guard first.deadline != .never else { continue }
            let budget = first.deadline.nanoseconds - first.admitted.nanoseconds
            let last = first.admitted.nanoseconds + budget / 2 - service
            due = min(due, Moment(nanoseconds: last))
        }
        return due
    }

    /// The first of a class that has waited for too long, if one has.
    ///
    /// When more wait than fill a batch, a request for which only a smaller one is quick enough is
    /// too late: small batches of the most urgent would have all that follow become as urgent.
    ///
    /// - Parameter times: what is known of the model at this place, and of others.
    mutating func popLate(
        now: Moment,
        place: Int,
        _ times: borrowing ServiceTime
    ) -> (entry: Waiting<Item>, reason: Lateness)? {
        for line in self.lines.indices {
            guard let first = self.lines[line].queue.first else { continue }
            let left = first.deadline.nanoseconds - now.nanoseconds
            if left <= 0 || self.isTooLate(first, left: left, place, times, now) {
                self.statistics.refusals.expired &+= 1
                return self.pop(line).map { ($0, .deadline) }
            }
            if now.nanoseconds - first.admitted.nanoseconds >= self.queueTimeout {
                self.statistics.refusals.timedOut &+= 1
                return self.pop(line).map { ($0, .queueTimeout) }
            }
        }
        return nil
    }

    private func isTooLate(
        _ first: Waiting<Item>,
        left: Int64,
        _ place: Int,
        _ times: borrowing ServiceTime,
        _ now: Moment
    ) -> Bool {
        // One that is alone is given the benefit of the doubt.
        let alone = times.work(of: place, rows: first.rows, now: now)
        if left < (self.count == 1 ? alone.least : alone.mean) { return true }
        let rowsMax = self.batcher.rowsMax
        guard self.batcher.joins, first.form != 0, self.rows - first.rows >= rowsMax,
            left < times.work(of: place, rows: rowsMax, now: now).mean
        else { return false }
        return first.rows + self.joinableRows(first, upTo: rowsMax) >= rowsMax
    }

    /// The first request of the highest class.
    mutating func popFirst() -> Waiting<Item>? {
        for line in self.lines.indices.reversed() where self.lines[line].queue.count > 0 {
            return self.pop(line)
        }
        return nil
    }

    private mutating func pop(_ line: Int) -> Waiting<Item>? {
        guard let entry = self.lines[line].queue.popFirst() else { return nil }
        self.left(entry, line)
        return entry
    }

    private mutating func left(_ entry: Waiting<Item>, _ line: Int) {
        self.lines[line].left(entry)
        self.count -= 1
        self.rows -= entry.rows
        self.bytes -= entry.byteCount
    }

    /// Takes out the requests that are executed together with `first`.
    ///
    /// One that would make the batch too late for another in it stays.
    ///
    /// - Parameters:
    ///   - rowsMax: what the batch may have with them.
    ///   - expected: what so many rows take on the average, in nanoseconds.
    mutating func popJoining(
        _ first: Waiting<Item>,
        rowsMax: Int,
        now: Moment,
        expected: (Int) -> Int64
    ) -> [Waiting<Item>] {
        guard first.form != 0, first.rows < rowsMax, self.count > 0 else { return [] }
        var rowsMax = rowsMax
        if self.batcher.hasPreference {
            rowsMax = self.batcher.cut(first.rows + self.joinableRows(first, upTo: rowsMax))
        }
        var rows = first.rows
        var deadline = first.deadline
        var joined: [Waiting<Item>] = []
        for line in self.lines.indices.reversed() where self.lines[line].queue.count > 0 {
            let taken = self.lines[line].queue.extract(max: rowsMax + Self.searchMax) { entry in
                guard rows < rowsMax else { return .stop }
                guard entry.form == first.form, rows + entry.rows <= rowsMax else { return .leave }
                let earlier = min(deadline, entry.deadline)
                let left = earlier.nanoseconds - now.nanoseconds
                guard left > 0, earlier == .never || expected(rows + entry.rows) <= left else {
                    return .leave
                }
                rows += entry.rows
                deadline = earlier
                return .take
            }
            for entry in taken { self.left(entry, line) }
            if joined.isEmpty { joined = taken } else { joined += taken }
        }
        return joined
    }

    private func joinableRows(_ first: Waiting<Item>, upTo rowsMax: Int) -> Int {
        var rows = 0
        for line in self.lines {
            line.queue.forEach(max: rowsMax + Self.searchMax) { entry in
                guard entry.form == first.form, first.rows + rows + entry.rows <= rowsMax else {
                    return
                }
                rows += entry.rows
            }
        }
        return rows
    }

    /// Takes the request out.
    mutating func cancel(_ key: RequestKey) -> Waiting<Item>? {
        self.removeFirst { $0.key == key }
    }

    /// Takes out everything that matches.
    mutating func cancelAll(_ matches: (Waiting<Item>) -> Bool) -> [Waiting<Item>] {
        var taken: [Waiting<Item>] = []
        for line in self.lines.indices {
            let entries = self.lines[line].queue.extract(max: .max) { matches($0) ? .take : .leave }
            for entry in entries { self.left(entry, line) }
            taken += entries
        }
        self.statistics.refusals.cancelled &+= UInt64(taken.count)
        return taken
    }

    /// Gives the request another key; `false` if it does not wait here.
    mutating func rename(_ key: RequestKey, to other: RequestKey) -> Bool {
        for line in self.lines.indices {
            let isHere = self.lines[line].queue.updateFirst(where: { $0.key == key }) {
                $0 = $0.renamed(other)
            }
            if isHere { return true }
        }
        return false
    }

    private mutating func removeFirst(
        where matches: (Waiting<Item>) -> Bool
    ) -> Waiting<Item>? {
        for line in self.lines.indices {
            guard let entry = self.lines[line].queue.removeFirst(where: matches) else { continue }
            self.left(entry, line)
            self.statistics.refusals.cancelled &+= 1
            return entry
        }
        return nil
    }
}

/// Why a request that waited is not executed.
package enum Lateness: Hashable, Sendable {
    /// Too little of its time was left.
    case deadline
    /// It waited for longer than its model's policy allows.
    case queueTimeout
}
