import Glibc
import RoostEngine
import RoostTestKit
import RoostWire
import Synchronization
import Testing

@testable import RoostWorker

@Suite
struct BatchProbeTests {
    /// What the probe makes of a model, nothing or a maximum being configured.
    private func settled(
        _ signature: ModelSignature = BatchScene.pairs,
        configured: Int? = nil,
        isOnThread: Bool = false,
        function: @escaping FakeSession.Function
    ) -> ExecutionPolicy {
        var policy = ExecutionPolicy()
        policy.batchMax = configured ?? 1
        policy.weight = 7
        return BatchProbe.settled(
            policy,
            isConfigured: configured != nil,
            isOnThread: isOnThread,
            for: FakeSession(signature, function: function)
        )
    }

    /// Spins: a model whose run takes so long for each row, and so long for each run.
    private func spin(row: Duration, run: Duration, _ rows: Int) {
        let clock = SuspendingClock()
        let end = clock.now + run + row * rows
        while clock.now < end {}
    }

    @Test("a model whose rows are independent and cheap in company is given batches")
    func pays() {
        let policy = self.settled { (inputs) throws(EngineError) in
            self.spin(row: .microseconds(10), run: .milliseconds(2), inputs[0].shape[0])
            return inputs
        }
        #expect(policy.batchMax == BatchProbe.defaultMax)
        #expect(policy.findsBatchSize)
        #expect(policy.batchObjection == nil)
        #expect(policy.weight == 7)
    }

    @Test("who else has the CPU meanwhile does not count, if a run is done by the thread alone")
    func shared() {
        for isOnThread in [true, false] {
            let policy = self.settled(isOnThread: isOnThread) { (inputs) throws(EngineError) in
                let rows = inputs[0].shape[0]
                self.spin(row: .zero, run: .milliseconds(1), rows)
                // As if another had it for so long.
                if rows == 8 { usleep(40_000) }
                return inputs
            }
            #expect(policy.batchMax == (isOnThread ? BatchProbe.defaultMax : 1))
        }
    }

    @Test("a model that takes eight times as long for eight rows is given none, unless told to")
    func gainsNothing() {
        let function: FakeSession.Function = { (inputs) throws(EngineError) in
            self.spin(row: .milliseconds(2), run: .zero, inputs[0].shape[0])
            return inputs
        }
        let policy = self.settled(function: function)
        #expect(policy.batchMax == 1)
        #expect(policy.batchObjection?.contains("gains nothing") == true)
        let configured = self.settled(configured: 16, function: function)
        #expect(configured.batchMax == 16)
        #expect(!configured.findsBatchSize)
        #expect(configured.batchObjection == nil)
    }

    @Test("rows that depend on each other are never joined, whatever is configured")
    func dependent() {
        // Less the mean of the batch.
        let lessMean: FakeSession.Function = { (inputs) throws(EngineError) in
            let values: [Float] = inputs[0].elements() ?? []
            let mean = values.reduce(0, +) / Float(values.count)
            return [Tensor(values.map { $0 - mean }, shape: inputs[0].shape)]
        }
        // The other way round.
        let reversed: FakeSession.Function = { (inputs) throws(EngineError) in
            let values: [Float] = inputs[0].elements() ?? []
            let rows = stride(from: 0, to: values.count, by: 2).map { values[$0..<($0 + 2)] }
            return [Tensor(rows.reversed().flatMap { Array($0) }, shape: inputs[0].shape)]
        }
        // Each time something else.
        let random: FakeSession.Function = { (inputs) throws(EngineError) in
            let values = (0..<(2 * inputs[0].shape[0])).map { _ in Float.random(in: 0...1) }
            return [Tensor(values, shape: inputs[0].shape)]
        }
        // Sums of rows that only many show.
        let crowded: FakeSession.Function = { (inputs) throws(EngineError) in
            var values: [Float] = inputs[0].elements() ?? []
            if values.count > 8 { values[0] += 1 }
            return [Tensor(values, shape: inputs[0].shape)]
        }
        let models = [lessMean, reversed, random, crowded]
        for model in models {
            for configured in [nil, 16] {
                let policy = self.settled(configured: configured, function: model)
                #expect(policy.batchMax == 1)
                #expect(policy.batchObjection?.contains("depend on each other") == true)
            }
        }
    }

    @Test("a model that gives another number of rows is not joined for")
    func otherRows() {
        let policy = self.settled(configured: 4) { (inputs) throws(EngineError) in
            [Tensor([1, 2] as [Float], shape: [1, 2])]
        }
        #expect(policy.batchMax == 1)
        #expect(policy.batchObjection?.contains("rows") == true)
    }

    @Test("a signature without an open first axis is the reason itself")
    func signature() {
        let signature = ModelSignature(
            inputs: [TensorSignature(name: "x", datatype: .fp32, dimensions: [.fixed(1)])],
            outputs: [TensorSignature(name: "y", datatype: .fp32, dimensions: [.fixed(1)])]
        )
        let policy = self.settled(signature, configured: 4) { (_) throws(EngineError) in
            Issue.record("it need not be run")
            return []
        }
        #expect(policy.batchMax == 1)
        #expect(policy.batchObjection?.contains("'x'") == true)
    }

    @Test("a model that refuses everything is served without joining; one that is configured, with")
    func refuses() {
        let function: FakeSession.Function = { (_) throws(EngineError) in
            throw EngineError(.executionFailed, "no", engine: "fake")
        }
        #expect(self.settled(function: function).batchMax == 1)
        #expect(self.settled(function: function).batchObjection?.contains("refuses") == true)
        #expect(self.settled(configured: 4, function: function).batchMax == 4)
    }

    @Test("open axes of sixteen are tried, then of one")
    func openAxes() {
        let signature = BatchScene.signature(
            inputs: [(.int64, [.dynamic("n")])],
            outputs: [(.int64, [.dynamic("n")])]
        )
        let sizes = Mutex<Set<Int>>([])
        let policy = self.settled(signature, configured: 4) { (inputs) throws(EngineError) in
            let size = inputs[0].shape[1]
            sizes.withLock { _ = $0.insert(size) }
            guard size == 1 else {
                throw EngineError(.executionFailed, "too long", engine: "fake")
            }
            let values: [Int64] = inputs[0].elements() ?? []
            guard values.allSatisfy({ $0 == 0 || $0 == 1 }) else {
                throw EngineError(.executionFailed, "out of bounds", engine: "fake")
            }
            return inputs
        }
        #expect(policy.batchMax == 4)
        #expect(sizes.withLock { $0 } == [16, 1])
    }

    @Test("a slow model is run few times, and with no more than two rows")
    func slow() {
        let rows = Mutex<[Int]>([])
        let policy = self.settled { (inputs) throws(EngineError) in
            rows.withLock { $0.append(inputs[0].shape[0]) }
            self.spin(row: .zero, run: .milliseconds(260), 0)
            return inputs
        }
        #expect(rows.withLock { $0 } == [1, 1, 2])
        #expect(policy.batchMax == BatchProbe.defaultMax)
    }

    @Test("results of another order of sums are the same, and so is nothing that is no number")
    func rounding() {
        for (noise, isEqual) in [(1e-5, true), (1e-1, false)] as [(Float, Bool)] {
            let policy = self.settled(configured: 8) { (inputs) throws(EngineError) in
                var values: [Float] = inputs[0].elements() ?? []
                if values.count > 2 { for index in values.indices { values[index] *= 1 + noise } }
                values[values.count - 1] = .nan
                return [Tensor(values, shape: inputs[0].shape)]
            }
            // The last row's NaN stands in every single run, and in no other row of a batch.
            #expect(policy.batchMax == 1)
            let finite = self.settled(configured: 8) { (inputs) throws(EngineError) in
                var values: [Float] = inputs[0].elements() ?? []
                if values.count > 2 { for index in values.indices { values[index] *= 1 + noise } }
                for index in stride(from: 1, to: values.count, by: 2) { values[index] = .nan }
                return [Tensor(values, shape: inputs[0].shape)]
            }
            #expect((finite.batchMax == 8) == isEqual)
        }
    }

    @Test("the digits model takes batches", .enabled(if: Repository.hasEngine))
    func digits() throws {
        let listing = ModelRepository(directory: Repository.exampleModels).scan()
        let source = try #require(listing.sources.first)
        let session = try ONNXRuntime().load(source, options: SessionOptions())
        let policy = BatchProbe.settled(
            ExecutionPolicy(),
            isConfigured: false,
            for: session
        )
        #expect(policy.batchMax == BatchProbe.defaultMax)
    }
}
