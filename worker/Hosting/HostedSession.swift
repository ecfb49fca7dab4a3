internal import RoostEngine
internal import Synchronization

/// A ``HostedModel`` as the worker executes it: its instances, of which each execution takes one.
///
/// They are made when it is loaded, as many as are executed at once, so that one is always free.
class HostedSession: Session, @unchecked Sendable {
    // `@unchecked Sendable`, since subclasses have to repeat it: everything is constant or locked.

    /// What executes one request at a time. It belongs to the thread that has taken it out of the
    /// session's lock: that is the promise behind `@unchecked Sendable`.
    final class Instance: @unchecked Sendable {
        var session: any ModelSession
        init(_ session: sending any ModelSession) { self.session = session }
    }

    let name: String
    let signature: ModelSignature
    let metadata: [(key: String, value: String)]
    private let free: Mutex<[Instance]>

    fileprivate init(_ model: HostedModel, _ signature: ModelSignature, _ instances: [Instance]) {
        self.name = model.name
        self.signature = signature
        self.metadata = model.metadata.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        self.free = Mutex(instances)
    }

    func makeLane() throws(EngineError) -> any Lane { HostedLane(self) }

    /// Has one of the instances do something; what it throws becomes the engine's error.
    func execute<Result>(
        _ body: (inout any ModelSession) throws -> Result
    ) throws(EngineError) -> Result {
        guard let instance = self.free.withLock({ $0.popLast() }) else {
            throw EngineError(.executionFailed, "model '\(self.name)' is busy", engine: "swift")
        }
        defer { self.free.withLock { $0.append(instance) } }
        do {
            return try body(&instance.session)
        } catch {
            throw self.error(error)
        }
    }

    /// What a client is told of an error of the model's.
    func error(_ error: any Error) -> EngineError {
        if let error = error as? EngineError { return error }
        if let error = error as? InferenceError, error.code == .invalidInput {
            return EngineError(.inputRefused, error.message, engine: "swift")
        }
        return self.failure("failed: \(error)")
    }

    private func failure(_ reason: String) -> EngineError {
        EngineError(.executionFailed, "model '\(self.name)' \(reason)", engine: "swift")
    }

    func named(_ inputs: [Tensor]) -> NamedTensors {
        NamedTensors(
            zip(self.signature.inputs, inputs).map {
                NamedTensors.Element(name: $0.name, tensor: $1)
            }
        )
    }

    /// The wanted outputs, in the signature's order unless it is said; all of them are checked.
    func arrange(_ outputs: NamedTensors, _ wanted: [Int]) throws(EngineError) -> [Tensor] {
        let expected = self.signature.outputs
        if let other = outputs.first(where: { output in
            !expected.contains { $0.name == output.name }
        }) {
            throw self.failure("gave '\(other.name)', which its signature does not have")
        }
        var tensors: [Tensor] = []
        for output in expected {
            guard let tensor = outputs[output.name] else {
                throw self.failure("gave no output '\(output.name)'")
            }
            guard tensor.datatype == output.datatype, output.accepts(tensor.shape) else {
                throw self.failure(
                    "gave output '\(output.name)' as \(tensor); its signature says '\(output)'"
                )
            }
            tensors.append(tensor)
        }
        return wanted.isEmpty ? tensors : wanted.map { tensors[$0] }
    }
}

private final class HostedLane: Lane {
    private let session: HostedSession

    init(_ session: HostedSession) { self.session = session }

    func run(
        _ inputs: [Tensor],
        outputs: [Int],
        cancellation _: RunCancellation?
    ) throws(EngineError) -> [Tensor] {
        let given = self.session.named(inputs)
        return try self.session.arrange(self.session.execute { try $0.infer(given) }, outputs)
    }
}

// MARK: Loading

extension HostedSession {
    /// Makes a model's instances and warms them. Blocks for as long as that takes.
    ///
    /// - Parameter executors: how many the host has.
    static func load(_ model: HostedModel, executors: Int) throws(RoostError) -> LoadedModel {
        let title = "model '\(model.name)/\(model.version)'"
        func problem(_ text: String) -> RoostError {
            RoostError(.invalidConfiguration, "\(title): \(text)")
        }
        if let first = model.problems().first { throw problem(first) }
        var instances: [Instance] = []
        do {
            for _ in 0..<min(model.instances ?? executors, executors) {
                let instance = Instance(try model.make())
                try instance.session.warmUp()
                instances.append(instance)
            }
        } catch {
            throw problem("cannot be made: \(error)")
        }
        let (signature, rowsMax) = (
            instances[0].session.signature, instances[0].session.rowsMax
        )
        let policy = model.policy(rowsMax: rowsMax)
        if let first = policy.problems().first { throw problem(first) }
        if rowsMax > 1, let objection = BatchAxis.objection(to: signature) {
            throw problem("its rows cannot be joined, as its rowsMax asks for: \(objection)")
        }
        if let first = Self.problem(with: signature, state: model.state) { throw problem(first) }
        let session =
            instances[0].session is any StreamingModelSession
            ? HostedStreamingSession(model, signature, instances)
            : HostedSession(model, signature, instances)
        return LoadedModel(
            name: model.name,
            version: UInt32(model.version),
            engine: "swift",
            session: session,
            policy: policy,
            state: model.state,
            cache: model.cache?.limits
        )
    }

    private static func problem(
        with signature: ModelSignature,
        state: [String: String]
    ) -> String? {
        for tensors in [signature.inputs, signature.outputs] {
            let names = Set(tensors.map(\.name))
            guard names.count == tensors.count, tensors.count <= WireLimits.tensorsMax else {
                return "its inputs, like its outputs, must be at most 64 of different names"
            }
            for tensor in tensors {
                guard (1...WireLimits.nameBytesMax).contains(tensor.name.utf8.count),
                    tensor.dimensions.count <= Shape.rankMax
                else { return "'\(tensor)' must have a name of 1 to 255 bytes and 8 dimensions" }
            }
        }
        for (input, output) in state {
            guard let from = signature.outputs.first(where: { $0.name == output }),
                let to = signature.inputs.first(where: { $0.name == input }),
                from.datatype == to.datatype
            else { return "its state '\(input)' = '\(output)' is no input and output of one type" }
        }
        guard Set(state.values).count == state.count else {
            return "two of its state's inputs are given the same output"
        }
        return nil
    }
}

/// A ``HostedModel`` that gives streams.
private final class HostedStreamingSession: HostedSession, StreamingSession, @unchecked Sendable {
    let takesInputs: Bool

    override init(_ model: HostedModel, _ signature: ModelSignature, _ instances: [Instance]) {
        let session = instances[0].session as? any StreamingModelSession
        self.takesInputs = session.map { Self.takesInputs($0) } ?? false
        super.init(model, signature, instances)
    }

    private static func takesInputs<Model: StreamingModelSession>(_: Model) -> Bool {
        Model.Stream.self is any OpenItemStream.Type
    }

    func stream(_ inputs: [Tensor], outputs: [Int]) throws(EngineError) -> any ModelStream {
        let given = self.named(inputs)
        let items: any ItemStream = try self.execute { session in
            guard var streaming = session as? any StreamingModelSession else {
                preconditionFailure("model '\(self.name)' has instances of different types")
            }
            // What it changes in itself is kept.
            defer { session = streaming }
            return try Self.begin(&streaming, given)
        }
        if let open = items as? any OpenItemStream {
            return HostedOpenStream(self, open, wanted: outputs)
        }
        return HostedStream(self, items, wanted: outputs)
    }

    private static func begin(
        _ session: inout any StreamingModelSession,
        _ inputs: NamedTensors
    ) throws -> any ItemStream {
        try session.stream(inputs)
    }
}

private final class HostedStream: ModelStream {
    private let session: HostedSession
    private var items: any ItemStream
    private let wanted: [Int]

    init(_ session: HostedSession, _ items: any ItemStream, wanted: [Int]) {
        self.session = session
        self.items = items
        self.wanted = wanted
    }

    func next() throws(EngineError) -> [Tensor]? {
        let item: NamedTensors?
        do { item = try self.items.next() } catch { throw self.session.error(error) }
        guard let item else { return nil }
        return try self.session.arrange(item, self.wanted)
    }
}

private final class HostedOpenStream: OpenModelStream {
    private let session: HostedSession
    private var items: any OpenItemStream
    private let wanted: [Int]

    init(_ session: HostedSession, _ items: any OpenItemStream, wanted: [Int]) {
        self.session = session
        self.items = items
        self.wanted = wanted
    }

    var isOver: Bool { self.items.isOver }

    func next() throws(EngineError) -> [Tensor]? {
        let item: NamedTensors?
        do { item = try self.items.next() } catch { throw self.session.error(error) }
        guard let item else { return nil }
        return try self.session.arrange(item, self.wanted)
    }

    func take(_ inputs: NamedTensors) throws(EngineError) {
        do { try self.items.take(inputs) } catch { throw self.session.error(error) }
    }

    func finish() throws(EngineError) {
        do { try self.items.finish() } catch { throw self.session.error(error) }
    }
}
