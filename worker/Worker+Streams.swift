internal import RoostEngine
internal import RoostWire
internal import ZeroMQ

// Streams: a request with many results goes through the scheduler once for each of them, as long as
// its client takes more. Between two steps it holds no thread.

extension Worker {
    /// A step of a stream is over.
    func advance(_ job: Job, _ stream: JobStream) {
        // We may have stopped, or the client gone, meanwhile.
        guard self.socket != nil else { return }
        job.isContinued = true
        guard self.reads(job.peer) else {
            self.end(job)
            return
        }
        if let ending = stream.ending {
            self.drop(job, ending, isRetryable: false)
            return
        }
        if job.isFailure {
            let peer = job.peer
            self.end(job)
            self.answer([job][...], to: peer)
            return
        }
        if job.isItem {
            stream.sent()
            self.answer([job][...], to: job.peer)
            guard self.reads(job.peer) else {
                self.end(job)
                return
            }
        }
        if stream.isOver { self.complete(job, stream) } else { self.proceed(job, stream) }
    }

    private func reads(_ peer: PeerID) -> Bool { self.clientLinks[peer]?.isRefused == false }

    /// All items have been sent.
    func complete(_ job: Job, _ stream: JobStream) {
        let key = job.key
        self.end(job)
        self.clientLinks[key.peer]?.giveBackCredit()
        self.send(stream.end(load: self.underWay.count), to: key.peer, requestID: key.requestID)
    }

    private func proceed(_ job: Job, _ stream: JobStream) {
        if stream.credit > 0 {
            self.offer([(job, 0)])
            return
        }
        stream.isParked = true
        guard job.deadline < self.streamsDeadline else { return }
        self.streamsDeadline = job.deadline
        self.setTimer()
    }

    /// A client takes more items of a stream. Credit for one that has ended is expected.
    func grant(_ credit: Credit, _ key: RequestKey) {
        guard let job = self.streams[key], let stream = job.stream else { return }
        stream.grant(credit.messages)
        guard stream.isParked, stream.credit > 0 else { return }
        stream.isParked = false
        self.proceed(job, stream)
    }

    /// Ends a stream badly, now or when the step that runs is over.
    func endStream(_ job: Job, _ error: ErrorReply) {
        guard let stream = job.stream else { return }
        if stream.isParked || self.pool.cancel(job.key) != nil
            || !self.takeWaiting(where: { $0 === job }).isEmpty
        {
            self.drop(job, error, isRetryable: false)
        } else {
            stream.ending = error
        }
    }

    /// Ends the streams whose clients take nothing more in their time.
    func sweepStreams(now: Moment) {
        self.streamsDeadline = .never
        for job in Array(self.streams.values) where job.stream?.isParked == true {
            if job.deadline <= now {
                let detail = "the stream's time was over before its items were taken"
                self.endStream(job, ErrorReply(.deadlineExceeded, detail))
            } else {
                self.streamsDeadline = min(self.streamsDeadline, job.deadline)
            }
        }
    }
}
