internal import RoostWire
internal import ZeroMQ

// Streams: the items that come, the credit that their readers give, and the inputs of open ones.

extension Fleet {
    /// One of a stream's results has come.
    func handle(
        _ item: InferItem,
        requestID: UInt64,
        from place: Place,
        now: Moment
    ) throws(WireError) {
        // Items of streams that have ended meanwhile are expected: deadlines, cancellations.
        guard let call = self.call(requestID), let (leg, _) = call.leg(at: place) else { return }
        guard let stream = call.stream else { throw WireError(.badType) }
        try stream.receive(item)
        guard item.index == 0 else { return }
        call.hasBegun = true
        // What the rest takes is the stream's length, and the reader's pace.
        self.learn(from: call, leg, now: now)
    }

    /// A stream is complete.
    func handle(
        _ end: StreamEnd,
        requestID: UInt64,
        from place: Place,
        now: Moment
    ) throws(WireError) {
        self.answered(place)
        self.trust(place, now: now)
        guard let call = self.call(requestID), let (leg, _) = call.leg(at: place) else { return }
        guard let stream = call.stream else { throw WireError(.badType) }
        guard end.items == UInt32(truncatingIfNeeded: stream.received) else {
            throw WireError(.badValue)
        }
        if end.items == 0 { self.learn(from: call, leg, now: now) }
        self.end(
            call,
            .ended(
                StreamSummary(
                    items: stream.received,
                    version: Int(end.timing.version),
                    worker: place.workerID,
                    attempts: call.attempts,
                    queueTime: .microseconds(Int64(end.timing.queueMicroseconds)),
                    computeTime: .microseconds(Int64(end.timing.computeMicroseconds)),
                    earlierAttempts: call.history
                )
            )
        )
    }

    /// The reader has room for that many more items.
    func grant(_ call: Call, _ credit: UInt32) {
        guard self.isUnderWay(call), let leg = call.leg else { return }
        self.send(Credit(messages: credit), to: leg.place, requestID: call.requestID)
    }

    // MARK: Inputs

    /// The worker takes more inputs.
    func handle(_ credit: Credit, requestID: UInt64, from place: Place) throws(WireError) {
        guard requestID != 0 else { throw WireError(.badType) }
        guard let call = self.call(requestID), call.leg(at: place) != nil else { return }
        guard let inputs = call.inputs else { throw WireError(.badValue) }
        place.link.read(bytes: inputs.window.grant(credit.messages))
        self.sendInputs(call)
    }

    /// Sends further inputs when the worker takes them; returns why it could not be done.
    func send(_ input: WaitingInput, of call: Call) async -> InferenceError? {
        guard let inputs = call.inputs else { return nil }
        if let ending = inputs.ending { return ending }
        guard !inputs.window.isFinished else {
            return InferenceError(.closed, "finish() was called before", notExecuted: true)
        }
        guard !input.isWithdrawn else { return Self.withdrawn(call) }
        return await withUnsafeContinuation { continuation in
            input.wait(continuation)
            inputs.waiting.append(input)
            self.sendInputs(call)
        }
    }

    /// The sender of inputs that still wait has given up.
    func withdraw(_ input: WaitingInput, of call: Call) {
        input.isWithdrawn = true
        guard call.inputs?.waiting.removeFirst(where: { $0 === input }) != nil else { return }
        input.finish(Self.withdrawn(call))
        // They may have been all that stood before the end.
        self.sendInputs(call)
    }

    private static func withdrawn(_ call: Call) -> InferenceError {
        InferenceError(
            .cancelled,
            "sending was cancelled",
            requestID: call.requestID,
            notExecuted: true
        )
    }

    /// The caller has no more inputs.
    func finishInputs(of call: Call) {
        call.inputs?.window.finish()
        self.sendInputs(call)
    }

    /// Sends the inputs for which there is credit, and behind the last that it is the last.
    private func sendInputs(_ call: Call) {
        guard let inputs = call.inputs, self.isUnderWay(call), let place = call.leg?.place else {
            return
        }
        // The request itself first.
        self.sendCalls(to: place)
        while call.leg?.place === place, let input = inputs.waiting.first {
            guard let index = inputs.window.send(byteCount: input.byteCount) else { return }
            _ = inputs.waiting.popFirst()
            call.hasBegun = true
            place.link.added(bytes: input.byteCount)
            input.finish(nil)
            self.send(InferInput(index: index, inputs: input.inputs), of: call, to: place)
        }
        if call.leg?.place === place, let index = inputs.window.close() {
            self.send(InferInput(index: index, isLast: true), of: call, to: place)
        }
    }

    private func send(_ input: InferInput, of call: Call, to place: Place) {
        guard let socket = place.socket else { return }
        let layout = input.layout
        let header = FrameHeader(
            .input,
            linkSequence: place.link.nextSequence(),
            requestID: call.requestID,
            sender: self.instance
        )
        let frame = Message(byteCount: layout.frameBytes) {
            input.write(header, layout: layout, into: $0)
        }
        var framesLeft = layout.frameCount
        var outcome = socket.send(frame, more: framesLeft > 0)
        TensorPayload.forEachFrame(of: input.inputs) { storage, offset, byteCount in
            framesLeft -= 1
            guard outcome == .sent else { return }
            let frame = Message(
                payload: storage.base + offset,
                byteCount: byteCount,
                owner: storage
            )
            outcome = socket.send(frame, more: framesLeft > 0)
        }
        // Not accepted by libzmq, or not the whole of it: the link is no good any more.
        if outcome != .sent { self.lost(place) }
    }

    /// The stream's inputs are on their way to that worker no longer.
    func releaseInputs(of call: Call, at place: Place) {
        guard let inputs = call.inputs else { return }
        place.link.read(bytes: inputs.window.end())
    }
}
