internal import RoostWire
internal import ZeroMQ

// Requests that come again: a client that lost its link does not know what became of what it had
// sent on it, and asks again on the next one. What is under way is not begun a second time, and what
// was executed is answered from memory.
//
// A first attempt costs two stores: its place in `underWay`, and one in the ring of its client's
// `RecentReplies`. Only what says of itself that it is a further attempt is looked for.

extension Worker {
    /// Whether this request is here already, or was; then it will be answered, or has been.
    func isRepeat(_ key: RequestKey, of client: InstanceID) -> Bool {
        // The first may have come in this very turn.
        self.submitArrivals()
        if self.moveDemand(to: key, of: client) { return true }
        if let job = self.underWay(key.requestID, of: client) {
            // What there was of a stream is not sent again: it begins anew.
            guard job.stream == nil else {
                self.endStream(job, ErrorReply(.cancelled, "the request came again"))
                return false
            }
            self.attach(key.peer, to: job)
            return true
        }
        guard let replies = self.clientLinks[key.peer]?.replies,
            let memory = self.replies.memory(of: key.requestID, replies)
        else { return false }
        switch memory {
        case .answered(let job):
            job.encodeAgain(sender: self.instance)
            self.answer([job][...], to: key.peer)
        case .executed:
            self.answer(
                key,
                ErrorReply(
                    .executionFailed,
                    "the request was executed before, but its answer is no longer here"
                ),
                flags: []
            )
        }
        return true
    }

    private func underWay(_ requestID: UInt64, of client: InstanceID) -> Job? {
        self.underWay.first { $0.requestID == requestID && $0.client == client }
    }

    // MARK: What is under way

    // Turn by turn, not one by one: an actor's property pays for each access to it.

    /// Requests are offered to the scheduler.
    func begin(_ arrivals: [(job: Job, byteCount: Int)]) {
        Self.add(arrivals, to: &self.underWay)
        self.hold(arrivals)
    }

    private static func add(_ arrivals: [(job: Job, byteCount: Int)], to underWay: inout [Job]) {
        for (job, _) in arrivals {
            job.position = underWay.count
            underWay.append(job)
        }
    }

    /// A request is no longer under way.
    func end(_ job: Job) {
        Self.remove([job], from: &self.underWay, &self.table)
        self.closeStream(job)
        if job.inquiry != nil { self.withdraw(job) }
        if job.isItsTurn { self.leave(job) }
        self.closeRetired()
    }

    private static func remove(
        _ jobs: ArraySlice<Job>,
        from underWay: inout [Job],
        _ table: inout ModelTable
    ) {
        for job in jobs {
            // After stop() nothing is under way.
            guard job.position < underWay.count, underWay[job.position] === job else { continue }
            table.ended(job.modelIndex)
            guard let last = underWay.popLast(), last !== job else { continue }
            last.position = job.position
            underWay[job.position] = last
        }
    }

    /// Requests have been executed, or their turn came too late, and their answers were sent if the
    /// link is there: other links on which one came get it too, and it is kept for those to come.
    func finish(_ jobs: ArraySlice<Job>, of peer: PeerID, now: Moment) {
        Self.remove(jobs, from: &self.underWay, &self.table)
        // Last, for what is kept of these jobs must not keep the session of a version that is closed.
        defer { self.closeRetired() }
        defer { if !self.caches.isEmpty { self.settle(jobs, now: now) } }
        for job in jobs where job.isShared { self.answerOthers(job) }
        defer { if !self.sequences.isEmpty { jobs.forEach(self.leave) } }
        // After stop() nobody will ask again.
        guard self.socket != nil else { return }
        let wasEmpty = self.replies.deadline == .never
        let client = self.clientLinks[peer]?.replies
        Self.keep(jobs, of: client, in: &self.replies, now: now)
        if wasEmpty, self.replies.deadline != .never { self.setTimer() }
    }

    private static func keep(
        _ jobs: ArraySlice<Job>,
        of client: RecentReplies<Job>.Client?,
        in replies: inout RecentReplies<Job>,
        now: Moment
    ) {
        for job in jobs where job.wasExecuted {
            replies.keep(
                job,
                requestID: job.requestID,
                byteCount: job.byteCount,
                isIdempotent: job.isIdempotent,
                of: client,
                job.client,
                now: now
            )
        }
    }

    private func answerOthers(_ job: Job) {
        let peers = job.otherPeers
        self.share(job, with: [])
        for peer in peers {
            job.encodeAgain(sender: self.instance)
            self.answer([job][...], to: peer)
        }
    }

    /// A request's earlier links are these from now on.
    private func share(_ job: Job, with peers: [PeerID]) {
        if job.isShared { self.sharedCount -= 1 }
        job.otherPeers = peers
        if job.isShared { self.sharedCount += 1 }
    }

    // MARK: Links of one request

    /// A request came on a further link: the answer goes there as well.
    private func attach(_ peer: PeerID, to job: Job) {
        let key = job.key
        self.share(job, with: job.otherPeers + [job.peer])
        job.peer = peer
        self.pool.rename(key, to: job.key)
    }

    /// A request is no longer wanted on one of its links; others wait for it.
    private func detach(_ peer: PeerID, from job: Job) {
        let key = job.key
        var others = job.otherPeers
        if let index = others.lastIndex(of: peer) {
            others.remove(at: index)
        } else if job.peer == peer, let other = others.popLast() {
            job.peer = other
            self.pool.rename(key, to: job.key)
        }
        self.share(job, with: others)
    }

    /// A client no longer wants a request's answer.
    func cancel(_ requestID: UInt64, _ peer: PeerID) {
        let key = RequestKey(peer: peer, requestID: requestID)
        if self.cancelDemand(key) { return }
        if self.sharedCount > 0, let job = self.shared(requestID, peer) {
            self.detach(peer, from: job)
            // It may be running already, for the others.
            self.answer(key, ErrorReply(.cancelled, "the request was cancelled"), flags: [])
            return
        }
        // A request that runs, or was answered a moment ago, gets its RESULT: a race that the
        // client expects.
        if let job = self.streams[key] {
            self.endStream(job, ErrorReply(.cancelled, "the stream was cancelled"))
            return
        }
        // More than one only if the client gave them one number: then it means all of them.
        let jobs =
            self.pool.cancel(key).map { [$0] }
            ?? self.takeWaiting { $0.key == key } + self.takeFollowers { $0.key == key }
        for job in jobs {
            self.share(job, with: [])
            self.end(job)
            self.fail(key, ErrorReply(.cancelled, "the request was cancelled while it waited"))
        }
    }

    private func shared(_ requestID: UInt64, _ peer: PeerID) -> Job? {
        self.underWay.first { $0.requestID == requestID && $0.isShared(by: peer) }
    }

    /// A link is lost: what waits for it alone is dropped, what runs is kept for its next link.
    func forget(_ peer: PeerID) {
        guard let link = self.clientLinks.removeValue(forKey: peer) else { return }
        if let replies = link.replies { self.replies.close(replies) }
        self.abandon(peer)
    }

    /// Nothing more goes to that link: what waits for it alone is dropped.
    func abandon(_ peer: PeerID) {
        if self.sharedCount > 0 {
            for job in self.underWay where job.isShared(by: peer) { self.detach(peer, from: job) }
        }
        self.abandonDemands(of: peer)
        let parked = self.streams.values.filter { $0.peer == peer && $0.stream?.isParked == true }
        let waiting = self.takeWaiting { $0.peer == peer }
        // Before those that they follow: none of them is to be executed in their place.
        let followers = self.takeFollowers { $0.peer == peer }
        for job in parked + waiting + followers + self.pool.cancelAll(of: peer) {
            self.share(job, with: [])
            self.end(job)
        }
    }

    /// A request under way will not be executed: whoever waits for its answer is told so.
    func drop(_ job: Job, _ error: ErrorReply, isRetryable: Bool) {
        let peers = [job.peer] + job.otherPeers
        self.share(job, with: [])
        self.end(job)
        for peer in peers {
            let key = RequestKey(peer: peer, requestID: job.requestID)
            if job.isUntouched {
                self.fail(key, error, isRetryable: isRetryable)
            } else {
                self.answer(key, error, flags: [])
            }
        }
    }

    /// The time for draining is nearly up: what still waits will not be executed, and its clients are
    /// told so, since another worker can take it.
    func giveUpWaiting() {
        for peer in Array(self.clientLinks.keys) {
            let waiting = self.takeWaiting { $0.peer == peer } + self.pool.cancelAll(of: peer)
            for job in waiting + self.takeFollowers(of: waiting) {
                let detail = "the worker shuts down before the request's turn"
                self.drop(job, ErrorReply(.draining, detail), isRetryable: true)
            }
        }
        for job in Array(self.streams.values) {
            self.endStream(job, ErrorReply(.draining, "the worker shuts down amid the stream"))
        }
    }
}
