import Glibc
import RoostWire
import Testing

@testable import RoostEngine

/// Skipped where TensorFlow is not installed: `make test` does so.
@Suite(.enabled(if: Fixtures.hasTensorFlow, "TensorFlow is not installed: worker/engines/install"))
struct TensorFlowLaneTests {
    private func words() throws -> any Lane {
        try Fixtures.tensorFlowSession("words").makeLane()
    }

    /// The tensors that the model `types` takes, one for each datatype, of so many elements.
    private func tensors(_ session: any Session, count: Int) throws -> [Tensor] {
        try session.signature.inputs.map { input in
            guard let width = input.datatype.byteWidth else {
                return Tensor((0..<count).map { [UInt8](repeating: 9, count: $0) }, shape: [count])
            }
            // Patterns of all kinds, among them NaNs with a payload; for BOOL 0 and 1.
            let bytes = (0..<(count * width)).map {
                UInt8(input.datatype == .bool ? $0 % 2 : 255 - 37 * $0 & 255)
            }
            return try bytes.withUnsafeBytes {
                try #require(Tensor(datatype: input.datatype, shape: [count], bytes: $0))
            }
        }
    }

    @Test("every datatype goes through, also without elements", arguments: [7, 1, 0])
    func datatypes(count: Int) throws {
        let session = try Fixtures.tensorFlowSession("types")
        #expect(Set(session.signature.inputs.map(\.datatype)) == Set(DataType.allCases))
        let inputs = try self.tensors(session, count: count)
        let outputs = try session.makeLane().run(inputs)
        #expect(outputs.count == DataType.allCases.count)
        for (input, output) in zip(inputs, outputs) {
            #expect(output.datatype == input.datatype)
            #expect(output.shape == [count])
            #expect(output.withUnsafeBytes { Array($0) } == input.withUnsafeBytes { Array($0) })
            #expect(output.byteCountFits)
        }
    }

    @Test("strings go in and out: empty, with zero bytes, no UTF-8, and of a mebibyte")
    func strings() throws {
        let elements: [[UInt8]] = [
            [], [0], [1, 0, 2], [0xFF, 0xC0], Array("two".utf8), Array(repeating: 7, count: 22),
            Array(repeating: 7, count: 23), Array(repeating: 0xAA, count: 1 << 20),
        ]
        let lane = try self.words()
        for _ in 0..<3 {
            let outputs = try lane.run([Tensor(elements, shape: [elements.count])])
            #expect(outputs[0].byteStrings() == elements)
            #expect(outputs[1].elements() == elements.map { Int32($0.count) })
            #expect(outputs[2].elements() == [-1, -1, -1, -1, 2, -1, -1, -1] as [Int64])
        }
    }

    @Test("a vocabulary among the assets is looked up")
    func vocabulary() throws {
        let outputs = try self.words().run([Tensor(["one", "zero", "ten"], shape: [3])])
        #expect(outputs[2].elements() == [1, 0, -1] as [Int64])
    }

    @Test("a scalar goes in and comes out")
    func scalar() throws {
        let session = try Fixtures.tensorFlowSession("ranks")
        #expect(session.signature.inputs.map(\.description) == ["scalar FP32 []"])
        let output = try session.makeLane().run([Tensor([3] as [Float], shape: [])])[0]
        #expect(output.shape == [])
        #expect(output.elements() == [6] as [Float])
    }

    @Test("pictures are decoded in the graph, and one that is none is the request's fault")
    func pictures() throws {
        let picture = ByteWindow(path: "\(Fixtures.repository)/Tests/Fixtures/pictures/photo.jpg")
        let jpeg = picture.bytes(0..<picture.byteCount, countMax: 1 << 20)
        let lane = try Fixtures.tensorFlowSession("picture").makeLane()
        let outputs = try lane.run([Tensor([jpeg, jpeg, jpeg], shape: [3])])
        #expect(outputs[0].shape == [3, 3])
        let colors = try #require(outputs[0].elements() as [Float]?)
        #expect(colors.allSatisfy { (0...1).contains($0) })
        #expect(Array(colors[0..<3]) == Array(colors[3..<6]))
        let name = try #require(outputs[1].strings()?.first)
        #expect(["red", "green", "blue"].contains(name))
        for bytes in [[], Array(jpeg.prefix(20)), [1, 2, 3]] as [[UInt8]] {
            let error = try #require(throws: EngineError.self) {
                _ = try lane.run([Tensor([jpeg, bytes], shape: [2])])
            }
            #expect(error.code == .inputRefused)
            #expect(error.message.hasPrefix("model 'picture/1' failed: "))
            #expect(!error.message.contains("{{") && !error.message.contains("\n"))
        }
        #expect(try lane.run([Tensor([jpeg], shape: [1])])[1].strings() == [name])
    }

    @Test("an input at any address gives the same result", arguments: 0..<8)
    func misaligned(offset: Int) throws {
        let elements = [1, -2.5, .infinity, 4] as [Float]
        let storage = TensorStorage(byteCount: offset + 16)
        elements.withUnsafeBytes {
            (storage.base + offset).copyMemory(from: $0.baseAddress!, byteCount: 16)
        }
        let input = Tensor(
            datatype: .fp32,
            shape: [2, 2],
            storage: storage,
            byteOffset: offset,
            byteCount: 16
        )
        let output = try Fixtures.tensorFlowSession("arithmetic").makeLane().run([input])[0]
        #expect(output.elements() == [2, -7.5, .infinity, 12] as [Float])
    }

    @Test("outputs of earlier runs keep their values, whatever is run after them")
    func kept() throws {
        let lane = try Fixtures.tensorFlowSession("arithmetic").makeLane()
        var outputs: [Tensor] = []
        for count in [3, 1, 5, 5, 2] {
            let elements = (0..<(2 * count)).map { Float(10 * count + $0) }
            outputs += try lane.run([Tensor(elements, shape: [count, 2])])
        }
        #expect(outputs[1].elements() == [20, 33] as [Float])
        #expect(outputs[3].elements() == outputs[2].elements() as [Float]?)
        #expect(outputs[4].elements() == [40, 63, 44, 69] as [Float])
        #expect(Set(outputs.map(\.storage.base)).count == 5)
        // The memory is TensorFlow's.
        #expect(outputs.allSatisfy { $0.storage.isForeign })
    }

    @Test("an input that is handed through is copied, since its memory is the caller's")
    func passThrough() throws {
        let session = try Fixtures.tensorFlowSession("types")
        let index = try #require(session.signature.inputs.firstIndex { $0.datatype == .fp32 })
        let output = try #require(session.signature.outputs.firstIndex { $0.datatype == .fp32 })
        let storage = TensorStorage(byteCount: 4)
        var inputs = try self.tensors(session, count: 1)
        inputs[index] = Tensor(datatype: .fp32, shape: [1], storage: storage, byteCount: 4)
        let lane = try session.makeLane()
        storage.base.storeBytes(of: 1, as: Float.self)
        let first = try lane.run(inputs)
        storage.base.storeBytes(of: 2, as: Float.self)
        let second = try lane.run(inputs)
        #expect(first[output].elements() == [1] as [Float])
        #expect(second[output].elements() == [2] as [Float])
    }

    @Test("what a model keeps of its inputs lives as long as it keeps it")
    func keeper() throws {
        let lane = try Fixtures.tensorFlowSession("keeper").makeLane()
        var sizes: [Int] = []
        for count in [1_000, 70_000, 3, 50_000] {
            // Gone after the run but for what the model keeps.
            let input = Tensor([Float](repeating: Float(count), count: count), shape: [count])
            let before = try #require(try lane.run([input])[0].elements() as [Float]?)
            sizes.append(before.count)
            let expected = before.count == 1 ? 0 : Float(before.count)
            #expect(before.allSatisfy { $0 == expected })
        }
        #expect(sizes == [1, 1_000, 70_000, 3])
    }

    @Test("what a model keeps of its inputs stays, whatever is written where they were")
    func overwritten() throws {
        let session = try Fixtures.tensorFlowSession("keeper")
        let lane = try session.makeLane()
        let storage = TensorStorage(byteCount: 4)
        let input = Tensor(datatype: .fp32, shape: [1], storage: storage, byteCount: 4)
        var before: [[Float]?] = []
        for value in [1, 2, 3] as [Float] {
            // As the memory that a worker shares with a model's process is written again.
            storage.base.storeBytes(of: value, as: Float.self)
            before.append(try lane.run([input])[0].elements())
        }
        #expect(before == [[0], [1], [2]])
        #expect((session as? TensorFlowSession)?.copiesInputs == true)
        // It has a variable, which only its restoring assigns.
        let other = try Fixtures.tensorFlowSession("arithmetic")
        #expect((other as? TensorFlowSession)?.copiesInputs == false)
    }

    @Test("the memory of an input is let go when the run is over")
    func released() throws {
        let lane = try Fixtures.tensorFlowSession("arithmetic").makeLane()
        weak var storage: TensorStorage?
        try {
            let input = Tensor([1, 2] as [Float], shape: [1, 2])
            storage = input.storage
            _ = try lane.run([input])
        }()
        #expect(storage == nil)
    }

    @Test("only the wanted outputs come, in the order wanted, however many sets are asked for")
    func wanted() throws {
        let session = try Fixtures.tensorFlowSession("types")
        let inputs = try self.tensors(session, count: 2)
        let lane = try session.makeLane()
        let all = try lane.run(inputs)
        for first in 0..<(TensorFlowSession.fetchSetsMax + 3) {
            let wanted = [first + 2, first, first + 2]
            let some = try lane.run(inputs, outputs: wanted)
            #expect(some.map(\.datatype) == wanted.map { all[$0].datatype })
            for (output, index) in zip(some, wanted) {
                let bytes = all[index].withUnsafeBytes { Array($0) }
                #expect(output.withUnsafeBytes { Array($0) } == bytes)
            }
        }
        let tensorFlow = try #require(session as? TensorFlowSession)
        #expect(tensorFlow.fetches(alone: [0, 2]))
        #expect(!tensorFlow.fetches(alone: [1]))
    }

    @Test("a run that fails is an error, and the lane goes on working")
    func failure() throws {
        let lane = try Fixtures.tensorFlowSession("arithmetic").makeLane()
        // What `arrange` would have refused.
        let error = try #require(throws: EngineError.self) {
            _ = try lane.run([Tensor([1, 2, 3] as [Float], shape: [1, 3])])
        }
        #expect(error.message.hasPrefix("model 'arithmetic/1' failed: "))
        #expect(!error.message.contains("\n"))
        let outputs = try lane.run([Tensor([1, 2] as [Float], shape: [1, 2])])
        #expect(outputs[0].elements() == [2, 6] as [Float])
    }

    @Test("a run that takes longer than it may ends, and the lane goes on working")
    func timeout() throws {
        let session = try Fixtures.tensorFlowSession("loop", settings: ["run-timeout": "150"])
        let lane = try session.makeLane()
        #expect(try lane.run([Tensor([5] as [Int64], shape: [])])[0].elements() == [5] as [Float])
        let clock = SuspendingClock()
        let start = clock.now
        let error = try #require(throws: EngineError.self) {
            _ = try lane.run([Tensor([1 << 40] as [Int64], shape: [])])
        }
        #expect(error.code == .executionFailed)
        #expect(error.message == "model 'loop/1' took longer than its run-timeout")
        #expect(clock.now - start < .seconds(20))
        #expect(try lane.run([Tensor([7] as [Int64], shape: [])])[0].elements() == [7] as [Float])
    }

    @Test("steps at the same time give the same results")
    func interOp() throws {
        let session = try Fixtures.tensorFlowSession("loop", settings: ["inter-op-threads": "2"])
        let output = try session.makeLane().run([Tensor([200] as [Int64], shape: [])])[0]
        #expect(output.elements() == [200] as [Float])
    }

    @Test("a run that was cancelled before does not start, and the next one runs")
    func cancelledBefore() throws {
        let lane = try Fixtures.tensorFlowSession("arithmetic").makeLane()
        let input = Tensor([1, 2] as [Float], shape: [1, 2])
        let cancellation = RunCancellation()
        cancellation.cancel()
        let error = try #require(throws: EngineError.self) {
            _ = try lane.run([input], outputs: [], cancellation: cancellation)
        }
        #expect(error.code == .cancelled)
        #expect(try lane.run([input])[0].elements() == [2, 6] as [Float])
    }
}
