internal import RoostEngine
internal import RoostWire
internal import ZeroMQ

// Sequences: their requests are executed one after the other, each on the state that the one before
// left. A request that waits for those before it is under way, but not yet the scheduler's.
//
// A sequence counts as a request under way of its version: a version that is retired takes no new
// sequence, since requests no longer lead there, and goes when its last sequence has ended or was idle
// for too long.

/// Where a request stands among those of its sequence.
struct SequencePlace: Sendable {
    let key: SequenceKey
    let position: InferExtension.Position
    /// It asks for nothing but that the sequence end.
    let isFarewell: Bool
    /// What it holds in memory.
    let byteCount: Int

    /// It is executed on the model's beginning, if at all.
    var needsBeginning: Bool { self.position.contains(.start) && !self.isFarewell }
}

extension Worker {
    /// The place of the version that holds the sequence of a request, if one does.
    func place(of key: SequenceKey, model: UnsafeRawBufferPointer) -> Int? {
        self.sequences.first { place, table in
            table.contains(key) && self.table.model(at: place).name.utf8.elementsEqual(model)
        }?.key
    }

    /// A request of a sequence has come.
    func enter(_ job: Job, _ sequence: SequencePlace, now: Moment) {
        let admission = self.withSequences(at: job.modelIndex) {
            $0.admit(job, sequence.position, of: sequence.key, now: now)
        }
        switch admission {
        case .run(let state):
            if let state { job.goOn(from: state) }
            job.isItsTurn = true
            if sequence.isFarewell {
                self.begin([(job, sequence.byteCount)])
                self.bidFarewell(job, now: now)
            } else {
                self.arrivals.append((job, sequence.byteCount))
            }
        case .waits: self.begin([(job, sequence.byteCount)])
        case .refused(let refusal):
            self.closeStream(job)
            let (error, isRetryable) = Self.reply(to: refusal)
            self.fail(job.key, error, isRetryable: isRetryable)
        }
    }

    /// The place of an open stream of a model with state among the sequences: it is one of its own, and
    /// ends with it.
    func ownSequence(of client: InstanceID, byteCount: Int) -> SequencePlace {
        self.streamSequences += 1
        return SequencePlace(
            key: SequenceKey(client: client, number: self.streamSequences, isStream: true),
            position: [.start, .end],
            isFarewell: false,
            byteCount: byteCount
        )
    }

    /// A request of a sequence, or a step of its stream, was executed: it fails if there is no room
    /// for the state that it leaves.
    func keepState(of job: Job) {
        guard let sequence = job.sequence, job.isItsTurn, let state = job.stateAfter else { return }
        let byteCount = state.reduce(0) { $0 + $1.byteCount }
        let isKept = job.stream?.isOver == false
        let refusal = self.withSequences(at: job.modelIndex) {
            $0.keep(byteCount, of: sequence.key, isKept: isKept)
        }
        guard let refusal else { return }
        job.fail(Self.reply(to: refusal).0, sender: self.instance)
    }

    /// A request has ended, well or not: the next of its sequence follows.
    func leave(_ job: Job) {
        guard let sequence = job.sequence, job.isItsTurn, self.socket != nil else { return }
        job.isItsTurn = false
        let now = self.now
        let state = job.takeState()
        let turn = self.withSequences(at: job.modelIndex) {
            $0.ended(sequence.key, state: state, now: now)
        }
        for orphan in turn.orphans { self.drop(orphan, Self.lost, isRetryable: false) }
        guard let (next, state) = turn.next, let place = next.sequence else { return }
        next.goOn(from: state)
        next.isItsTurn = true
        next.isContinued = next.stream == nil
        if place.isFarewell {
            self.bidFarewell(next, now: now)
        } else {
            self.offer([(next, place.byteCount)])
        }
    }

    private func bidFarewell(_ job: Job, now: Moment) {
        if let stream = job.stream {
            self.complete(job, stream)
            return
        }
        job.completeFarewell(now: now, load: self.underWay.count - 1, sender: self.instance)
        let peer = job.peer
        self.answer([job][...], to: peer)
        self.finish([job][...], of: peer, now: now)
    }

    /// Takes out what waits for those before it in its sequence; it is still under way.
    func takeWaiting(where isIt: (Job) -> Bool) -> [Job] {
        guard !self.sequences.isEmpty else { return [] }
        let jobs = self.underWay.filter { $0.sequence != nil && !$0.isItsTurn && isIt($0) }
        return jobs.filter { job in
            guard let key = job.sequence?.key else { return false }
            return self.withSequences(at: job.modelIndex) { table in
                table.cancel(key) { $0 === job } != nil
            }
        }
    }

    /// Lets go the sequences that nothing was asked of for too long.
    func sweepSequences(now: Moment) {
        for place in Array(self.sequences.keys) {
            self.withSequences(at: place) { _ = $0.sweep(now: now) }
        }
        self.sequencesDeadline = self.sequences.values.map(\.deadline).min() ?? .never
        self.closeRetired()
    }

    private func withSequences<Result>(
        at place: Int,
        _ body: (inout SequenceTable<Job>) -> Result
    ) -> Result {
        let limits = self.table.model(at: place).state?.limits ?? SequenceLimits()
        var sequences = self.sequences.removeValue(forKey: place) ?? SequenceTable(limits)
        let before = sequences.count
        let result = body(&sequences)
        for _ in 0..<max(sequences.count - before, 0) { self.table.began(place) }
        for _ in 0..<max(before - sequences.count, 0) { self.table.ended(place) }
        if sequences.count > 0 { self.sequences[place] = sequences }
        if sequences.deadline < self.sequencesDeadline {
            self.sequencesDeadline = sequences.deadline
            self.setTimer()
        }
        return result
    }

    static let lost = ErrorReply(
        .sequenceLost,
        "there is no such sequence here: it has ended, was idle for too long, or never began"
    )

    /// What a client is told, and whether another worker might take the request.
    private static func reply(
        to refusal: SequenceTable<Job>.Refusal
    ) -> (ErrorReply, isRetryable: Bool) {
        let backoff = Duration.seconds(1)
        switch refusal {
        case .unknown: return (Self.lost, false)
        case .alreadyStarted:
            return (ErrorReply(.sequenceLost, "the sequence has begun here before"), false)
        case .tooManySequences(let bound):
            let detail = "the model has \(bound) sequences already"
            return (ErrorReply(.overloaded, detail, backoff: backoff), true)
        case .tooManyBytes(let bound):
            let detail = "the states of the model's sequences have \(ByteCount(bound)) already"
            return (ErrorReply(.overloaded, detail, backoff: backoff), true)
        case .stateTooLarge(let byteCount, let bound):
            let detail =
                "the sequence's state would have \(ByteCount(byteCount)), for which there is no room: "
                + "the states of all the model's sequences may have \(ByteCount(bound))"
            return (ErrorReply(.overloaded, detail, backoff: backoff), false)
        case .tooManyWaiting(let bound):
            let detail = "\(bound) requests of the sequence wait already"
            return (ErrorReply(.overloaded, detail, backoff: backoff), false)
        }
    }
}
