internal import RoostEngine
internal import RoostWire

/// What a request has beyond others that is answered by many results. It belongs to the thread that
/// has its ``Job``, but for what only the reactor's thread may touch.
final class JobStream {
    // Of the reactor's thread only.

    /// How many items may be sent before its client says that it takes more.
    private(set) var credit: Int
    /// It waits for its client to take more.
    var isParked = false
    /// How it ends once the step that runs is over.
    var ending: ErrorReply?

    // Of the thread that has the job.

    /// How many items there were.
    private(set) var items: UInt32 = 0
    /// No item follows.
    private(set) var isOver = false
    private var timing = InferReply.Timing(
        version: 0,
        queueMicroseconds: 0,
        computeMicroseconds: 0
    )
    private var source: (any ModelStream)?
    private var hasBegun = false

    init(credit: UInt32) { self.credit = Int(credit) }

    /// The client takes that many items more.
    func grant(_ items: UInt32) { self.credit = min(self.credit + Int(items), Int(UInt32.max)) }

    /// An item is sent.
    func sent() {
        self.items &+= 1
        self.credit -= 1
    }

    /// What END says.
    func end(load: Int) -> StreamEnd {
        var timing = self.timing
        timing.inFlight = UInt32(clamping: load)
        return StreamEnd(items: self.items, timing: timing)
    }

    /// Executes a step.
    ///
    /// A model that gives no streams gives one item: what it answers any request with.
    ///
    /// - Returns: the item's outputs; `nil` if there is none.
    func step(
        of model: LoadedModel,
        _ inputs: [Tensor],
        wanted: [Int],
        on lane: any Lane
    ) throws(EngineError) -> [Tensor]? {
        if !self.hasBegun {
            self.hasBegun = true
            if let session = model.session as? any StreamingSession {
                self.source = try session.stream(inputs, outputs: wanted)
            }
        }
        guard let source else {
            self.isOver = true
            return try lane.run(inputs, outputs: wanted)
        }
        let outputs = try source.next()
        if outputs == nil { self.isOver = true }
        return outputs
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
