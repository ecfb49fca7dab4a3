package import RoostEngine
package import RoostWire
internal import ZeroMQ

/// One accepted request on its way through the worker.
///
/// It belongs to one thread at a time: the reactor's, which makes it, then an executor's, then the
/// reactor's again; the scheduler's lock and the reactor's inbox pass it on. That is the promise
/// behind `@unchecked Sendable`.
package final class Job: @unchecked Sendable {
    package let key: RequestKey
    package let model: LoadedModel
    package let accepted: Moment
    package let deadline: Moment
    private var inputs: [Tensor]
    private let wanted: [Int]

    /// The answer, encoded but for its place in the link's sequence.
    private(set) var reply: Message?
    /// What of the answer follows in frames of its own, and how many those are.
    private(set) var payload = NamedTensors()
    private(set) var frameCount = 0

    init(
        key: RequestKey,
        model: LoadedModel,
        inputs: [Tensor],
        wanted: [Int],
        accepted: Moment,
        deadline: Moment
    ) {
        self.key = key
        self.model = model
        self.inputs = inputs
        self.wanted = wanted
        self.accepted = accepted
        self.deadline = deadline
    }

    /// Executes the model and encodes the answer; called on an executor's thread.
    ///
    /// - Parameters:
    ///   - started: when the executor took the request.
    ///   - load: how many other requests the worker holds.
    package func execute(on lane: any Lane, started: Moment, load: Int, sender: InstanceID) {
        let outputs: [Tensor]
        do throws(EngineError) {
            outputs = try lane.run(self.inputs, outputs: self.wanted)
        } catch {
            self.fail(ErrorReply(.executionFailed, error.message), sender: sender)
            return
        }
        let finished = Moment(nanoseconds: Reactor.monotonicNanoseconds())
        // The request's frames are let go before the answer takes memory of its own.
        self.inputs = []
        let answer = InferReply(
            timing: InferReply.Timing(
                version: self.model.version,
                queueMicroseconds: (started - self.accepted).wireMicroseconds,
                computeMicroseconds: (finished - started).wireMicroseconds,
                inFlight: UInt32(clamping: load)
            ),
            outputs: self.named(outputs)
        )
        if let problem = TensorPayload.problem(with: answer.outputs) {
            self.fail(
                ErrorReply(.tooLarge, "the outputs are too large: \(problem)"),
                sender: sender
            )
            return
        }
        let layout = answer.layout
        let header = FrameHeader(.result, requestID: self.key.requestID, sender: sender)
        self.reply = Message(byteCount: layout.frameBytes) {
            answer.write(header, layout: layout, into: $0)
        }
        guard layout.frameCount > 0 else { return }
        self.payload = answer.outputs
        self.frameCount = layout.frameCount
    }

    /// Encodes a refusal or failure as the answer.
    package func fail(_ error: ErrorReply, flags: FrameHeader.Flags = [], sender: InstanceID) {
        self.inputs = []
        let header = FrameHeader(
            .error,
            flags: flags,
            requestID: self.key.requestID,
            sender: sender
        )
        self.reply = error.encoded(header, by: Message.init(byteCount:initializingWith:))
    }

    /// Hands the encoded answer out, once.
    func takeReply() -> Message? { self.reply.take() }

    private func named(_ outputs: [Tensor]) -> NamedTensors {
        let signature = self.model.signature.outputs
        var elements: [NamedTensors.Element] = []
        elements.reserveCapacity(outputs.count)
        for (position, tensor) in outputs.enumerated() {
            let index = self.wanted.isEmpty ? position : self.wanted[position]
            elements.append(.init(name: signature[index].name, tensor: tensor))
        }
        return NamedTensors(elements)
    }
}
