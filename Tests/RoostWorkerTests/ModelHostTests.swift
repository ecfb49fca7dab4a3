import RoostClient
import RoostTestKit
import Synchronization
import Testing

@testable import RoostWorker

/// Hosts of Swift code in a fleet with a broker and clients.
@Suite(.timeLimit(.minutes(1)))
struct ModelHostTests {
    private static func vector(_ name: String) -> TensorSignature {
        TensorSignature(name: name, datatype: .fp32, dimensions: [.dynamic("n")])
    }

    private static let signature = ModelSignature(
        inputs: [Self.vector("x")],
        outputs: [Self.vector("y")]
    )

    private struct Failure: Error {}

    /// Gives back what it is given, times a number. A negative input it refuses, at 13 it fails.
    private struct Times: ModelSession {
        let signature = ModelHostTests.signature
        var factor: Float = 1
        var rowsMax = 1
        var gate: Gate?
        var executed: @Sendable (Int) -> Void = { _ in }

        func infer(_ inputs: NamedTensors) throws -> NamedTensors {
            let x = inputs["x"]?.elements(as: Float.self) ?? []
            self.executed(x.count)
            self.gate?.pass()
            if x.contains(where: { $0 < 0 }) { throw InferenceError(.invalidInput, "too small") }
            if x.contains(13) { throw Failure() }
            return ["y": Tensor(x.map { $0 * self.factor }, shape: [x.count])]
        }
    }

    /// Gives the sums of what it is given.
    private struct Sums: StreamingModelSession {
        let signature = ModelHostTests.signature

        func stream(_ inputs: NamedTensors) throws -> Stream {
            var stream = Stream()
            try stream.take(inputs)
            return stream
        }

        struct Stream: OpenItemStream {
            private var sum: Float = 0
            private var item: Float?
            private(set) var isOver = false

            mutating func take(_ inputs: NamedTensors) throws {
                let x = inputs["x"]?.elements(as: Float.self)?.first ?? 0
                guard x != 13 else { throw Failure() }
                self.isOver = x == 0
                self.sum += x
                self.item = self.isOver ? nil : self.sum
            }

            mutating func next() -> NamedTensors? {
                self.item.take().map { ["y": Tensor([$0], shape: [1])] }
            }

            mutating func finish() { self.item = -self.sum }
        }
    }

    /// Counts down, and takes no inputs.
    private struct Countdown: StreamingModelSession {
        let signature = ModelHostTests.signature

        func stream(_ inputs: NamedTensors) -> Stream {
            Stream(number: inputs["x"]?.elements(as: Float.self)?.first ?? 0)
        }

        struct Stream: ItemStream {
            var number: Float

            mutating func next() -> NamedTensors? {
                guard self.number > 0 else { return nil }
                self.number -= 1
                return ["y": Tensor([self.number], shape: [1])]
            }
        }
    }

    private final class Notes: Sendable {
        private let notes = Mutex<[String]>([])
        var all: [String] { self.notes.withLock { $0 } }
        func add(_ note: String) { self.notes.withLock { $0.append(note) } }
    }

    private func configuration(_ fleet: InProcessFleet) throws -> HostConfiguration {
        var configuration = HostConfiguration(brokers: fleet.brokerEndpoints)
        configuration.id = "host"
        configuration.listen = [try Endpoint("tcp://127.0.0.1:*")]
        configuration.executors = 2
        configuration.offersLocalSocket = false
        configuration.log = { _ in }
        return configuration
    }

    private func with(
        _ models: [HostedModel],
        configure: (inout HostConfiguration) -> Void = { _ in },
        _ body: (ModelHost, FleetClient) async throws -> Void
    ) async throws {
        try await InProcessFleet.with { fleet in
            var configuration = try self.configuration(fleet)
            configure(&configuration)
            let host = ModelHost(models, configuration: configuration)
            try await host.start()
            let client = try fleet.client()
            let outcome: Result<Void, any Error>
            do {
                outcome = .success(try await body(host, client))
            } catch {
                outcome = .failure(error)
            }
            await client.close()
            await host.stop()
            try outcome.get()
        }
    }

    private func x(_ values: Float...) -> NamedTensors {
        ["x": Tensor(values, shape: [values.count])]
    }

    private func y(_ result: InferenceResult) -> [Float] { result.outputs["y"]?.elements() ?? [] }

    private func y(_ item: InferenceItem) -> Float {
        item.outputs["y"]?.elements(as: Float.self)?.first ?? .nan
    }

    @Test("a request is answered by Swift code; what that throws fails the request alone")
    func unary() async throws {
        try await self.with([HostedModel("times") { Times(factor: 2) }]) { host, client in
            let result = try await client.infer(model: "times", inputs: self.x(1, 2))
            #expect(self.y(result) == [2, 4])
            #expect(result.worker == "host")
            #expect(host.endpoint != nil)
            for (value, code, text) in [
                (-1, .invalidInput, "too small"), (13, .executionFailed, "Failure"),
            ] as [(Float, InferenceError.Code, String)] {
                let error = await #expect(throws: InferenceError.self) {
                    try await client.infer(model: "times", inputs: self.x(value))
                }
                #expect(error?.code == code)
                #expect(error?.message.contains(text) == true)
            }
            let again = try await client.infer(model: "times", inputs: self.x(3))
            #expect(self.y(again) == [6])
        }
    }

    @Test("equal requests are executed once by a model with a cache, and each by one without")
    func cached() async throws {
        let executions = Mutex(0)
        func times(_ name: String) -> HostedModel {
            HostedModel(name) { Times(factor: 2) { _ in executions.withLock { $0 += 1 } } }
        }
        var cached = times("cached")
        cached.cache = HostedModel.Cache(bytesMax: 1 << 20)
        cached.cache?.lifetime = .seconds(3_600)
        try await self.with([cached, times("plain")]) { _, client in
            for (name, count) in [("cached", 1), ("plain", 3)] {
                executions.withLock { $0 = 0 }
                for _ in 1...3 {
                    let result = try await client.infer(model: name, inputs: self.x(1, 2))
                    #expect(self.y(result) == [2, 4])
                }
                #expect(executions.withLock { $0 } == count)
            }
            let statistics = try await client.statistics(of: "host")
            #expect(statistics.map(\.cache?.hits) == [2, nil])
        }
    }

    @Test("requests that wait are joined up to what the model takes, and a bad one fails alone")
    func joined() async throws {
        let gate = Gate()
        let rows = Mutex<[Int]>([])
        var model = HostedModel("times") {
            Times(rowsMax: 4, gate: gate) { count in rows.withLock { $0.append(count) } }
        }
        model.instances = 1
        try await self.with([model]) { _, client in
            async let first = client.infer(model: "times", inputs: self.x(100))
            try await gate.waitForArrivals(1)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for value in 1...5 {
                    group.addTask {
                        let result = try await client.infer(
                            model: "times",
                            inputs: self.x(Float(value))
                        )
                        #expect(self.y(result) == [Float(value)])
                    }
                }
                group.addTask {
                    await #expect(throws: InferenceError.self) {
                        try await client.infer(model: "times", inputs: self.x(13))
                    }
                }
                try await eventually("all are sent") {
                    try await client.workers().first?.inFlight == 7
                }
                // What was sent before a question was received before its answer, and is given to the
                // scheduler before the next question is heard.
                for _ in 1...2 { _ = try await client.statistics(of: "host") }
                gate.open(20)
                try await group.waitForAll()
            }
            #expect(self.y(try await first) == [100])
            let sizes = rows.withLock { $0 }
            #expect(sizes.max() == 4)
        }
    }

    @Test("versions and labels lead to the models that have them")
    func versions() async throws {
        let models = (1...3).map { version in
            var model = HostedModel("times", version: version) { Times(factor: Float(version)) }
            model.labels = version == 1 ? ["stable"] : version == 3 ? ["canary"] : []
            return model
        }
        try await self.with(models) { _, client in
            let x = self.x(1)
            #expect(self.y(try await client.infer(model: "times", inputs: x)) == [1])
            #expect(self.y(try await client.infer(model: "times", version: 2, inputs: x)) == [2])
            let canary = try await client.infer(model: "times", label: "canary", inputs: x)
            #expect(self.y(canary) == [3])
        }
    }

    @Test("the state of a sequence goes from request to request")
    func sequence() async throws {
        struct Adds: ModelSession {
            let signature = ModelSignature(
                inputs: [ModelHostTests.vector("before"), ModelHostTests.vector("x")],
                outputs: [ModelHostTests.vector("y"), ModelHostTests.vector("after")]
            )
            func infer(_ inputs: NamedTensors) -> NamedTensors {
                let (before, x): ([Float], [Float]) = (
                    inputs["before"]?.elements() ?? [], inputs["x"]?.elements() ?? []
                )
                let sum = Tensor(zip(before, x).map { $0 + $1 }, shape: [x.count])
                return ["y": sum, "after": sum]
            }
        }
        var model = HostedModel("adds") { Adds() }
        model.state = ["before": "after"]
        try await self.with([model]) { _, client in
            let sequence = client.sequence(model: "adds")
            for sum in [1, 2, 3] as [Float] {
                let result = try await sequence.infer(inputs: self.x(1))
                #expect(self.y(result) == [sum])
            }
            try await sequence.end()
        }
    }

    @Test("items come one by one, and end")
    func stream() async throws {
        try await self.with([HostedModel("countdown") { Countdown() }]) { _, client in
            var items: [Float] = []
            for try await item in client.stream(model: "countdown", inputs: self.x(3)) {
                items.append(self.y(item))
            }
            #expect(items == [2, 1, 0])
            let unary = await #expect(throws: InferenceError.self) {
                try await client.infer(model: "countdown", inputs: self.x(3))
            }
            #expect(unary?.code == .invalidInput)
            #expect(unary?.message.contains("ask it for a stream") == true)
            let open = await #expect(throws: InferenceError.self) {
                let stream = client.openStream(model: "countdown", inputs: self.x(3))
                for try await _ in stream {}
            }
            #expect(open?.code == .invalidInput)
        }
    }

    @Test("inputs and items go to and fro, until one side ends")
    func conversation() async throws {
        try await self.with([HostedModel("sums") { Sums() }]) { _, client in
            let stream = client.openStream(model: "sums", inputs: self.x(1))
            var items: [Float] = []
            for try await item in stream {
                items.append(self.y(item))
                if items.count < 4 {
                    try await stream.send(self.x(2))
                } else if items.count == 4 {
                    stream.finish()
                }
            }
            #expect(items == [1, 3, 5, 7, -7])

            let ended = client.openStream(model: "sums", inputs: self.x(1))
            var count = 0
            for try await _ in ended {
                count += 1
                try await ended.send(self.x(0))
            }
            #expect(count == 1)

            let failed = client.openStream(model: "sums", inputs: self.x(1))
            let error = await #expect(throws: InferenceError.self) {
                for try await _ in failed { try await failed.send(self.x(13)) }
            }
            #expect(error?.code == .executionFailed)
        }
    }

    @Test("what cannot start says why, and a host starts once")
    func problems() async throws {
        try await InProcessFleet.with { fleet in
            var broken = try self.configuration(fleet)
            broken.executors = 0
            let times = HostedModel("times") { Times() }
            var labelled = [times, HostedModel("times", version: 2) { Times() }]
            for index in labelled.indices { labelled[index].labels = ["stable"] }
            let good = try self.configuration(fleet)
            let many = (1...257).map { HostedModel("m\($0)") { Times() } }
            for (models, configuration, text) in [
                ([], good, "no model"), ([times, times], good, "more than once"),
                (labelled, good, "same label"), ([times], broken, "executors must be"),
                (many, good, "at most 256"),
                ([HostedModel("x") { () throws -> Times in throw Failure() }], good, "'x/1'"),
            ] {
                let host = ModelHost(models, configuration: configuration)
                let error = await #expect(throws: RoostError.self) { try await host.start() }
                #expect(error?.code == .invalidConfiguration)
                #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
                #expect(host.endpoint == nil)
            }
            let host = ModelHost([times], configuration: good)
            try await host.start()
            let again = await #expect(throws: RoostError.self) { try await host.start() }
            #expect(again?.code == .stopped)
            await host.stop()
            await host.stop()
            #expect(host.endpoint == nil)
        }
    }

    @Test("what was accepted is answered before a host has stopped")
    func stop() async throws {
        let gate = Gate()
        try await self.with([HostedModel("times") { Times(gate: gate) }]) { host, client in
            async let result = client.infer(model: "times", inputs: self.x(1))
            try await gate.waitForArrivals(1)
            async let stopped: Void = host.stop()
            gate.open()
            #expect(self.y(try await result) == [1])
            await stopped
        }
    }

    @Test("a model that does not come back does not keep a host from stopping")
    func hanging() async throws {
        let (gate, notes) = (Gate(), Notes())
        try await self.with(
            [HostedModel("times") { Times(gate: gate) }],
            configure: {
                $0.drainLimit = .milliseconds(200)
                $0.log = { notes.add($0) }
            }
        ) { host, client in
            let asking = Task { try await client.infer(model: "times", inputs: self.x(1)) }
            try await gate.waitForArrivals(1)
            await host.stop()
            #expect(notes.all.contains { $0.contains("still computes") })
            asking.cancel()
            _ = await asking.result
            gate.open()
        }
    }

    @Test("a host that runs stops when its task is cancelled")
    func run() async throws {
        try await InProcessFleet.with { fleet in
            let host = ModelHost(
                [HostedModel("times") { Times() }],
                configuration: try self.configuration(fleet)
            )
            let running = Task { try await host.run() }
            try await fleet.waitForWorkers(1)
            running.cancel()
            try await running.value
            #expect(host.endpoint == nil)
        }
    }
}
