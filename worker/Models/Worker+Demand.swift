internal import RoostEngine
internal import RoostWire
internal import ZeroMQ

// Requests for versions that are on demand (`ModelTable+Memory`): they wait until the version is
// loaded, then go the way of all requests. Without a memory budget there are none.

/// What waits for a version to be loaded, as it came.
enum HeldRequest: Sendable {
    case infer(first: ReceivedFrame, rest: [ReceivedFrame], accepted: Moment)
    case describe(Describe)
}

extension DemandQueue<HeldRequest> {
    init(_ configuration: WorkerConfiguration) {
        self.init(
            Bounds(requests: configuration.queueMax, bytes: configuration.queueBytesMax)
        )
    }
}

extension Worker {
    /// For how long a question for a model's description waits: it has no time of its own.
    private static let describeLimit: Duration = .seconds(30)

    /// What a request says of the model that it means.
    private typealias AskedModel = (
        name: UnsafeRawBufferPointer, version: UInt32, label: UnsafeRawBufferPointer
    )

    // MARK: Waiting

    /// Keeps a request whose version is listed and not loaded, or refuses it.
    ///
    /// - Parameter deadline: when its client waits no longer.
    /// - Returns: `false`: it asks for no such version.
    func hold(
        _ view: InferView,
        _ request: HeldRequest,
        _ key: RequestKey,
        of client: InstanceID,
        byteCount: Int,
        deadline: Moment,
        now: Moment
    ) -> Bool {
        guard self.mayDemand(view, of: client) else { return false }
        let waiting = DemandQueue.Waiting(
            key: key,
            client: client,
            deadline: deadline,
            byteCount: byteCount,
            request: request
        )
        let model = (view.model, view.version, view.label)
        if view.extended?.isOpen == true { return self.postpone(waiting, model, now: now) }
        return self.hold(model, waiting, now: now)
    }

    /// Has the model of an open stream loaded. The stream is refused: what its client sends further
    /// would come to nobody.
    private func postpone(
        _ stream: DemandQueue<HeldRequest>.Waiting,
        _ model: AskedModel,
        now: Moment
    ) -> Bool {
        guard let (version, actions) = self.demand(model, now: now) else { return false }
        let detail =
            "model '\(version.name)/\(version.version)' is not loaded, which begins now; open "
            + "streams do not wait for it"
        self.end(stream, ErrorReply(.unavailable, detail, backoff: .seconds(1)))
        self.perform(self.isServing ? actions : [])
        return true
    }

    /// Keeps a question for the description of a version that was never loaded.
    func hold(_ describe: Describe, _ peer: PeerID, requestID: UInt64) -> Bool {
        var (name, label) = (describe.model, describe.label)
        let now = self.now
        let waiting = DemandQueue.Waiting(
            key: RequestKey(peer: peer, requestID: requestID),
            client: nil,
            deadline: now + Self.describeLimit,
            byteCount: 0,
            request: HeldRequest.describe(describe)
        )
        return name.withUTF8 { name in
            label.withUTF8 { label in
                self.hold(
                    (UnsafeRawBufferPointer(name), describe.version, UnsafeRawBufferPointer(label)),
                    waiting,
                    now: now
                )
            }
        }
    }

    /// Has the model loaded that a request asks for, if it is on demand.
    private func demand(
        _ model: AskedModel,
        now: Moment
    ) -> (key: ModelTable.Key, actions: [ModelTable.Action])? {
        // Requests of this turn have been given their places: none of those may go.
        self.submitArrivals()
        return self.table.demand(
            model.name,
            version: model.version,
            label: model.label,
            now: now
        )
    }

    private func hold(
        _ model: AskedModel,
        _ waiting: DemandQueue<HeldRequest>.Waiting,
        now: Moment
    ) -> Bool {
        guard let (version, actions) = self.demand(model, now: now) else { return false }
        guard self.isServing else {
            self.table.refused(version, \.draining)
            self.end(waiting, ErrorReply(.draining, "the worker is shutting down"))
            return true
        }
        let policy = self.table.configurations[version.name]?.policy
        var waiting = waiting
        if let timeout = policy?.queueTimeout {
            waiting.deadline = min(waiting.deadline, now + timeout)
        }
        let refusal = self.demands.add(
            waiting,
            for: version,
            within: DemandQueue.Bounds(
                requests: policy?.queueMax ?? .max,
                bytes: policy?.queueBytesMax ?? .max
            )
        )
        if let refusal {
            self.table.refused(version, \.full)
            self.end(waiting, Self.reply(to: refusal, version))
        }
        // Also when it was refused: others wait, or the next ones find the version loaded.
        self.perform(actions)
        self.settleDemands()
        self.setTimer()
        return true
    }

    /// A sequence lives at the version where it began; only one that begins has others loaded.
    private func mayDemand(_ view: InferView, of client: InstanceID) -> Bool {
        guard let extended = view.extended, extended.sequence != 0 else { return true }
        let sequence = SequenceKey(client: client, number: extended.sequence)
        guard self.place(of: sequence, model: view.model) == nil else { return false }
        return extended.position.contains(.start)
            || self.demands.waits(for: String(decoding: view.model, as: UTF8.self))
    }

    private static func reply(
        to refusal: DemandQueue<HeldRequest>.Refusal,
        _ version: ModelTable.Key
    ) -> ErrorReply {
        let what: String
        switch refusal {
        case .queueFull(let bound): what = "\(bound) requests"
        case .bytesFull(let bound): what = "\(ByteCount(bound))"
        }
        return ErrorReply(
            .overloaded,
            "model '\(version.name)/\(version.version)' is not loaded, and \(what) wait for that",
            backoff: .seconds(1)
        )
    }

    // MARK: The end of waiting

    /// Versions may have been loaded, or will not be: whoever waits for them goes on.
    func settleDemands() {
        guard !self.demands.isEmpty else { return }
        for version in self.demands.versions {
            switch self.table.outcome(of: version) {
            case .pending: continue
            case .ready:
                for waiting in self.demands.take(for: version) { self.resume(waiting) }
            case .failed(let reason):
                let detail =
                    "model '\(version.name)/\(version.version)' cannot be loaded: \(reason)"
                for waiting in self.demands.take(for: version) {
                    self.end(waiting, ErrorReply(.unavailable, detail))
                }
            }
        }
        self.submitArrivals()
    }

    private func resume(_ waiting: DemandQueue<HeldRequest>.Waiting) {
        let key = waiting.key
        guard self.clientLinks[key.peer]?.isRefused == false else { return }
        switch waiting.request {
        case .describe(let describe): self.describe(describe, key.peer, requestID: key.requestID)
        case .infer(let first, let rest, let accepted):
            guard let client = waiting.client else { return }
            do throws(WireError) {
                let frame = try FrameView(UnsafeRawBufferPointer(first.bytes))
                let frames = rest.map { TensorStorage($0.bytes, owner: $0) }
                let view = try InferView(frame, payload: frames)
                try self.admit(
                    frame,
                    view,
                    first: first,
                    frames,
                    key,
                    of: client,
                    rest: nil,
                    now: accepted
                )
            } catch {
                self.refuse(key.peer)
            }
        }
    }

    private func end(_ waiting: DemandQueue<HeldRequest>.Waiting, _ error: ErrorReply) {
        if case .infer = waiting.request {
            self.fail(waiting.key, error, isRetryable: true)
        } else {
            self.send(
                error,
                flags: [.notExecuted, .retryable],
                to: waiting.key.peer,
                requestID: waiting.key.requestID
            )
        }
    }

    /// The time of some may be over, and there may be room for others.
    func sweepDemands(now: Moment) {
        if now >= self.demands.deadline {
            let late = self.takeDemands(\.expired) { $0.expire(now: now) }
            let detail = "no time was left when the model was still not loaded"
            for waiting in late { self.end(waiting, ErrorReply(.deadlineExceeded, detail)) }
        }
        if now >= self.table.memoryDeadline, self.isServing {
            self.perform(self.table.retry(now: now))
        }
    }

    /// A request is no longer wanted; says whether it waited here.
    func cancelDemand(_ key: RequestKey) -> Bool {
        guard !self.demands.isEmpty else { return false }
        let cancelled = self.takeDemands(\.cancelled) { queue in
            queue.cancel(key).map { [$0] } ?? []
        }
        for waiting in cancelled {
            self.end(waiting, ErrorReply(.cancelled, "the request was cancelled while it waited"))
        }
        return !cancelled.isEmpty
    }

    /// Nothing more goes to that link.
    func abandonDemands(of peer: PeerID) {
        guard !self.demands.isEmpty else { return }
        _ = self.takeDemands(\.cancelled) { $0.cancelAll(of: peer) }
    }

    /// The worker shuts down: other workers may have the model.
    func refuseDemands() {
        for waiting in self.takeDemands(\.draining, { $0.cancelAll() }) {
            self.end(waiting, ErrorReply(.draining, "the worker is shutting down"))
        }
    }

    /// A request has come on another link; says whether it waits here.
    func moveDemand(to key: RequestKey, of client: InstanceID) -> Bool {
        guard let old = self.demands.attach(key, of: client) else { return false }
        self.clientLinks[old.peer]?.giveBackCredit()
        return true
    }

    /// Takes requests out that are refused; versions that nobody waits for any more are not loaded.
    private func takeDemands(
        _ reason: WritableKeyPath<ModelStatistics.Refusals, UInt64>,
        _ body: (inout DemandQueue<HeldRequest>) -> [DemandQueue<HeldRequest>.Waiting]
    ) -> [DemandQueue<HeldRequest>.Waiting] {
        let before = self.demands.versions
        let taken = body(&self.demands)
        for version in taken.compactMap(\.version) { self.table.refused(version, reason) }
        for version in Set(before).subtracting(self.demands.versions) {
            self.table.withdraw(version)
        }
        return taken
    }
}
