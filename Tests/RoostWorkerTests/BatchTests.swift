import RoostEngine
import RoostTestKit
import RoostWire
import Synchronization
import Testing

@testable import RoostWorker

@Suite
struct BatchTests {
    @Test("inputs are joined in order into aligned memory, outputs divided as they were asked for")
    func rows() throws {
        let seen = Mutex<[Tensor]>([])
        let model = BatchScene.model(BatchScene.pairs) { (inputs) throws(EngineError) in
            seen.withLock { $0 = inputs }
            return inputs
        }
        let inputs: [Tensor] = [
            .floats([1, 2], [1, 2]), .floats([3, 4, 5, 6], [2, 2]).atOddAddress,
            .floats([7, 8], [1, 2]),
        ]
        let outputs = try BatchScene.run(model, inputs.map { [$0] })
        let batch = try #require(seen.withLock { $0.first })
        #expect(batch.shape == [4, 2])
        #expect(batch.elements() == [1, 2, 3, 4, 5, 6, 7, 8] as [Float])
        let address = batch.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
        #expect(address % 64 == 0)
        #expect(outputs.map { $0[0].shape } == [[1, 2], [2, 2], [1, 2]])
        for (output, input) in zip(outputs, inputs) {
            #expect(output[0].elements(as: Float.self) == input.elements())
            // Divided without copying.
            #expect(output[0].storage === batch.storage)
        }
    }

    @Test("every input and output is divided, whatever its datatype")
    func manyTensors() throws {
        let signature = BatchScene.signature(
            inputs: [(.int64, [.fixed(1)]), (.uint8, [.fixed(3)])],
            outputs: [(.uint8, [.fixed(3)]), (.int64, [])]
        )
        let model = BatchScene.model(signature) { (inputs) throws(EngineError) in
            let sums = inputs[0].elements(as: Int64.self)!.map { $0 * 10 }
            return [inputs[1], Tensor(sums, shape: [sums.count])]
        }
        let outputs = try BatchScene.run(
            model,
            [
                [
                    Tensor([1] as [Int64], shape: [1, 1]),
                    Tensor([1, 2, 3] as [UInt8], shape: [1, 3]),
                ],
                [
                    Tensor([2, 3] as [Int64], shape: [2, 1]),
                    Tensor([4, 5, 6, 7, 8, 9] as [UInt8], shape: [2, 3]),
                ],
            ]
        )
        #expect(outputs[0][0].elements() == [1, 2, 3] as [UInt8])
        #expect(outputs[0][1].elements() == [10] as [Int64])
        #expect(outputs[1][0].elements() == [4, 5, 6, 7, 8, 9] as [UInt8])
        #expect(outputs[1][1].elements() == [20, 30] as [Int64])
        #expect(outputs[1][1].shape == [2])
    }

    @Test("BYTES are joined and divided by their elements")
    func bytes() throws {
        let dimensions: [Dimension] = [.fixed(2)]
        let signature = BatchScene.signature(
            inputs: [(.bytes, dimensions)],
            outputs: [(.bytes, dimensions)]
        )
        let model = BatchScene.model(signature) { (inputs) throws(EngineError) in
            [Tensor(inputs[0].strings()!.map { $0 + "!" }, shape: inputs[0].shape)]
        }
        let outputs = try BatchScene.run(
            model,
            [
                [Tensor(["a", ""], shape: [1, 2])],
                [Tensor(["long one", "b", "c", "dd"], shape: [2, 2]).atOddAddress],
                [Tensor(["", "e"], shape: [1, 2])],
            ]
        )
        #expect(
            outputs.map { $0[0].strings() } == [
                ["a!", "!"], ["long one!", "b!", "c!", "dd!"], ["!", "e!"],
            ]
        )
        #expect(outputs.allSatisfy { $0[0].byteCountFits })
    }

    @Test("BYTES outputs whose elements do not add up are a failure, not a trap")
    func brokenBytes() {
        let signature = BatchScene.signature(inputs: [(.fp32, [])], outputs: [(.bytes, [])])
        let model = BatchScene.model(signature) { (inputs) throws(EngineError) in
            let storage = TensorStorage(byteCount: 9) { target in
                target.initializeMemory(as: UInt8.self, repeating: 255)
            }
            return [
                Tensor(datatype: .bytes, shape: inputs[0].shape, storage: storage, byteCount: 9)
            ]
        }
        #expect(throws: BatchFailure.rows) {
            try BatchScene.run(model, [[.floats([1], [1])], [.floats([2], [1])]])
        }
    }

    @Test("each request gets the outputs that it wants, in its order")
    func wanted() throws {
        let outputs: [(DataType, [Dimension])] = [(.fp32, [.fixed(2)]), (.fp32, [.fixed(2)])]
        let signature = BatchScene.signature(inputs: [(.fp32, [.fixed(2)])], outputs: outputs)
        let model = BatchScene.model(signature) { (inputs) throws(EngineError) in
            let twice = inputs[0].elements(as: Float.self)!.map { 2 * $0 }
            return [inputs[0], Tensor(twice, shape: inputs[0].shape)]
        }
        let inputs: [[Tensor]] = [[.floats([1, 2], [1, 2])], [.floats([3, 4], [1, 2])]]
        func elements(_ wanted: [[Int]]) throws -> [[[Float]]] {
            try BatchScene.run(model, inputs, wanted: wanted).map { $0.map { $0.elements()! } }
        }
        #expect(try elements([[1], [1]]) == [[[2, 4]], [[6, 8]]])
        #expect(try elements([[1, 0], []]) == [[[2, 4], [1, 2]], [[3, 4], [6, 8]]])
        #expect(try elements([[], [0]]) == [[[1, 2], [2, 4]], [[3, 4]]])
    }

    @Test("an output without the batch's rows shows that requests cannot be joined")
    func otherRows() {
        for shape in [[1, 2], [4], []] as [Shape] {
            let model = BatchScene.model(BatchScene.pairs) { (_) throws(EngineError) in
                let count = shape.elementCount ?? 0
                return [Tensor(Array(repeating: Float(0), count: count), shape: shape)]
            }
            #expect(throws: BatchFailure.rows) {
                try BatchScene.run(
                    model,
                    [[.floats([1, 2], [1, 2])], [.floats([3, 4], [1, 2])]]
                )
            }
        }
    }

    @Test("requests of other shapes do not fit together, should they ever come together")
    func unequal() {
        let signature = BatchScene.signature(
            inputs: [(.fp32, [.dynamic("n")])],
            outputs: [(.fp32, [.dynamic("n")])]
        )
        let model = BatchScene.model(signature) { $0 }
        #expect(throws: BatchFailure.unequal) {
            try BatchScene.run(model, [[.floats([1, 2], [1, 2])], [.floats([3], [1, 1])]])
        }
    }

    // MARK: Filling up

    private static let ragged = BatchScene.signature(
        inputs: [(.int64, [.dynamic("tokens")]), (.int64, [.dynamic("tokens")])],
        outputs: [(.int64, [.dynamic("tokens")]), (.int64, [.dynamic("other")])]
    )

    @Test("rows are filled up with the policy's value, and outputs cut where the axis is the same")
    func filling() throws {
        let seen = Mutex<[[Int64]]>([])
        let model = BatchScene.model(Self.ragged, padding: ["x0": 7, "x1": 0]) {
            (inputs) throws(EngineError) in
            seen.withLock { $0 = inputs.map { $0.elements()! } }
            return inputs
        }
        func tokens(_ values: [Int64], _ shape: Shape) -> [Tensor] {
            [Tensor(values, shape: shape), Tensor(values.map { _ in 1 as Int64 }, shape: shape)]
        }
        let outputs = try BatchScene.run(
            model,
            [tokens([1, 2], [1, 2]), tokens([3, 4, 5], [1, 3]), tokens([6, 8], [2, 1])]
        )
        #expect(seen.withLock { $0[0] } == [1, 2, 7, 3, 4, 5, 6, 7, 7, 8, 7, 7])
        #expect(seen.withLock { $0[1] } == [1, 1, 0, 1, 1, 1, 1, 0, 0, 1, 0, 0])
        #expect(outputs.map { $0[0].elements() } == [[1, 2], [3, 4, 5], [6, 8]] as [[Int64]])
        #expect(outputs.map { $0[0].shape } == [[1, 2], [1, 3], [2, 1]])
        // The other output's axis is not the inputs': nobody knows what of it is filling.
        #expect(outputs.map { $0[1].shape } == [[1, 3], [1, 3], [2, 3]])
    }

    @Test("several axes are filled up and cut at once")
    func fillingTwoAxes() throws {
        let signature = BatchScene.signature(
            inputs: [(.fp32, [.dynamic("h"), .fixed(2), .dynamic("w")])],
            outputs: [(.fp32, [.dynamic("h"), .fixed(2), .dynamic("w")])]
        )
        let model = BatchScene.model(signature, padding: ["x0": -1]) { $0 }
        let shapes: [Shape] = [[1, 1, 2, 3], [2, 2, 2, 1], [1, 3, 2, 3]]
        let inputs = shapes.map { shape in
            Tensor.floats((0..<(shape.elementCount ?? 0)).map { Float($0) }, shape)
        }
        let outputs = try BatchScene.run(model, inputs.map { [$0] })
        for (output, input) in zip(outputs, inputs) {
            #expect(output[0].shape == input.shape)
            #expect(output[0].elements(as: Float.self) == input.elements())
        }
    }

    @Test("a filling beyond measure is refused: axes that are long in different requests")
    func fillingBound() {
        let axes: [Dimension] = Array(repeating: .dynamic(""), count: 7)
        let signature = BatchScene.signature(inputs: [(.fp32, axes)], outputs: [(.fp32, axes)])
        let model = BatchScene.model(signature, padding: ["x0": 0]) { $0 }
        let inputs = (1...7).map { axis in
            var sizes = Array(repeating: 1, count: 8)
            sizes[axis] = 16
            return [Tensor.floats((0..<16).map { Float($0) }, Shape(sizes))]
        }
        #expect(throws: BatchFailure.unequal) { try BatchScene.run(model, inputs) }
    }

    @Test("values are converted to the datatype that is filled", arguments: DataType.allCases)
    func fillingValues(datatype: DataType) {
        guard let width = datatype.byteWidth else { return }
        let storage = TensorStorage(byteCount: 4 * width)
        for value in [1, -3, 1e30, .nan] as [Double] {
            Block.fill(
                UnsafeMutableRawBufferPointer(start: storage.base, count: 4 * width),
                datatype,
                with: value
            )
        }
        Block.fill(
            UnsafeMutableRawBufferPointer(start: storage.base, count: 4 * width),
            datatype,
            with: 1
        )
        let tensor = Tensor(
            datatype: datatype,
            shape: [4],
            storage: storage,
            byteCount: 4 * width
        )
        switch datatype {
        case .int64: #expect(tensor.elements() == [1, 1, 1, 1] as [Int64])
        case .uint8: #expect(tensor.elements() == [1, 1, 1, 1] as [UInt8])
        case .fp16: #expect(tensor.elements() == [1, 1, 1, 1] as [Float16])
        case .fp32: #expect(tensor.elements() == [1, 1, 1, 1] as [Float])
        case .fp64: #expect(tensor.elements() == [1, 1, 1, 1] as [Double])
        case .bf16:
            tensor.withUnsafeBytes { #expect($0.loadUnaligned(as: UInt16.self) == 0x3F80) }
        default: tensor.withUnsafeBytes { #expect($0.first == 1) }
        }
    }

    // MARK: Forms

    @Test("requests have one form if their rows are equal, and none if they cannot be joined")
    func forms() {
        let signature = BatchScene.signature(
            inputs: [(.fp32, [.dynamic("n")]), (.fp32, [.dynamic("m")])],
            outputs: [(.fp32, [.dynamic("n")])]
        )
        func form(
            _ left: Shape,
            _ right: Shape,
            padding: [String: Double] = [:],
            max: Int = 8
        ) -> Int {
            let model = BatchScene.model(signature, batchMax: max, padding: padding) { $0 }
            func tensor(_ shape: Shape) -> Tensor {
                .floats(Array(repeating: 0, count: shape.elementCount ?? 0), shape)
            }
            return BatchScene.job(of: model, [tensor(left), tensor(right)]).form
        }
        #expect(form([1, 2], [1, 3]) != 0)
        #expect(form([1, 2], [1, 3]) == form([5, 2], [5, 3]))
        #expect(form([1, 2], [1, 3]) != form([1, 3], [1, 2]))
        #expect(form([1, 2], [1, 3]) != form([1, 2], [1, 4]))
        // Rows that are not as many everywhere, none at all, or no joining.
        #expect(form([1, 2], [2, 3]) == 0)
        #expect(form([0, 2], [0, 3]) == 0)
        #expect(form([1, 2], [1, 3], max: 1) == 0)
        // Where one is filled up lengths of one class are alike.
        let padding = ["x0": 0.0]
        #expect(
            form([1, 2], [1, 3], padding: padding) == form([1, 16], [1, 3], padding: padding)
        )
        #expect(
            form([1, 16], [1, 3], padding: padding) != form([1, 17], [1, 3], padding: padding)
        )
        #expect(
            form([1, 17], [1, 3], padding: padding) == form([1, 32], [1, 3], padding: padding)
        )
        #expect(
            form([1, 2], [1, 3], padding: padding) != form([1, 2], [1, 4], padding: padding)
        )
    }

    @Test("a model without an open first axis joins nothing, whatever its policy says")
    func noAxis() {
        let signature = ModelSignature(
            inputs: [TensorSignature(name: "x0", datatype: .fp32, dimensions: [.fixed(2)])],
            outputs: [TensorSignature(name: "y0", datatype: .fp32, dimensions: [.fixed(2)])]
        )
        let model = BatchScene.model(signature) { $0 }
        #expect(model.policy.batchMax == 1)
        let job = BatchScene.job(of: model, [.floats([1, 2], [2])])
        #expect((job.rows, job.form) == (1, 0))
    }

    // MARK: Memory

    @Test("a lane's memory is used again when nothing refers to it, and left alone while it does")
    func reuse() {
        var buffers = BatchBuffers()
        let first = buffers.storage(for: 0, byteCount: 100)
        let base = UInt(bitPattern: first.base)
        #expect(base % 64 == 0)
        #expect(buffers.storage(for: 0, byteCount: 100) !== first)
        #expect(buffers.storage(for: 1, byteCount: 100) !== first)
        var other = BatchBuffers()
        var address: UnsafeMutableRawPointer?
        do { address = other.storage(for: 0, byteCount: 100).base }
        for byteCount in [1, 99, 128] {
            #expect(other.storage(for: 0, byteCount: byteCount).base == address)
        }
        #expect(other.storage(for: 0, byteCount: 129).byteCount == 256)
        // A large batch's memory is not kept.
        let large = BatchBuffers.keptBytesMax + 1
        #expect(other.storage(for: 0, byteCount: large).byteCount == large)
        #expect(other.storage(for: 0, byteCount: 1).byteCount == 256)
    }
}
