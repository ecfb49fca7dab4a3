package import RoostWire

extension Scheduler {
    /// Overloaded clients are asked to come back when this part of the queue is free. Were it one
    /// place, all of them would come for it.
    private static var roomShare: Int64 { 8 }
    /// A request that has to wait is to be ready before its deadline by this part of its wait, for what
    /// the estimates do not see: the longer the queue, the more else the cores do until its end. Of four
    /// times what a core of one executor and its I/O thread can carry, from clients as they are, 0.93 of
    /// what it can carry is answered in time, none too late, and the median answer takes 78 of 100 ms.
    /// With an eighth of a request's time in reserve it is 0.91, another 0.03 comes too late, and the
    /// median is 88 ms (medians of five turns).
    static var reserveShare: Int64 { 3 }
    /// Within these bounds.
    package static var backoffBounds: ClosedRange<Duration> {
        Duration.milliseconds(1)...Duration.seconds(1)
    }

    /// Accepts a request, or says why not.
    ///
    /// - Parameters:
    ///   - place: the model's, which is open.
    ///   - rows: how many rows of its inputs' first axis the request has.
    ///   - form: requests of equal form may be executed together; 0: this one may not.
    ///   - priority: higher ones are sooner; 3 is the highest, and what is above it is like it.
    ///   - isContinued: it was accepted before, and comes for its next step: it is not refused.
    package mutating func admit(
        _ item: Item,
        key: RequestKey,
        place: Int,
        rows: Int = 1,
        form: Int = 0,
        priority: UInt8 = 0,
        byteCount: Int,
        deadline: Moment,
        isContinued: Bool = false,
        now: Moment
    ) -> Refusal? {
        precondition(
            place < self.queues.count && self.queues[place].isOpen,
            "a request came for place \(place), which is not open"
        )
        if self.isDraining, !isContinued {
            self.queues[place].statistics.refusals.draining &+= 1
            return .draining
        }
        if !isContinued, let refusal = self.fullness(place, byteCount: byteCount) {
            self.queues[place].statistics.refusals.full &+= 1
            return refusal
        }
        let work = self.serviceTime.work(of: place, rows: rows, now: now)
        let lateness = self.lateness(
            of: work,
            place: place,
            rows: rows,
            priority: priority,
            deadline: deadline,
            now: now
        )
        if let lateness, !isContinued {
            self.queues[place].statistics.refusals.late &+= 1
            return lateness
        }
        if self.queues[place].count == 0 {
            self.backlog.append(place)
            self.shares.arrive(place)
        }
        self.queued += 1
        self.queuedBytes += byteCount
        self.queues[place].append(
            Waiting(
                key: key,
                item: item,
                rows: rows,
                form: form,
                byteCount: byteCount,
                admitted: now,
                deadline: deadline,
                work: work
            ),
            priority: priority
        )
        return nil
    }

    /// Why there is no room, the worker's bounds first; `nil` if there is.
    private func fullness(_ place: Int, byteCount: Int) -> Refusal? {
        guard self.queued + self.executions.count < self.slots + self.queueMax else {
            return .queueFull(self.queueMax, backoff: self.backoff(self.queued))
        }
        // A request that is alone is taken whatever its size: the wire bounds it.
        guard self.queuedBytes + byteCount <= self.queueBytesMax || self.queued == 0 else {
            return .bytesFull(self.queueBytesMax, backoff: self.backoff(self.queued))
        }
        let (count, bytes) = (self.queues[place].count, self.queues[place].bytes)
        guard count > 0 else { return nil }
        let bound = self.queues[place].queueMax
        // As with the worker's bound: what can begin at once does not wait.
        let free = max(min(self.slots - self.executions.count, self.queues[place].unused), 0)
        guard count - free < bound else {
            return .queueFull(bound, backoff: self.backoff(count))
        }
        let bytesBound = self.queues[place].queueBytesMax
        guard bytes <= bytesBound - byteCount else {
            return .bytesFull(bytesBound, backoff: self.backoff(count))
        }
        return nil
    }

    /// How long it takes until there is room for the refused behind so many.
    private func backoff(_ count: Int) -> Duration {
        let places = max(Int64(count) / Self.roomShare, 1)
        let time = Duration.nanoseconds(self.serviceTime.meanShare * places / Int64(self.slots))
        return min(max(time, Self.backoffBounds.lowerBound), Self.backoffBounds.upperBound)
    }

    /// Why a request that comes now cannot be answered in time; `nil` if it may well be.
    ///
    /// If none is before it, it is refused when it surely takes too long; its client would be told
    /// the same by every worker. If it has to wait, it is refused in doubt: under more load than can
    /// be carried all that is accepted waits for as long as is allowed, and if that were as long as
    /// could just do, half of it would be late. So it is to be ready before its deadline by more than
    /// the estimates' error, see ``reserveShare``.
    private func lateness(
        of work: ServiceTime.Work,
        place: Int,
        rows: Int,
        priority: UInt8,
        deadline: Moment,
        now: Moment
    ) -> Refusal? {
        let left = deadline.nanoseconds - now.nanoseconds
        guard left > 0 else { return .deadlinePassed }
        let timeout = self.queues[place].queueTimeout
        if deadline == .never, timeout == .max { return nil }
        let (ahead, service) = self.ahead(place, rows, work, priority, now)
        let others = self.others(ahead.mean, place, now)
        let instances = min(self.slots, self.queues[place].instances)
        // The most that it can be: nearly every request passes this.
        let most = (ahead.most + others.most + self.executions.work) / Int64(instances)
        if most <= timeout, most + most / Self.reserveShare + service.most <= left { return nil }
        guard work.least <= left else { return .serviceTooLong(.nanoseconds(work.least)) }
        var wait: Int64 = 0
        var spread: Int64 = 0
        if self.queued + self.executions.count >= self.slots {
            let running = self.executions.left(now: now)
            wait = (ahead.mean + others.mean + running) / Int64(self.slots)
            spread = (ahead.most + others.most + running) / Int64(self.slots) - wait
        }
        if self.queues[place].count + self.queues[place].executing >= instances {
            let running = self.executions.left(of: place, now: now)
            wait = max(wait, (ahead.mean + running) / Int64(instances))
        }
        guard wait > 0 else { return nil }
        let reserve = wait / Self.reserveShare
        return wait <= timeout && wait + spread + reserve + service.most <= left
            ? nil : .queueTooLong(wait: .nanoseconds(wait))
    }

    /// What is executed of the model before a request that comes now, and what the batch takes in
    /// which it will be: behind a long queue that will be a full one.
    private func ahead(
        _ place: Int,
        _ rows: Int,
        _ work: ServiceTime.Work,
        _ priority: UInt8,
        _ now: Moment
    ) -> (ahead: ServiceTime.Work, service: ServiceTime.Work) {
        let line = self.queues[place].ahead(of: priority)
        guard line.rows > 0, self.queues[place].batcher.joins else { return (line.work, work) }
        let size = self.queues[place].batcher.rowsExpected
        let before = (line.rows + rows - 1) / size
        let last = before > 0 ? max(size, rows) : line.rows + rows
        let full = self.serviceTime.work(of: place, rows: size, now: now)
        return (full.times(before), self.serviceTime.work(of: place, rows: last, now: now))
    }

    /// What is executed of other models before one has had so much time for what is ahead: what
    /// ``FairShare`` grants them until then, or less if less waits there.
    private func others(_ ahead: Int64, _ place: Int, _ now: Moment) -> ServiceTime.Work {
        var others = ServiceTime.Work()
        guard self.backlog.count > 1 || self.backlog.first.map({ $0 != place }) == true else {
            return others
        }
        let tag = Double(self.shares.start(of: place))
        let end = tag + Double(ahead) / Double(self.queues[place].weight)
        for other in self.backlog where other != place {
            let granted =
                (end - Double(self.shares.tags[other])) * Double(self.queues[other].weight)
            guard granted > 0 else { continue }
            let waiting = self.waiting(other, now)
            others += waiting.scaled(by: min(granted / Double(max(waiting.mean, 1)), 1))
        }
        return others
    }

    /// What is executed of all that waits for a model.
    private func waiting(_ place: Int, _ now: Moment) -> ServiceTime.Work {
        let line = self.queues[place].ahead(of: 0)
        guard self.queues[place].batcher.joins else { return line.work }
        let size = self.queues[place].batcher.rowsExpected
        let full = self.serviceTime.work(of: place, rows: min(size, line.rows), now: now)
        return full.times((line.rows + size - 1) / size)
    }
}
