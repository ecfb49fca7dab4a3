internal import RoostWire
internal import ZeroMQ

// Equal requests, of models that are configured so: an answer that is kept is given again without the
// scheduler, and of equal requests under way one is executed, which leads; the others follow it and
// are under way, but not the scheduler's.
//
// A follower has its own deadline, links and cancellation. When its leader ends well, or fails in a
// way in which it would fail itself, it gets that outcome. When the leader is cancelled, lost, late or
// refused, that was the leader's own fate: the first follower is executed, and the others follow that.
// A request that is not idempotent has no part in this: its client says that executing it has an
// effect.

extension Worker {
    /// A request has come whose answer may be known, or be on its way.
    func inquire(_ job: Job, _ byteCount: Int, _ limits: CacheLimits, now: Moment) {
        let inputBytes = job.inputs.reduce(0) { $0 + $1.byteCount }
        // What the scheduler refuses is not answered otherwise either.
        guard job.isIdempotent, inputBytes <= limits.entryMax, job.deadline > now,
            self.record.state != .draining
        else {
            self.arrivals.append((job, byteCount))
            return
        }
        let question = Question(inputs: job.inputs, wanted: job.wanted)
        let lookup = self.caches[job.modelIndex, default: ResponseCache(limits)]
            .ask(question, by: job, now: now)
        switch lookup {
        case .hit(let outputs):
            // With its version what is kept goes, too.
            if self.table.memory != nil { self.table.used(job.modelIndex, now: now) }
            let load = self.underWay.count
            job.complete(outputs, answered: now, load: load, sender: self.instance)
            self.answer([job][...], to: job.peer)
        case .follows(let question):
            job.inquiry = Inquiry(question, byteCount: byteCount, leads: false)
            job.follow(question.inputs)
            self.begin([(job, byteCount)])
            self.lookAtCaches(at: job.deadline)
        case .leads:
            job.inquiry = Inquiry(question, byteCount: byteCount, leads: true)
            self.arrivals.append((job, byteCount))
        case .alone: self.arrivals.append((job, byteCount))
        }
    }

    /// Requests have been executed, or their turn came too late: whoever followed them gets the same
    /// answer, or is executed instead.
    func settle(_ jobs: ArraySlice<Job>, now: Moment) {
        for job in jobs {
            guard let inquiry = job.inquiry, inquiry.leads, self.socket != nil else { continue }
            guard job.isConclusive else {
                self.withdraw(job)
                continue
            }
            job.inquiry = nil
            self.keep(job, inquiry.question, now: now)
            guard let followers = self.caches[job.modelIndex]?.answered(inquiry.question),
                !followers.isEmpty
            else { continue }
            let load = self.underWay.count - followers.count
            for follower in followers {
                follower.inquiry = nil
                follower.complete(like: job, answered: now, load: load, sender: self.instance)
            }
            self.answer(followers, now: now)
        }
    }

    /// Keeps a copy of an answer: it may be a small part of a batch's output, and what was asked a
    /// small part of what was received with it.
    private func keep(_ job: Job, _ question: Question, now: Moment) {
        guard !job.isFailure else { return }
        let outputs = job.payload
        let tensors = question.inputs.count + outputs.count
        let byteCount = (question.inputs + outputs.map(\.tensor)).reduce(0) { $0 + $1.byteCount }
        guard
            self.caches[job.modelIndex]?.keeps(tensors: tensors, byteCount: byteCount) == true
        else { return }
        self.caches[job.modelIndex]?.keep(
            NamedTensors(outputs.map { .init(name: $0.name, tensor: $0.tensor.copied) }),
            of: question.copied,
            tensors: tensors,
            byteCount: byteCount,
            now: now
        )
        if let deadline = self.caches[job.modelIndex]?.deadline { self.lookAtCaches(at: deadline) }
    }

    /// A request ends without an answer that would be an equal one's, too: it follows no more, or the
    /// first that follows it is executed.
    func withdraw(_ job: Job) {
        guard let inquiry = job.inquiry else { return }
        if inquiry.leads {
            guard let successor = self.successor(of: job) else { return }
            // It was accepted when its leader was.
            successor.job.isContinued = true
            self.offer([successor])
        } else {
            self.leave(job, .cancelled)
        }
    }

    /// A leader will not be executed: the request that is to be in its place, not yet offered.
    func successor(of job: Job) -> (job: Job, byteCount: Int)? {
        guard let inquiry = job.inquiry, inquiry.leads else { return nil }
        job.inquiry = nil
        guard let next = self.caches[job.modelIndex]?.abandoned(inquiry.question),
            let byteCount = next.inquiry?.byteCount
        else { return nil }
        next.inquiry?.leads = true
        return (next, byteCount)
    }

    /// A follower waits no more. It is still under way.
    private func leave(_ job: Job, _ why: ResponseCache<Job, NamedTensors>.Leaving) {
        guard let inquiry = job.inquiry.take() else { return }
        self.caches[job.modelIndex]?.leave(inquiry.question, why) { $0 === job }
    }

    /// Takes out what waits for an equal request; it is still under way.
    func takeFollowers(where isIt: (Job) -> Bool) -> [Job] {
        guard !self.caches.isEmpty else { return [] }
        let jobs = self.underWay.filter { $0.inquiry?.leads == false && isIt($0) }
        for job in jobs { self.leave(job, .cancelled) }
        return jobs
    }

    /// Takes out what waits for one of these, none of which will be executed; they have no followers
    /// then.
    func takeFollowers(of leaders: [Job]) -> [Job] {
        leaders.flatMap { leader -> [Job] in
            guard let inquiry = leader.inquiry.take(), inquiry.leads else { return [] }
            let followers = self.caches[leader.modelIndex]?.dissolve(inquiry.question) ?? []
            for follower in followers { follower.inquiry = nil }
            return followers
        }
    }

    /// Ends the requests that have waited for too long for an equal one, and lets go the answers that
    /// are too old to be given again.
    func sweepCaches(now: Moment) {
        self.cachesDeadline = .never
        var next = Moment.never
        for place in Array(self.caches.keys) {
            self.caches[place]?.sweep(now: now)
            next = min(next, self.caches[place]?.deadline ?? .never)
        }
        let followers = self.underWay.filter { $0.inquiry?.leads == false }
        for job in followers {
            guard job.deadline <= now else {
                next = min(next, job.deadline)
                continue
            }
            // Its link may have been found to be lost just now.
            guard job.inquiry != nil else { continue }
            self.leave(job, .expired)
            let detail = "no time was left before the equal request was answered that it waited for"
            self.drop(job, ErrorReply(.deadlineExceeded, detail), isRetryable: false)
        }
        self.lookAtCaches(at: next)
    }

    private func lookAtCaches(at moment: Moment) {
        guard moment < self.cachesDeadline else { return }
        self.cachesDeadline = moment
        self.setTimer()
    }
}

extension ModelCounters {
    /// What the scheduler does not know of.
    mutating func add(_ cache: ResponseCache<Job, NamedTensors>) {
        self.refused.cancelled &+= cache.cancelled
        self.refused.expired &+= cache.expired
    }
}

extension CacheCounters {
    init(_ cache: ResponseCache<Job, NamedTensors>, model: Int) {
        self.init(model: UInt16(clamping: model))
        self.hits = cache.hits
        self.misses = cache.misses
        self.coalesced = cache.coalesced
        self.bytes = UInt64(clamping: cache.byteCount)
    }
}
