internal import RoostEngine
internal import RoostWire
internal import ZeroMQ

// The way of a request through the worker: received in `Worker+Links`, checked here, admitted by the
// scheduler, executed on an executor's thread, answered in `Worker+Answers`.

extension Worker {
    func infer(
        _ frame: FrameView,
        first: ReceivedFrame,
        _ rest: [ReceivedFrame],
        from peer: PeerID,
        _ link: ClientLinks.Index,
        now: Moment
    ) throws(WireError) {
        let key = RequestKey(peer: peer, requestID: frame.header.requestID)
        guard let client = self.clientLinks.values[link].takeCredit() else {
            self.refuse(peer)
            return
        }
        let frames = rest.map { TensorStorage($0.bytes, owner: $0) }
        let view = try InferView(frame, payload: frames)
        // A first attempt cannot have come before.
        if view.attempt > 0, self.isRepeat(key, of: client) { return }
        try self.admit(
            frame,
            view,
            first: first,
            frames,
            key,
            of: client,
            rest: rest,
            now: now
        )
    }

    /// Gives a request that is not here yet to the model that it asks for.
    ///
    /// - Parameter rest: what it is kept with if that model is not loaded; `nil`: it was kept.
    func admit(
        _ frame: FrameView,
        _ view: InferView,
        first: ReceivedFrame,
        _ frames: [TensorStorage],
        _ key: RequestKey,
        of client: InstanceID,
        rest: [ReceivedFrame]?,
        now: Moment
    ) throws(WireError) {
        let payload = ReceivedPayload(
            frame: TensorStorage(first.bytes, owner: first),
            inlineOffset: frame.inlineOffset,
            frames: frames
        )
        let byteCount = frames.reduce(frame.inlineBytes) { $0 + $1.byteCount }
        var place = self.table.place(of: view.model, version: view.version, label: view.label)
        if place == nil, let rest, self.table.memory != nil {
            let isHeld = self.hold(
                view,
                .infer(first: first, rest: rest, accepted: now),
                key,
                of: client,
                byteCount: byteCount,
                deadline: now.advanced(microseconds: frame.header.aux),
                now: now
            )
            if isHeld { return }
        }
        var sequence: SequencePlace?
        var stream: JobStream?
        if let extended = view.extended {
            sequence = self.sequence(extended, view, client, byteCount)
            // Its state is where it began, whatever leads there now.
            place = sequence.flatMap { self.place(of: $0.key, model: view.model) } ?? place
            // Which of two is meant nobody could tell.
            guard extended.itemCredit == 0 || self.streams[key] == nil else {
                throw WireError(.badValue)
            }
            if let problem = self.problem(with: extended, place: place) {
                self.fail(key, problem)
                return
            }
            if extended.itemCredit > 0 {
                if let fullness = self.streamFullness(key.peer) {
                    self.fail(key, fullness, isRetryable: true)
                    return
                }
                stream = JobStream(
                    credit: extended.itemCredit,
                    inputs: extended.isOpen ? self.configuration.streamInputsMax : nil
                )
            }
        }
        guard let modelIndex = place else {
            let error = self.unknownModel(view.model, version: view.version, label: view.label)
            // It may have been retired here just now, and be served elsewhere.
            self.fail(key, error, isRetryable: true)
            return
        }
        let model = self.table.model(at: modelIndex)
        if view.extended?.isOpen == true, sequence == nil, model.state != nil {
            sequence = self.ownSequence(of: client, byteCount: byteCount)
        }
        do throws(InferFailure) {
            var (inputs, wanted): ([Tensor], [Int]) = ([], [])
            if sequence?.isFarewell != true {
                (inputs, wanted) = try Self.resolve(view, payload, model: model)
            }
            if let state = model.state {
                wanted = state.wanted(wanted)
                if sequence?.needsBeginning ?? true {
                    inputs += try Self.beginning(of: state, for: inputs)
                }
            }
            let job = Job(
                key: key,
                client: client,
                model: model,
                modelIndex: modelIndex,
                inputs: inputs,
                wanted: wanted,
                accepted: now,
                deadline: now.advanced(microseconds: frame.header.aux),
                priority: view.priority,
                isIdempotent: frame.header.flags.contains(.idempotent),
                sequence: sequence,
                stream: stream
            )
            if stream != nil { self.openStream(job) }
            if let sequence {
                self.enter(job, sequence, now: now)
            } else if let limits = model.cache, stream == nil {
                self.inquire(job, byteCount, limits, now: now)
            } else {
                self.arrivals.append((job, byteCount))
            }
        } catch {
            switch error {
            case .input(let message): self.fail(key, ErrorReply(.invalidInput, message))
            case .wire(let error): throw error
            }
        }
    }

    private func sequence(
        _ extended: InferExtension,
        _ view: InferView,
        _ client: InstanceID,
        _ byteCount: Int
    ) -> SequencePlace? {
        guard extended.sequence != 0 else { return nil }
        return SequencePlace(
            key: SequenceKey(client: client, number: extended.sequence),
            position: extended.position,
            isFarewell: extended.position.contains(.end) && view.inputCount == 0,
            byteCount: byteCount
        )
    }

    /// Why what the extension asks for cannot be had from the model of that place.
    private func problem(with extended: InferExtension, place: Int?) -> ErrorReply? {
        if extended.isOpen, let place, !self.table.model(at: place).takesInputs {
            let name = self.table.model(at: place).name
            return ErrorReply(
                .invalidInput,
                "model '\(name)' takes no further inputs: all of them come with the request"
            )
        }
        guard extended.sequence != 0 else { return nil }
        guard let place else {
            return extended.position.contains(.start) ? nil : Self.lost
        }
        let model = self.table.model(at: place)
        guard model.state == nil else { return nil }
        return ErrorReply(
            .invalidInput,
            "model '\(model.name)' keeps no state: it takes no sequences"
        )
    }

    private static func beginning(
        of state: StateTensors,
        for inputs: [Tensor]
    ) throws(InferFailure) -> [Tensor] {
        do throws(StateTensors.TooLarge) {
            return try state.beginning(for: inputs)
        } catch {
            throw .input(error.message)
        }
    }

    private enum InferFailure: Error {
        /// The inputs do not fit the model.
        case input(String)
        /// The message is broken.
        case wire(WireError)
    }

    /// The inputs in the signature's order, over the received bytes, and the wanted outputs.
    private static func resolve(
        _ view: InferView,
        _ payload: ReceivedPayload,
        model: LoadedModel
    ) throws(InferFailure) -> (inputs: [Tensor], wanted: [Int]) {
        let signature = model.signature
        var inputs: [Tensor] = []
        inputs.reserveCapacity(signature.inputs.count)
        // Those that come before one that the signature has earlier.
        var early: [(index: Int, tensor: Tensor)] = []
        var wanted: [Int] = []
        var problem: String?
        do throws(WireError) {
            try view.forEach { (descriptor) throws(WireError) in
                guard let index = signature.index(ofInput: descriptor.name) else {
                    let name = String(decoding: descriptor.name, as: UTF8.self)
                    problem = signature.unknownInput(name, model: model.name).message
                    return
                }
                if index < inputs.count || early.contains(where: { $0.index == index }) {
                    problem = "input '\(signature.inputs[index].name)' is given more than once"
                    return
                }
                let tensor = try payload.tensor(descriptor)
                guard index == inputs.count else {
                    early.append((index, tensor))
                    return
                }
                inputs.append(tensor)
                while let next = early.firstIndex(where: { $0.index == inputs.count }) {
                    inputs.append(early.remove(at: next).tensor)
                }
            } output: { (name) throws(WireError) in
                guard let index = signature.index(ofOutput: name) else {
                    problem = Self.unknownOutput(name, model)
                    return
                }
                if wanted.contains(index) {
                    problem = "output '\(signature.outputs[index].name)' is wanted more than once"
                    return
                }
                wanted.append(index)
            }
        } catch {
            throw .wire(error)
        }
        if let problem { throw .input(problem) }
        do throws(InputError) {
            // What follows one that is missing came early.
            while inputs.count < signature.inputs.count {
                let missing = signature.inputs[inputs.count]
                let given = early.first { $0.index == inputs.count }?.tensor
                guard let input = given ?? missing.omitted else {
                    throw signature.missingInput(missing.name, model: model.name)
                }
                inputs.append(input)
            }
            for (index, input) in inputs.enumerated() {
                try signature.check(input, input: index, model: model.name)
            }
        } catch {
            throw .input(error.message)
        }
        return (inputs, wanted)
    }

    private static func unknownOutput(
        _ name: UnsafeRawBufferPointer,
        _ model: LoadedModel
    ) -> String {
        let known = model.signature.outputs.map { "'\($0.name)'" }.joined(separator: ", ")
        let name = String(decoding: name, as: UTF8.self)
        return "model '\(model.name)' has no output '\(name)'; it gives \(known)"
    }

    private func unknownModel(
        _ name: UnsafeRawBufferPointer,
        version: UInt32,
        label: UnsafeRawBufferPointer
    ) -> ErrorReply {
        ErrorReply(
            .modelNotFound,
            self.table.problem(
                with: String(decoding: name, as: UTF8.self),
                version: version,
                label: String(decoding: label, as: UTF8.self),
                worker: self.record.workerID
            )
        )
    }

    // MARK: Admission

    /// Offers the turn's requests to the scheduler; those that it refuses are answered at once.
    func submitArrivals() {
        guard !self.arrivals.isEmpty else { return }
        self.begin(self.arrivals)
        let refused = self.pool.submit(self.arrivals)
        let accepted = self.arrivals[0].job.accepted
        if refused.count < self.arrivals.count { self.watchProgress(now: accepted) }
        self.arrivals.removeAll(keepingCapacity: true)
        if !refused.isEmpty { self.offer(self.drop(refused)) }
    }

    /// Offers requests to the scheduler that are under way, but were not yet its.
    func offer(_ jobs: [(job: Job, byteCount: Int)]) {
        var jobs = jobs
        while !jobs.isEmpty {
            let refused = self.pool.submit(jobs)
            if refused.count < jobs.count { self.watchProgress(now: self.now) }
            jobs = self.drop(refused)
        }
    }

    /// - Returns: requests that waited for an equal one, and are now to be offered in its place.
    private func drop(
        _ refused: [(Job, Scheduler<Job>.Refusal)]
    ) -> [(job: Job, byteCount: Int)] {
        var successors: [(job: Job, byteCount: Int)] = []
        for (job, refusal) in refused {
            if let successor = self.successor(of: job) { successors.append(successor) }
            let (error, isRetryable) = Self.reply(to: refusal)
            self.drop(job, error, isRetryable: isRetryable)
        }
        return successors
    }

    /// What a client is told, and whether another worker might take the request.
    static func reply(
        to refusal: Scheduler<Job>.Refusal
    ) -> (ErrorReply, isRetryable: Bool) {
        switch refusal {
        case .draining:
            (ErrorReply(.draining, "the worker is shutting down"), true)
        case .queueFull(let bound, let backoff):
            (
                ErrorReply(
                    .overloaded,
                    "the queue is full (\(bound) requests wait)",
                    backoff: backoff
                ), true
            )
        case .bytesFull(let bound, let backoff):
            (
                ErrorReply(
                    .overloaded,
                    "the queue is full (\(bound >> 20) MiB wait)",
                    backoff: backoff
                ), true
            )
        case .queueTooLong(let wait):
            (
                ErrorReply(
                    .deadlineExceeded,
                    "the request would have to wait \(wait.wireMilliseconds) ms, and have too little "
                        + "time left then"
                ), true
            )
        case .serviceTooLong(let service):
            (
                ErrorReply(
                    .deadlineExceeded,
                    "the model takes \(service.wireMilliseconds) ms here, more than was left"
                ), false
            )
        case .deadlinePassed:
            (ErrorReply(.deadlineExceeded, "no time was left when the request came"), false)
        }
    }
}
