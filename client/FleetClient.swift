public import RoostWire
internal import Synchronization
package import ZeroMQ

/// A service's way to the fleet: asks the broker once who serves what, then talks to the workers
/// directly, in rotation.
///
/// ```swift
/// let client = try FleetClient(brokers: [Endpoint("tcp://127.0.0.1:7100")])
/// let result = try await client.infer(model: "digits", inputs: ["image": image])
/// let probabilities: [Float]? = result.outputs["probabilities"]?.elements()
/// await client.close()
/// ```
///
/// One client serves a whole process; it may be used from any task. The first call opens it. While
/// the broker is away it goes on with the workers it knows.
///
/// A service that makes many small calls saves two thread changes for each by making them on the
/// client's own executor; nothing that runs there may block:
///
/// ```swift
/// await withTaskExecutorPreference(client.executor) { ... }
/// ```
public final class FleetClient: Sendable {
    let fleet: Fleet
    let configuration: ClientConfiguration
    let isClosed = Atomic(false)

    /// A client of the fleet that those brokers know. It follows two of them at a time, and others
    /// in the place of those that are lost.
    ///
    /// Throws if there is no broker in the list, or the configuration contradicts itself. No
    /// connection is made yet.
    public convenience init(
        brokers: [Endpoint],
        configuration: ClientConfiguration = ClientConfiguration()
    ) throws(RoostError) {
        let reactor: Reactor
        do {
            reactor = try Reactor.shared.get()
        } catch {
            throw RoostError(.io, "cannot start the I/O thread: \(error)")
        }
        try self.init(brokers: brokers, configuration: configuration, on: reactor)
    }

    package init(
        brokers: [Endpoint],
        configuration: ClientConfiguration,
        on reactor: Reactor
    ) throws(RoostError) {
        var problems = configuration.problems()
        if brokers.isEmpty { problems.append("there is no broker in the list") }
        guard problems.isEmpty else {
            throw RoostError(.invalidConfiguration, problems.joined(separator: "; "))
        }
        self.configuration = configuration
        self.fleet = Fleet(brokers: brokers, configuration: configuration, on: reactor)
    }

    deinit {
        // The reactor of a closed client may have been stopped, and would keep the post for ever.
        guard !self.isClosed.load(ordering: .relaxed) else { return }
        // The sockets keep the fleet alive, and it them, until they are closed.
        let fleet = self.fleet
        fleet.reactor.post { fleet.assumeIsolated { $0.close() } }
    }

    /// The client's I/O thread, for `withTaskExecutorPreference`.
    public var executor: any TaskExecutor { self.fleet.reactor.taskExecutor }

    /// Runs a model on the inputs.
    ///
    /// - Parameters:
    ///   - model: the model's name.
    ///   - version: its version; `nil` for that of the label.
    ///   - label: the label of the version, such as `canary`; of no account beside a version. `nil`
    ///     for the version that the chosen worker has as `stable` or, without one, the highest.
    ///   - inputs: a tensor for each of the model's inputs, of the datatype and shape that its
    ///     signature calls for; together at most 64 MiB.
    /// - Throws: an ``InferenceError`` when the worker refuses or fails, when no worker could be
    ///   reached by the deadline, and when the task is cancelled. A lost worker is no error as long
    ///   as another can take the request and executing it twice does no harm.
    public func infer(
        model: String,
        version: Int? = nil,
        label: String? = nil,
        inputs: NamedTensors,
        options: InferenceOptions = InferenceOptions()
    ) async throws(InferenceError) -> InferenceResult {
        let call = Call(
            .infer,
            try Self.request(model, version, label, inputs, options),
            deadline: try Self.deadline(after: options.timeout),
            isIdempotent: options.isIdempotent,
            affinity: options.affinityKey.map(Rendezvous.hash),
            fleet: self.fleet
        )
        return try Self.result(await Self.ask(call))
    }

    /// What a model takes and gives, as one of its workers says.
    public func describe(
        model: String,
        version: Int? = nil,
        label: String? = nil,
        timeout: Duration = .seconds(5)
    ) async throws(InferenceError) -> ModelDescription {
        let call = Call(
            .describe,
            InferRequest(
                model: model,
                version: try Self.checked(model, version),
                label: try Self.checked(label),
                inputs: NamedTensors()
            ),
            deadline: try Self.deadline(after: timeout),
            isIdempotent: true,
            fleet: self.fleet
        )
        switch await Self.ask(call) {
        case .description(let description): return description
        case .failure(let error): throw error
        default:
            throw InferenceError(.protocolViolation, "the worker answered another question")
        }
    }

    /// How far each version of each model has come at one worker: also those that do not serve, and
    /// why.
    ///
    /// - Parameters:
    ///   - worker: its name.
    ///   - model: which model; `nil` for all.
    public func models(
        of worker: String,
        model: String? = nil,
        timeout: Duration = .seconds(5)
    ) async throws(InferenceError) -> [ModelStatus] {
        if let model { _ = try Self.checked(model, nil) }
        return try await self.states(
            .models,
            InferRequest(model: model ?? "", inputs: NamedTensors()),
            worker,
            timeout
        )
    }

    /// Has one worker load, unload or reload versions of a model, and waits until it has.
    ///
    /// An order holds until the version's files change. A version that cannot be loaded is no error
    /// of the call: its status says why.
    ///
    /// - Parameters:
    ///   - version: which; `nil` for all that the worker's repository has: to load them is to leave
    ///     the choice to the worker's policy again.
    ///   - worker: its name.
    /// - Returns: the model's versions as they are then.
    public func order(
        _ order: ModelOrder,
        model: String,
        version: Int? = nil,
        worker: String,
        timeout: Duration = .seconds(60)
    ) async throws(InferenceError) -> [ModelStatus] {
        try await self.states(
            .control(order.action),
            InferRequest(
                model: model,
                version: try Self.checked(model, version),
                inputs: NamedTensors()
            ),
            worker,
            timeout
        )
    }

    /// What one worker has done for the requests of each version that serves there.
    ///
    /// - Parameters:
    ///   - worker: its name.
    ///   - model: which model; `nil` for all.
    public func statistics(
        of worker: String,
        model: String? = nil,
        timeout: Duration = .seconds(5)
    ) async throws(InferenceError) -> [ModelStatistics] {
        if let model { _ = try Self.checked(model, nil) }
        let call = Call(
            .statistics,
            InferRequest(model: model ?? "", inputs: NamedTensors()),
            deadline: try Self.deadline(after: timeout),
            isIdempotent: true,
            worker: worker,
            fleet: self.fleet
        )
        switch await Self.ask(call) {
        case .statistics(let reply):
            return reply.models.enumerated().map { place, counters in
                let cache = reply.caches.first { $0.model == place }
                return ModelStatistics(counters, cache: cache)
            }
        case .failure(let error): throw error
        default:
            throw InferenceError(.protocolViolation, "the worker answered another question")
        }
    }

    private func states(
        _ question: Call.Question,
        _ request: consuming InferRequest,
        _ worker: String,
        _ timeout: Duration
    ) async throws(InferenceError) -> [ModelStatus] {
        let call = Call(
            question,
            request,
            deadline: try Self.deadline(after: timeout),
            isIdempotent: question == .models,
            worker: worker,
            fleet: self.fleet
        )
        switch await Self.ask(call) {
        case .states(let states):
            return states.states.enumerated().map { index, state in
                let memory = index < states.memory.count ? states.memory[index] : nil
                return ModelStatus(state, memory: memory)
            }
        case .failure(let error): throw error
        default:
            throw InferenceError(.protocolViolation, "the worker answered another question")
        }
    }

    /// The workers that are known now, by name; waits until each broker that is followed has
    /// answered or was asked in vain.
    ///
    /// Throws if no broker answers within ``ClientConfiguration/discoveryTimeout`` and there is no
    /// saved list either, and if the client was closed.
    public func workers() async throws(RoostError) -> [WorkerStatus] {
        let hasList = await self.fleet.waitForList(timeout: self.configuration.discoveryTimeout)
        guard await !self.fleet.isClosed else {
            throw RoostError(.stopped, "the client was closed")
        }
        guard hasList else {
            let broker = await self.fleet.discovery.broker
            throw RoostError(
                .brokerUnreachable,
                "no broker answered at \(broker); start one with roost-broker, "
                    + "or correct the address"
            )
        }
        return await self.fleet.workers()
    }

    /// The brokers, in the order in which they are tried.
    public func brokers() async -> [BrokerStatus] { await self.fleet.brokers() }

    /// Why ``ClientConfiguration/listFile`` was passed over or cannot be written; `nil` if it is of
    /// use. A file that is not there yet is no problem.
    public var listFileProblem: RoostError? { get async { await self.fleet.listFileProblem } }

    /// Ends every call with the error `closed`, and every connection. Calling it again is harmless.
    public func close() async {
        await self.fleet.close()
        self.isClosed.store(true, ordering: .relaxed)
    }

    /// Has the fleet answer a call.
    static func ask(_ call: Call) async -> Call.Answer {
        await withTaskCancellationHandler {
            await withUnsafeContinuation { call.submit($0) }
        } onCancel: {
            call.cancel()
        }
    }

    static func result(_ answer: Call.Answer) throws(InferenceError) -> InferenceResult {
        switch answer {
        case .result(let result): return result
        case .failure(let error): throw error
        default:
            throw InferenceError(.protocolViolation, "the worker answered another question")
        }
    }

    /// What is sent for a call; throws if it can never be sent.
    static func request(
        _ model: String,
        _ version: Int?,
        _ label: String?,
        _ inputs: NamedTensors,
        _ options: InferenceOptions
    ) throws(InferenceError) -> InferRequest {
        if let problem = TensorPayload.problem(with: inputs) {
            throw InferenceError(.tooLarge, problem, notExecuted: true)
        }
        guard options.outputs.count <= WireLimits.tensorsMax,
            options.outputs.allSatisfy({ $0.utf8.count <= WireLimits.nameBytesMax })
        else { throw InferenceError(.invalidInput, "too many or too long output names") }
        return InferRequest(
            model: model,
            version: try Self.checked(model, version),
            label: try Self.checked(label),
            priority: options.priority,
            inputs: inputs,
            outputs: options.outputs
        )
    }

    private static func checked(
        _ model: String,
        _ version: Int?
    ) throws(InferenceError) -> UInt32 {
        guard !model.isEmpty, model.utf8.count <= WireLimits.nameBytesMax else {
            throw InferenceError(
                .modelNotFound,
                "'\(model.prefix(32))' is no model's name: it must have 1 to 255 bytes"
            )
        }
        guard let version else { return 0 }
        guard let number = UInt32(exactly: version), number > 0 else {
            throw InferenceError(.modelNotFound, "version \(version) is not a positive integer")
        }
        return number
    }

    private static func checked(_ label: String?) throws(InferenceError) -> String {
        guard let label else { return "" }
        guard !label.isEmpty, label.utf8.count <= WireLimits.labelBytesMax else {
            throw InferenceError(
                .modelNotFound,
                "'\(label.prefix(32))' is no label: it must have 1 to "
                    + "\(WireLimits.labelBytesMax) bytes"
            )
        }
        return label
    }

    static func deadline(after timeout: Duration) throws(InferenceError) -> Moment {
        guard timeout > .zero else {
            throw InferenceError(.deadlineExceeded, "the timeout must be positive")
        }
        return Moment(nanoseconds: Reactor.monotonicNanoseconds()) + timeout
    }
}
