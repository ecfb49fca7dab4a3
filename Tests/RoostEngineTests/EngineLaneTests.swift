import RoostWire
import Testing

@testable import RoostEngine

/// What holds of a lane whatever engine it is of.
@Suite struct EngineLaneTests {
    private let directory = TemporaryDirectory()

    private func run(
        _ engine: TestedEngine,
        _ operator: String,
        _ input: Tensor,
        sizes: [ONNXModelFile.Value.Size] = [.named("n")]
    ) throws -> Tensor {
        let model = ONNXModelFile(
            inputs: [.init(name: "x", sizes: sizes)],
            outputs: [.init(name: "y", sizes: sizes)],
            nodes: [(`operator`, "x", "y")]
        )
        return try engine.session(model, in: self.directory).makeLane().run([input])[0]
    }

    @Test(
        "every datatype goes through without a bit changed",
        arguments: TestedEngine.installed,
        DataType.allCases
    )
    func datatypes(engine: TestedEngine, datatype: DataType) throws {
        let input: Tensor
        if engine == .openVINO, datatype == .int64 {
            // It calculates in 32 bits on a CPU.
            input = Tensor(
                [0, 1, -1, 7, 65_536, -2_000_000_000, 2_000_000_000] as [Int64],
                shape: [7]
            )
        } else if let width = datatype.byteWidth {
            // Patterns of all kinds, among them NaNs with a payload; for BOOL 0 and 1.
            input = (0..<(7 * width)).map {
                UInt8(datatype == .bool ? $0 % 2 : 255 - 37 * $0 & 255)
            }
            .withUnsafeBytes { Tensor(datatype: datatype, shape: [7], bytes: $0)! }
        } else {
            input = Tensor(["", "a", "not nul", "größe", "", "x", ""], shape: [7])
        }
        let output = try engine.identity(of: datatype, in: self.directory).run([input])[0]
        #expect(output.datatype == datatype)
        #expect(output.shape == [7])
        let bytes = output.withUnsafeBytes { Array($0) }
        #expect(bytes == input.withUnsafeBytes { Array($0) })
    }

    @Test(
        "BYTES that are no UTF-8 and strings of a mebibyte go through",
        arguments: TestedEngine.installed
    )
    func bytes(engine: TestedEngine) throws {
        // OpenVINO's texts end at a zero.
        let last: UInt8 = engine == .openVINO ? 1 : 0
        let elements: [[UInt8]] = [
            [0xFF, last, 0xC0], [], Array(repeating: 0xAA, count: 1 << 20), [last],
        ]
        let lane = try engine.identity(of: .bytes, in: self.directory)
        let output = try lane.run([Tensor(elements, shape: [4])])[0]
        #expect(output.byteStrings() == elements)
        #expect(output.byteCountFits)
    }

    @Test("an input at any address gives the same result", arguments: TestedEngine.installed, 0..<8)
    func misaligned(engine: TestedEngine, offset: Int) throws {
        let elements = [1, -2.5, .infinity, 4] as [Float]
        let storage = TensorStorage(byteCount: offset + 16)
        elements.withUnsafeBytes {
            (storage.base + offset).copyMemory(from: $0.baseAddress!, byteCount: 16)
        }
        let input = Tensor(
            datatype: .fp32,
            shape: [4],
            storage: storage,
            byteOffset: offset,
            byteCount: 16
        )
        #expect(
            try self.run(engine, "Neg", input).elements() == [-1, 2.5, -.infinity, -4] as [Float]
        )
    }

    @Test(
        "a tensor of no rows goes in and comes out",
        arguments: TestedEngine.installed,
        [DataType.fp32, .bytes, .bf16]
    )
    func zeroRows(engine: TestedEngine, datatype: DataType) throws {
        let input = Tensor(
            datatype: datatype,
            shape: [0],
            storage: TensorStorage(byteCount: 0),
            byteCount: 0
        )
        let output = try engine.identity(of: datatype, in: self.directory).run([input])[0]
        #expect(output.shape == [0])
        #expect(output.byteCount == 0)
    }

    @Test("a scalar goes in and comes out", arguments: TestedEngine.installed)
    func scalar(engine: TestedEngine) throws {
        let output = try self.run(engine, "Neg", Tensor([3] as [Float], shape: []), sizes: [])
        #expect(output.shape == [])
        #expect(output.elements() == [-3] as [Float])
    }

    @Test(
        "outputs of earlier runs keep their values, whatever is run after them",
        arguments: TestedEngine.installed
    )
    func kept(engine: TestedEngine) throws {
        let model = ONNXModelFile(
            inputs: [.init(name: "x", sizes: [.named("n")])],
            outputs: [.init(name: "y", sizes: [.named("n")])],
            nodes: [("Neg", "x", "y")]
        )
        let lane = try engine.session(model, in: self.directory).makeLane()
        var outputs: [Tensor] = []
        for count in [3, 1, 5, 5, 2] {
            let elements = (0..<count).map { Float(10 * count + $0) }
            outputs += try lane.run([Tensor(elements, shape: [count])])
        }
        #expect(outputs[0].elements() == [-30, -31, -32] as [Float])
        #expect(outputs[1].elements() == [-10] as [Float])
        #expect(outputs[2].elements() == [-50, -51, -52, -53, -54] as [Float])
        #expect(outputs[3].elements() == outputs[2].elements() as [Float]?)
        #expect(outputs[4].elements() == [-20, -21] as [Float])
        #expect(Set(outputs.map(\.storage.base)).count == 5)
    }

    @Test(
        "the memory of an output is the engine's, and outlives lane and session",
        arguments: TestedEngine.installed
    )
    func zeroCopy(engine: TestedEngine) throws {
        let output = try self.run(engine, "Neg", Tensor([3, 4] as [Float], shape: [2]))
        #expect(output.elements() == [-3, -4] as [Float])
    }

    @Test(
        "an input that is handed through is copied, since its memory is the caller's or the lane's",
        arguments: TestedEngine.installed,
        [0, 1]
    )
    func passThrough(engine: TestedEngine, offset: Int) throws {
        let model = ONNXModelFile(
            inputs: [.init(name: "x", sizes: [.named("n")])],
            outputs: [
                .init(name: "x", sizes: [.named("n")]), .init(name: "y", sizes: [.named("n")]),
            ],
            nodes: [("Neg", "x", "y")]
        )
        let lane = try engine.session(model, in: self.directory).makeLane()
        let storage = TensorStorage(byteCount: offset + 4)
        let input = Tensor(
            datatype: .fp32,
            shape: [1],
            storage: storage,
            byteOffset: offset,
            byteCount: 4
        )
        (storage.base + offset).storeBytes(of: 1, as: Float.self)
        let first = try lane.run([input])
        // The next run has other values in the same memory.
        (storage.base + offset).storeBytes(of: 2, as: Float.self)
        let second = try lane.run([input])
        #expect(first.map { $0.elements() } == [[1], [-1]] as [[Float]?])
        #expect(second.map { $0.elements() } == [[2], [-2]] as [[Float]?])
    }

    @Test("only the wanted outputs come, in the order wanted", arguments: TestedEngine.installed)
    func wanted(engine: TestedEngine) throws {
        let names = ["a", "b", "c"]
        let model = ONNXModelFile(
            inputs: [.init(name: "x", sizes: [.named("n")])],
            outputs: names.map { .init(name: $0, sizes: [.named("n")]) },
            nodes: [("Neg", "x", "a"), ("Abs", "x", "b"), ("Identity", "x", "c")]
        )
        let lane = try engine.session(model, in: self.directory).makeLane()
        let input = Tensor([-2] as [Float], shape: [1])
        for _ in 0..<2 {
            let some = try lane.run([input], outputs: [2, 0])
            #expect(some.map { $0.elements() } == [[-2], [2]] as [[Float]?])
            let all = try lane.run([input])
            #expect(all.map { $0.elements() } == [[2], [2], [-2]] as [[Float]?])
        }
    }

    @Test(
        "a run that fails is an error, and the lane goes on working",
        arguments: TestedEngine.installed
    )
    func failure(engine: TestedEngine) throws {
        let model = ONNXModelFile(
            inputs: [.init(name: "x", sizes: [.fixed(2)])],
            outputs: [.init(name: "y", sizes: [.fixed(2)])],
            nodes: [("Neg", "x", "y")]
        )
        let lane = try engine.session(model, in: self.directory).makeLane()
        // What `arrange` would have refused.
        let error = try #require(throws: EngineError.self) {
            _ = try lane.run([Tensor([1, 2, 3] as [Float], shape: [3])])
        }
        #expect(error.code == .executionFailed)
        #expect(error.message.hasPrefix("model 'made/1' failed: "))
        #expect(error.message.contains(engine == .onnxRuntime ? "Got: 3 Expected: 2" : "3"))
        #expect(!error.message.contains(".cpp"))
        let outputs = try lane.run([Tensor([1, 2] as [Float], shape: [2])])
        #expect(outputs[0].elements() == [-1, -2] as [Float])
    }

    @Test(
        "a run that was cancelled before does not start, and the next one runs",
        arguments: TestedEngine.installed
    )
    func cancelledBefore(engine: TestedEngine) throws {
        let lane = try engine.identity(of: .fp32, in: self.directory)
        let input = Tensor([1] as [Float], shape: [1])
        let cancellation = RunCancellation()
        cancellation.cancel()
        let error = try #require(throws: EngineError.self) {
            _ = try lane.run([input], outputs: [], cancellation: cancellation)
        }
        #expect(error.code == .cancelled)
        #expect(try lane.run([input])[0].elements() == [1] as [Float])
    }
}
