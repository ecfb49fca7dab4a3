import Glibc
import RoostWire
import Synchronization
import Testing

@testable import RoostEngine

@Suite struct FixtureModelTests {
    @Test(
        "every fixture and example in the repositories loads",
        arguments: [
            Fixtures.models, Fixtures.exampleModels,
        ]
    )
    func load(repository: String) throws {
        let listing = ModelRepository(directory: repository).scan()
        #expect(listing.problems.isEmpty)
        #expect(!listing.sources.isEmpty)
        let engine = try ONNXRuntime()
        for source in listing.sources {
            let session = try engine.load(source, options: SessionOptions())
            #expect(!session.signature.inputs.isEmpty)
            #expect(!session.signature.outputs.isEmpty)
        }
    }

    @Test("identity gives its input back")
    func identity() throws {
        let session = try Fixtures.session("identity")
        #expect(session.signature.inputs.map(\.description) == ["x FP32 [n]"])
        let input = Tensor([1, .nan, -0.0] as [Float], shape: [3])
        let output = try session.makeLane().run([input])[0]
        #expect(output.withUnsafeBytes { Array($0) } == input.withUnsafeBytes { Array($0) })
    }

    @Test("the thirteen types of one model go through together, in any order asked for")
    func types() throws {
        let session = try Fixtures.session("types")
        let names = session.signature.inputs.map(\.datatype)
        #expect(Set(names) == Set(DataType.allCases).subtracting([.bytes]))
        var tensors = NamedTensors()
        for input in session.signature.inputs.reversed() {
            let bytes = (0..<(3 * input.datatype.byteWidth!)).map { UInt8($0 & 1) }
            tensors.append(
                input.name,
                bytes.withUnsafeBytes { Tensor(datatype: input.datatype, shape: [3], bytes: $0)! }
            )
        }
        let inputs = try session.signature.arrange(tensors, model: "types")
        let outputs = try session.makeLane().run(inputs)
        for (input, output) in zip(inputs, outputs) {
            #expect(output.datatype == input.datatype)
            #expect(output.withUnsafeBytes { Array($0) } == input.withUnsafeBytes { Array($0) })
        }
    }

    @Test("two versions of a model differ")
    func versions() throws {
        let input = Tensor([1, 2, 3, 4] as [Float], shape: [1, 4])
        let first = try Fixtures.session("matrix", version: 1).makeLane().run([input])[0]
        let second = try Fixtures.session("matrix", version: 2).makeLane().run([input])[0]
        #expect(first.elements() == [4, 6] as [Float])
        #expect(second.elements() == [20, -30] as [Float])
    }

    @Test("a product of no rows has no rows")
    func zeroRows() throws {
        let input = Tensor([Float](), shape: [0, 4])
        let output = try Fixtures.session("matrix").makeLane().run([input])[0]
        #expect(output.shape == [0, 2])
        #expect(output.byteCount == 0)
    }

    @Test("a scalar is doubled")
    func scalar() throws {
        let session = try Fixtures.session("scalar")
        #expect(session.signature.inputs[0].dimensions.isEmpty)
        let output = try session.makeLane().run([Tensor([21] as [Float], shape: [])])[0]
        #expect(output.shape == [])
        #expect(output.elements() == [42] as [Float])
    }

    @Test("strings come back")
    func bytes() throws {
        let strings = ["", "a", String(repeating: "ü", count: 1000)]
        let output = try Fixtures.session("echo_bytes").makeLane()
            .run([Tensor(strings, shape: [3])])[0]
        #expect(output.strings() == strings)
    }

    @Test("lanes of one session give the right results on several threads at once")
    func lanes() throws {
        let session = try Fixtures.session("matrix", options: SessionOptions(intraOpThreads: 2))
        let wrong = Counter()
        Thread.runAll(count: 4) { number in
            do {
                let lane = try session.makeLane()
                for round in 0..<500 {
                    let base = Float(number * 1000 + round)
                    let input = Tensor([base, 1, 2, 3], shape: [1, 4])
                    let output = try lane.run([input])[0]
                    if output.elements() != [base + 2, 4] { wrong.add() }
                }
            } catch {
                Issue.record(error)
            }
        }
        #expect(wrong.count == 0)
    }

    @Test("a run that takes long is cancelled from another thread, and the lane goes on working")
    func cancel() throws {
        let session = try Fixtures.session("slow")
        let cancellation = RunCancellation()
        let started = Counter()
        Thread.runAll(count: 2) { number in
            do {
                if number == 0 {
                    let lane = try session.makeLane()
                    started.add()
                    let error = #expect(throws: EngineError.self) {
                        // Hours, were it not cancelled.
                        try lane.run(
                            [Tensor([1_000_000_000 as Int64], shape: [])],
                            outputs: [],
                            cancellation: cancellation
                        )
                    }
                    #expect(error?.code == .cancelled)
                    #expect(error?.message == "the run of model 'slow/1' was cancelled")
                    let output = try lane.run([Tensor([10 as Int64], shape: [])])[0]
                    #expect(output.elements() == [10] as [Float])
                } else {
                    while started.count == 0 { sched_yield() }
                    // Right whenever it comes; this makes it likely to come during the run.
                    usleep(20_000)
                    cancellation.cancel()
                }
            } catch {
                Issue.record(error)
            }
        }
    }
}
