package import RoostWire

/// A named message, one of those that the tests and the test vectors are made of.
package struct WireSample: Sendable, CustomStringConvertible {
    package let name: String
    package let message: AnyWireMessage
    package var description: String { self.name }

    private init(
        _ name: String,
        _ body: AnyWireMessage.Body,
        _ type: MessageType,
        flags: FrameHeader.Flags = [],
        requestID: UInt64 = 0,
        aux: UInt64 = 0
    ) {
        self.name = name
        self.message = AnyWireMessage(
            header: FrameHeader(
                type,
                flags: flags,
                linkSequence: 7,
                requestID: requestID,
                aux: aux,
                sender: Self.sender
            ),
            body: body
        )
    }

    private init<Message: WireMessage & Hashable>(
        _ name: String,
        _ message: Message,
        flags: FrameHeader.Flags = [],
        requestID: UInt64 = 0,
        aux: UInt64 = 0
    ) {
        self.init(
            name,
            .plain(message),
            Message.type,
            flags: flags,
            requestID: requestID,
            aux: aux
        )
    }

    package static let sender = InstanceID(
        high: 0x0123_4567_89ab_cdef,
        low: 0xfedc_ba98_7654_3210
    )
    private static let epoch: UInt64 = 0xdead_beef_0bad_cafe

    private static var counters: ModelCounters {
        var counters = ModelCounters(name: "digits", version: 1)
        counters.requests = 1_000
        counters.rows = 3_000
        counters.executions = 250
        counters.queueNanoseconds = 1 << 40
        counters.inputNanoseconds = 2
        counters.computeNanoseconds = 3
        counters.outputNanoseconds = .max
        counters.batchSizes = [1, 0, 249]
        counters.refused.full = 1
        counters.refused.late = 2
        counters.refused.draining = 3
        counters.refused.expired = 4
        counters.refused.timedOut = 5
        counters.refused.cancelled = 6
        counters.failedBatches = 7
        return counters
    }

    private static var cache: CacheCounters {
        var cache = CacheCounters(model: 1)
        cache.hits = 1
        cache.misses = 2
        cache.coalesced = 1 << 40
        cache.bytes = .max
        return cache
    }

    /// At least one of every type.
    package static let all =
        Self.presence + Self.discovery + Self.links + Self.inference + Self.streams

    private static let presence = [
        WireSample("register", Register(record: Self.record())),
        WireSample("register-minimal", Register(record: Self.minimalRecord)),
        WireSample(
            "register-ok",
            RegisterOK(
                lease: .seconds(10),
                heartbeatInterval: .seconds(1),
                spread: .milliseconds(500)
            ),
            aux: Self.epoch
        ),
        WireSample(
            "heartbeat",
            Heartbeat(
                revision: 3,
                state: .ready,
                inFlight: 2,
                queued: 5,
                progress: 1_000_000_007,
                progressAge: .milliseconds(12)
            )
        ),
        WireSample("heartbeat-ack", HeartbeatAck(knownRevision: 3), aux: Self.epoch),
        WireSample("unknown", Unknown(), aux: Self.epoch),
        WireSample("drain", Drain(limit: .seconds(25))),
        WireSample("deregister", Deregister()),
    ]

    private static let discovery = [
        WireSample(
            "lookup",
            Lookup(
                selector: Selector(model: "digits", version: 2, zone: "north"),
                wait: .milliseconds(1500)
            ),
            requestID: 11
        ),
        WireSample("lookup-all", Lookup(), requestID: 12),
        WireSample(
            "snapshot",
            Snapshot(
                sequence: 40,
                part: 1,
                parts: 3,
                complete: true,
                records: [Self.record(), Self.minimalRecord]
            ),
            aux: Self.epoch
        ),
        WireSample(
            "snapshot-of-many-parts",
            Snapshot(sequence: 1, part: 65_536, parts: 100_000, complete: true, records: [])
        ),
        WireSample("snapshot-empty", Snapshot(sequence: 0, complete: false, records: [])),
        WireSample("watch", Watch(credit: 64)),
        WireSample(
            "watch-resume",
            Watch(
                selector: Selector(model: "digits"),
                epoch: Self.epoch,
                sequence: 40,
                credit: 64
            )
        ),
        WireSample(
            "delta",
            Delta(
                sequence: 41,
                previous: 40,
                upserts: [Self.record(state: .draining)],
                removals: [
                    .init(workerID: "gone", incarnation: 8, why: .expired),
                    .init(workerID: "left", incarnation: .max, why: .deregistered),
                    .init(workerID: "other", incarnation: 0, why: .unmatched),
                ]
            ),
            aux: Self.epoch
        ),
        WireSample("digest", Digest(sequence: 41, count: 3, sum: .max - 4), aux: Self.epoch),
    ]

    private static let links = [
        WireSample("hello", Hello(workerID: "w-1", incarnation: 9, wantCredit: 256)),
        WireSample(
            "hello-ok",
            HelloOK(credit: 256, load: Load(inFlight: 1, queued: 2, serviceMicroseconds: 1_500)),
            aux: 64 << 20
        ),
        WireSample("go-away", GoAway(reason: .draining, limit: .seconds(25))),
        WireSample("go-away-violation", GoAway(reason: .protocolViolation)),
        WireSample("describe", Describe(model: "digits", version: 1), requestID: 13),
        WireSample(
            "describe-label",
            Describe(model: "digits", label: "canary"),
            requestID: 13
        ),
        WireSample("models", Models(model: "digits"), requestID: 18),
        WireSample("models-all", Models(), requestID: 18),
        WireSample("control-load", Control(.load, model: "digits", version: 2), requestID: 19),
        WireSample("control-unload", Control(.unload, model: "digits"), requestID: 19),
        WireSample("control-reload", Control(.reload, model: "digits"), requestID: 19),
        WireSample(
            "model-states",
            ModelStates([
                ModelState(
                    name: "digits",
                    version: 1,
                    state: .ready,
                    labels: ["canary", "stable"],
                    engine: "onnxruntime 1.31.1"
                ),
                ModelState(
                    name: "digits",
                    version: 2,
                    state: .failed,
                    reason: "'digits/2' has no model.onnx"
                ),
                ModelState(name: "gr\u{fc}n", version: .max, state: .available),
            ]),
            requestID: 19
        ),
        WireSample(
            "model-states-memory",
            ModelStates(
                [
                    ModelState(name: "digits", version: 1, state: .ready),
                    ModelState(name: "tower", version: 2, state: .available),
                ],
                memory: [
                    ModelMemory(bytes: 500 << 20, flags: .pinned),
                    ModelMemory(bytes: .max, evictions: 3, flags: .onDemand),
                ]
            ),
            requestID: 19
        ),
        WireSample("model-states-none", ModelStates([]), requestID: 19),
        WireSample("statistics", Statistics(model: "digits"), requestID: 20),
        WireSample("statistics-all", Statistics(), requestID: 20),
        WireSample(
            "model-statistics",
            ModelStatisticsReply(
                [Self.counters, ModelCounters(name: "gr\u{fc}n", version: .max)],
                caches: [Self.cache]
            ),
            requestID: 20
        ),
        WireSample("model-statistics-none", ModelStatisticsReply([]), requestID: 20),
        WireSample("description", Description(model: Self.description), requestID: 13),
        WireSample("cancel", Cancel(), requestID: 14),
        WireSample("credit", Credit(messages: 32), aux: 1 << 20),
        WireSample(
            "error",
            ErrorReply(.overloaded, "the queue is full", backoff: .milliseconds(20)),
            flags: [.notExecuted, .retryable],
            requestID: 15
        ),
        WireSample(
            "error-stale",
            ErrorReply(.stale, "a newer incarnation is registered", value: 10)
        ),
        WireSample("ping", Ping(), requestID: 16),
        WireSample(
            "pong",
            Pong(load: Load(inFlight: 3, queued: 4, serviceMicroseconds: 5)),
            requestID: 16
        ),
    ]

    private static let inference = [
        Self.infer("infer", ["image": Tensor((0..<16).map { Float($0) }, shape: [1, 4, 4])]),
        Self.infer(
            "infer-three-inputs",
            [
                "ids": Tensor([1, 2, 3] as [Int64], shape: [3]),
                "mask": Tensor([true, false, true], shape: [3]),
                "texts": Tensor(["", "a", "Gr\u{fc}\u{df}e"], shape: [3, 1]),
            ],
            outputs: ["scores", "labels"]
        ),
        Self.infer("infer-scalar", ["x": Tensor([2.5] as [Double], shape: [])]),
        Self.infer("infer-no-elements", ["x": Tensor([Float](), shape: [0, 3])]),
        Self.infer("infer-no-inputs", [:]),
        Self.infer("infer-label", [:], version: 0, label: "canary"),
        Self.infer(
            "infer-payload-frame",
            [
                "small": Tensor([1] as [UInt8], shape: [1]),
                "large": Tensor((0..<4104).map { UInt8(truncatingIfNeeded: $0) }, shape: [4104]),
                "last": Tensor([-1, 1] as [Int16], shape: [2]),
            ]
        ),
        WireSample(
            "result",
            .result(
                InferReply(
                    timing: .init(
                        version: 2,
                        queueMicroseconds: 120,
                        computeMicroseconds: 3400,
                        batchSize: 1,
                        inFlight: 6
                    ),
                    outputs: [
                        "scores": Tensor([0.25, 0.75] as [Float], shape: [1, 2]),
                        "labels": Tensor(["cat"], shape: [1]),
                    ]
                )
            ),
            .result,
            requestID: 17
        ),
    ]

    private static let streams = [
        Self.infer(
            "infer-stream",
            ["x": Tensor([1] as [Float], shape: [1])],
            outputs: ["y"],
            extended: InferExtension(itemCredit: 16)
        ),
        Self.infer(
            "infer-open-stream",
            ["x": Tensor([1] as [Float], shape: [1])],
            extended: InferExtension(itemCredit: .max, isOpen: true)
        ),
        Self.infer(
            "infer-sequence-start",
            ["x": Tensor([1] as [Float], shape: [1])],
            extended: InferExtension(sequence: 0xfeed_f00d_0000_0001, position: .start)
        ),
        Self.infer(
            "infer-sequence-continues",
            ["x": Tensor([1] as [Float], shape: [1])],
            extended: InferExtension(sequence: .max)
        ),
        Self.infer(
            "infer-sequence-end",
            [:],
            extended: InferExtension(sequence: 1, position: .end)
        ),
        Self.infer(
            "infer-sequence-of-one-stream",
            [:],
            extended: InferExtension(sequence: 1, position: [.start, .end], itemCredit: 1)
        ),
        WireSample(
            "item",
            .item(
                InferItem(index: 0, outputs: ["token": Tensor([17] as [Int32], shape: [1, 1])])
            ),
            .item,
            requestID: 17
        ),
        WireSample(
            "item-payload-frame",
            .item(
                InferItem(
                    index: .max,
                    outputs: [
                        "small": Tensor(["a"], shape: [1]),
                        "large": Tensor([UInt8](repeating: 5, count: 4104), shape: [4104]),
                    ]
                )
            ),
            .item,
            requestID: 17
        ),
        WireSample(
            "item-no-outputs",
            .item(InferItem(index: 1, outputs: [:])),
            .item,
            requestID: 17
        ),
        WireSample(
            "end",
            StreamEnd(
                items: 3,
                timing: .init(
                    version: 2,
                    queueMicroseconds: 120,
                    computeMicroseconds: 3400,
                    batchSize: 1,
                    inFlight: 6
                )
            ),
            requestID: 17
        ),
        WireSample("credit-stream", Credit(messages: 8), requestID: 17),
        WireSample(
            "input",
            .input(InferInput(index: 1, inputs: ["x": Tensor([2] as [Float], shape: [1])])),
            .input,
            requestID: 17
        ),
        WireSample(
            "input-payload-frame",
            .input(
                InferInput(
                    index: 2,
                    isLast: true,
                    inputs: ["x": Tensor([UInt8](repeating: 5, count: 4104), shape: [4104])]
                )
            ),
            .input,
            requestID: 17
        ),
        WireSample(
            "input-no-more",
            .input(InferInput(index: 3, isLast: true)),
            .input,
            requestID: 17
        ),
    ]

    private static func infer(
        _ name: String,
        _ inputs: NamedTensors,
        version: UInt32 = 2,
        label: String = "",
        outputs: [String] = [],
        extended: InferExtension? = nil
    ) -> WireSample {
        WireSample(
            name,
            .infer(
                InferRequest(
                    model: "digits",
                    version: version,
                    label: label,
                    attempt: 1,
                    priority: 3,
                    inputs: inputs,
                    outputs: outputs,
                    extended: extended
                )
            ),
            .infer,
            flags: extended == nil ? .idempotent : .extended,
            requestID: 17,
            aux: 2_000_000
        )
    }

    private static func record(state: WorkerRecord.State = .ready) -> WorkerRecord {
        // Built from constants that are endpoints: it cannot throw.
        let endpoints = ["tcp://10.0.0.5:7110", "ipc:///run/roost/w-1"].compactMap {
            try? Endpoint($0)
        }
        return WorkerRecord(
            workerID: "w-1",
            incarnation: 1_760_000_000_123,
            instance: Self.sender,
            revision: 4,
            state: state,
            zone: "north",
            slots: 2,
            queueMax: 256,
            endpoints: endpoints,
            models: [
                ModelRecord(name: "digits", version: 1, signatureDigest: 0x1122_3344_5566_7788),
                ModelRecord(
                    name: "digits",
                    version: 2,
                    signatureDigest: .max,
                    labels: ["canary", "stable"]
                ),
            ]
        )
    }

    private static let minimalRecord = WorkerRecord(
        workerID: "w-\u{fc}",
        incarnation: 0,
        instance: InstanceID(high: 1, low: 0)
    )

    private static let description = ModelDescription(
        name: "digits",
        version: 2,
        engine: "onnxruntime 1.31.1",
        signature: ModelSignature(
            inputs: [
                TensorSignature(
                    name: "image",
                    datatype: .fp32,
                    dimensions: [.dynamic("batch"), .fixed(1), .fixed(8), .dynamic("")]
                ),
                TensorSignature(
                    name: "scale",
                    datatype: .fp32,
                    dimensions: [],
                    isOptional: true
                ),
            ],
            outputs: [TensorSignature(name: "label", datatype: .bytes, dimensions: [])]
        ),
        metadata: ["author": "us", "labels": "zero\none\ntwo"]
    )
}
