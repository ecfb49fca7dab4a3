internal import RoostEngine
internal import RoostWire
internal import ZeroMQ

// Streams: a request with many results goes through the scheduler once for each of them, as long as
// its client takes more. Between two steps it holds no thread.
//
// An open stream gets further inputs. They wait in its `InputQueue`, and a step is handed the next one:
// a model that has to wait for its client holds no thread either.

extension Worker {
    // MARK: Beginning and end

    /// Why no stream can begin on that link; `nil` if one can.
    func streamFullness(_ peer: PeerID) -> ErrorReply? {
        let (all, own) = (self.configuration.streamsMax, self.configuration.linkStreamsMax)
        let detail: String
        if self.streams.count >= all {
            detail = "the worker has \(all) streams already"
        } else if let count = self.clientLinks[peer]?.streams, count >= own {
            detail = "this client has \(own) streams here already"
        } else {
            return nil
        }
        return ErrorReply(.overloaded, detail, backoff: .seconds(1))
    }

    /// A stream's request has come.
    func openStream(_ job: Job) {
        self.streams[job.key] = job
        self.clientLinks[job.peer]?.openStream()
    }

    /// A request is no longer under way; if it is a stream nothing of it is kept.
    func closeStream(_ job: Job) {
        guard let stream = job.stream, self.streams[job.key] === job else { return }
        self.streams[job.key] = nil
        self.clientLinks[job.peer]?.closeStream()
        self.inputBytes -= stream.inputs.byteCount
        stream.inputs.clear()
    }

    // MARK: Steps

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

    /// Has a stream's next step executed, or waits for what it needs.
    private func proceed(_ job: Job, _ stream: JobStream) {
        let canStep = stream.canStep
        let byteCount = canStep ? stream.handOver() : 0
        self.inputBytes -= byteCount
        self.allowInputs(job, stream)
        guard self.reads(job.peer) else {
            self.end(job)
            return
        }
        if canStep {
            self.offer([(job, byteCount)])
            return
        }
        stream.isParked = true
        stream.idleDeadline =
            stream.isIdle ? self.now + self.configuration.streamIdleLimit : .never
        let deadline = min(job.deadline, stream.idleDeadline)
        guard deadline < self.streamsDeadline else { return }
        self.streamsDeadline = deadline
        self.setTimer()
    }

    /// A stream that waits may have what it waits for.
    private func resume(_ job: Job, _ stream: JobStream) {
        guard stream.isParked, stream.canStep else { return }
        stream.isParked = false
        self.proceed(job, stream)
    }

    /// A client takes more items of a stream. Credit for one that has ended is expected.
    func grant(_ credit: Credit, _ key: RequestKey) {
        guard let job = self.streams[key], let stream = job.stream else { return }
        stream.grant(credit.messages)
        self.resume(job, stream)
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

    /// Ends the streams whose clients neither take nor send anything more in their time.
    func sweepStreams(now: Moment) {
        self.streamsDeadline = .never
        for job in Array(self.streams.values) {
            guard let stream = job.stream, stream.isParked else { continue }
            if job.deadline <= now {
                let detail =
                    stream.isIdle
                    ? "the stream's time was over before its last input came"
                    : "the stream's time was over before its items were taken"
                self.endStream(job, ErrorReply(.deadlineExceeded, detail))
            } else if stream.idleDeadline <= now {
                let limit = self.configuration.streamIdleLimit.wireMilliseconds
                let detail = "no further input of the stream came for \(limit) ms"
                self.endStream(job, ErrorReply(.deadlineExceeded, detail))
            } else {
                self.streamsDeadline = min(
                    self.streamsDeadline,
                    job.deadline,
                    stream.idleDeadline
                )
            }
        }
    }

    // MARK: Inputs

    /// Gives the client credit for further inputs if that is due. There is none before the model has
    /// begun: until then the request may yet be given to another worker.
    private func allowInputs(_ job: Job, _ stream: JobStream) {
        let isTight = self.inputBytes >= self.configuration.inputBytesMax / 2
        let credit = stream.inputs.grant(isTight: isTight)
        guard credit > 0 else { return }
        self.send(Credit(messages: credit), to: job.peer, requestID: job.requestID)
    }

    /// Further inputs of an open stream have come.
    func take(
        _ frame: FrameView,
        first: ReceivedFrame,
        _ rest: [ReceivedFrame],
        from peer: PeerID
    ) throws(WireError) {
        let payload = ReceivedPayload(
            frame: TensorStorage(first.bytes, owner: first),
            inlineOffset: frame.inlineOffset,
            frames: rest.map { TensorStorage($0.bytes, owner: $0) }
        )
        let input = try InferInput(frame, payload: payload)
        let key = RequestKey(peer: peer, requestID: frame.header.requestID)
        // It may have ended while they were on their way.
        guard let job = self.streams[key], let stream = job.stream else { return }
        let byteCount = payload.frames.reduce(first.bytes.count) { $0 + $1.byteCount }
        let before = stream.inputs.byteCount
        try stream.inputs.receive(input, byteCount: byteCount)
        self.inputBytes += stream.inputs.byteCount - before
        guard stream.ending == nil else { return }
        if let error = self.problem(with: input, of: job, byteCount: byteCount) {
            self.endStream(job, error)
        } else {
            self.resume(job, stream)
        }
    }

    /// Why further inputs cannot be given to the model; `nil` if they can.
    private func problem(with input: InferInput, of job: Job, byteCount: Int) -> ErrorReply? {
        if input.isLast, input.inputs.isEmpty { return nil }
        let model = job.model
        do throws(InputError) {
            if model.givesStreams {
                try model.signature.check(further: input.inputs, model: model.name)
            } else {
                // As a request's own.
                _ = try model.signature.arrange(input.inputs, model: model.name)
            }
        } catch {
            return ErrorReply(.invalidInput, error.message)
        }
        let bound = self.configuration.inputBytesMax
        guard self.inputBytes > bound, self.inputBytes > byteCount else { return nil }
        let detail = "the inputs that wait here for their streams have \(ByteCount(bound)) already"
        return ErrorReply(.overloaded, detail, backoff: .seconds(1))
    }
}
