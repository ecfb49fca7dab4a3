internal import RoostEngine
internal import RoostWire

/// What a request has beyond others that is answered by many results. It belongs to the thread that
/// has its ``Job``, but for what only the reactor's thread may touch.
final class JobStream {
    // Of the reactor's thread only.

    /// How many items may be sent before its client says that it takes more.
    private(set) var credit: Int
    /// Its further inputs; a stream that is not open has none.
    var inputs: InputQueue
    /// It waits for its client to take more, or to send further inputs.
    var isParked = false
    /// When it has waited for further inputs for too long; never while it does not.
    var idleDeadline = Moment.never
    /// How it ends once the step that runs is over.
    var ending: ErrorReply?

    /// Whether further inputs were announced at all.
    private let isOpen: Bool

    // Of the thread that has the job.

    /// How many items there were.
    private(set) var items: UInt32 = 0
    /// No item follows.
    private(set) var isOver = false
    /// The model has no item until it gets further inputs, or learns that there are none.
    private var lacksInput = false
    /// The further inputs that it gets once it has no item without them.
    private var handed: NamedTensors?
    /// There are none behind what was handed over.
    private var isLastHanded = false
    /// The model knows that there are none.
    private var isFinished = false
    private var timing = InferReply.Timing(
        version: 0,
        queueMicroseconds: 0,
        computeMicroseconds: 0
    )
    private var source: (any ModelStream)?
    private var hasBegun = false
    /// What the last item left of a model's state, in memory of its own; empty: the model has none.
    private(set) var state: [Tensor] = []

    /// - Parameter inputs: how many further inputs may wait; `nil`: there are none.
    init(credit: UInt32, inputs: Int? = nil) {
        self.credit = Int(credit)
        self.inputs = InputQueue(size: inputs ?? 0, isOpen: inputs != nil)
        self.isOpen = inputs != nil
    }

    /// The client takes that many items more.
    func grant(_ items: UInt32) { self.credit = min(self.credit + Int(items), Int(UInt32.max)) }

    /// An item is sent.
    func sent() {
        self.items &+= 1
        self.credit -= 1
    }

    /// It waits for nothing but its client's next input.
    var isIdle: Bool { self.lacksInput && self.inputs.count == 0 && !self.inputs.hasEnded }

    /// Whether a step can be executed.
    var canStep: Bool { self.credit > 0 && !self.isIdle }

    /// Gives the next step what it may need of the further inputs: one at a time, so that no step
    /// takes longer than one input does.
    ///
    /// - Returns: how many bytes were handed over.
    func handOver() -> Int {
        var byteCount = 0
        if self.handed == nil, let input = self.inputs.next() {
            self.handed = input.inputs
            byteCount = input.byteCount
        }
        self.isLastHanded = self.inputs.hasEnded && self.inputs.count == 0
        return byteCount
    }

    /// What END says.
    func end(load: Int) -> StreamEnd {
        var timing = self.timing
        timing.inFlight = UInt32(clamping: load)
        return StreamEnd(items: self.items, timing: timing)
    }

    /// Executes a step.
    ///
    /// A model that gives no streams gives one item for each of its inputs: what it answers any
    /// request with.
    ///
    /// - Returns: the item's outputs; `nil` if there is none.
    func step(
        of model: LoadedModel,
        _ inputs: [Tensor],
        wanted: [Int],
        on lane: any Lane
    ) throws(EngineError) -> [Tensor]? {
        let isFirst = !self.hasBegun
        if isFirst {
            self.hasBegun = true
            if let session = model.session as? any StreamingSession {
                self.source = try session.stream(inputs, outputs: wanted)
            }
        }
        guard let source else {
            if isFirst { return try self.answer(inputs, of: model, wanted: wanted, on: lane) }
            guard let further = self.handed.take() else {
                self.isOver = self.isLastHanded
                self.lacksInput = !self.isOver
                return nil
            }
            let given = try Self.arrange(further, of: model) + self.state
            return try self.answer(given, of: model, wanted: wanted, on: lane)
        }
        if !self.lacksInput, let outputs = try source.next() { return outputs }
        guard let open = source as? any OpenModelStream, !open.isOver, !self.isFinished else {
            self.isOver = true
            return nil
        }
        if let inputs = self.handed.take() {
            try open.take(inputs)
        } else if self.isLastHanded {
            self.isFinished = true
            try open.finish()
        } else {
            self.lacksInput = true
            return nil
        }
        self.lacksInput = false
        if let outputs = try open.next() { return outputs }
        self.isOver = open.isOver || self.isFinished
        self.lacksInput = !self.isOver
        return nil
    }

    /// Runs a model that gives no streams. What it leaves of its state is for the next input.
    private func answer(
        _ inputs: [Tensor],
        of model: LoadedModel,
        wanted: [Int],
        on lane: any Lane
    ) throws(EngineError) -> [Tensor] {
        let outputs = try lane.run(inputs, outputs: wanted)
        self.isOver = !self.isOpen || self.isLastHanded
        self.lacksInput = !self.isOver
        if let refusal = lane.takeRefusals().first {
            throw EngineError(
                .inputRefused,
                "row \(refusal.row): \(refusal.reason)",
                engine: model.description.engine
            )
        }
        self.state = outputs.suffix(model.stateCount).map(\.copied)
        return outputs
    }

    /// They were checked when they came.
    private static func arrange(
        _ inputs: NamedTensors,
        of model: LoadedModel
    ) throws(EngineError) -> [Tensor] {
        do throws(InputError) {
            return try model.signature.arrange(inputs, model: model.name)
        } catch {
            throw EngineError(.inputRefused, error.message, engine: model.description.engine)
        }
    }

    /// A step took that long; the first waited before it.
    func took(_ time: Duration, waited: Duration, version: UInt32) {
        if self.timing.version == 0 {
            self.timing.version = version
            self.timing.queueMicroseconds = waited.wireMicroseconds
        }
        let (sum, isOver) = self.timing.computeMicroseconds.addingReportingOverflow(
            time.wireMicroseconds
        )
        self.timing.computeMicroseconds = isOver ? .max : sum
    }
}
