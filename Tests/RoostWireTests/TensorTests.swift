import RoostWire
import RoostWireTestKit
import Testing

@Suite struct TensorTests {
    @Test("numbers come back as they were given, and only as what they are")
    func numbers() {
        let tensor = Tensor([1, -2, 3] as [Int32], shape: [3, 1])
        #expect(tensor.datatype == .int32)
        #expect(tensor.byteCount == 12)
        #expect(tensor.elements() == [1, -2, 3] as [Int32])
        #expect(tensor.elements(as: Float.self) == nil)
        #expect(tensor.byteStrings() == nil)
        #expect(tensor.strings() == nil)
        #expect(tensor.description == "INT32[3, 1]")
    }

    @Test("a scalar is one element, a zero dimension none")
    func scalars() {
        #expect(Tensor([1.5] as [Float], shape: []).elements() == [1.5] as [Float])
        #expect(Tensor([Float](), shape: [4, 0]).elements() == [] as [Float])
        #expect(Tensor([String](), shape: [0]).strings() == [])
    }

    @Test("strings of any length come back, empty ones too")
    func strings() {
        let texts = ["", "a", String(repeating: "\u{fc}", count: 300)]
        let tensor = Tensor(texts, shape: [3])
        #expect(tensor.byteCount == 12 + 0 + 1 + 600)
        #expect(tensor.strings() == texts)
        #expect(tensor.byteStrings() == texts.map { Array($0.utf8) })
    }

    @Test("text that is not UTF-8 is repaired, its bytes are not")
    func brokenText() {
        let tensor = Tensor([[0x61, 0xff]] as [[UInt8]], shape: [1])
        #expect(tensor.strings() == ["a\u{fffd}"])
        #expect(tensor.byteStrings() == [[0x61, 0xff]])
    }

    @Test(
        "raw bytes are taken only if they fit",
        arguments: [
            (.fp16, [2], 4, true), (.fp16, [2], 3, false), (.fp16, [2], 5, false),
            (.bf16, [], 2, true), (.fp64, [0], 0, true), (.fp64, [0], 8, false),
            (.uint8, [1 << 62, 4], 0, false), (.fp64, [1 << 61], 0, false),
            (.bytes, [1], 4, true), (.bytes, [2], 8, true), (.bytes, [1], 8, false),
            (.bytes, [], 4, true), (.bytes, [1], 3, false), (.bytes, [0], 0, true),
        ] as [(DataType, [Int], Int, Bool)]
    )
    func raw(datatype: DataType, dimensions: [Int], count: Int, fits: Bool) {
        let bytes = [UInt8](repeating: 0, count: count)
        let tensor = bytes.withUnsafeBytes {
            Tensor(datatype: datatype, shape: Shape(dimensions), bytes: $0)
        }
        #expect((tensor != nil) == fits)
    }

    @Test("a BOOL from the network that is neither 0 nor 1 reads as true")
    func bools() throws {
        // A Swift Bool made of another byte is undefined behaviour.
        let tensor = ([0, 1, 2, 0xff, 0xfe] as [UInt8]).withUnsafeBytes {
            Tensor(datatype: .bool, shape: [5], bytes: $0)
        }
        let values = try #require(tensor?.elements(as: Bool.self))
        let bytes = values.withUnsafeBytes { Array($0) }
        #expect(bytes == [0, 1, 1, 1, 1])
    }

    @Test("every kind of number makes a tensor of its datatype")
    func datatypes() {
        func check<Element: TensorElement & Equatable>(_ value: Element, _ datatype: DataType) {
            let tensor = Tensor([value], shape: [])
            #expect(tensor.datatype == datatype)
            #expect(tensor.byteCount == datatype.byteWidth)
            #expect(tensor.elements() == [value])
        }
        check(true, .bool)
        check(200 as UInt8, .uint8)
        check(60_000 as UInt16, .uint16)
        check(4_000_000_000 as UInt32, .uint32)
        check(.max as UInt64, .uint64)
        check(-100 as Int8, .int8)
        check(-30_000 as Int16, .int16)
        check(-2_000_000_000 as Int32, .int32)
        check(.min as Int64, .int64)
        check(1.5 as Float16, .fp16)
        check(1.25 as Float, .fp32)
        check(0.1 as Double, .fp64)
    }

    @Test("the first tensor of a name is found, others stay in order")
    func named() {
        var tensors: NamedTensors = ["a": Tensor([1] as [Int8], shape: [])]
        tensors.append("b", Tensor([2] as [Int8], shape: []))
        tensors.append("a", Tensor([3] as [Int8], shape: []))
        #expect(tensors.map(\.name) == ["a", "b", "a"])
        #expect(tensors["a"]?.elements() == [1] as [Int8])
        #expect(tensors["c"] == nil)
    }
}

@Suite struct TensorStorageTests {
    private final class Owner {
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 8, alignment: 8)
        deinit { self.bytes.deallocate() }
    }

    @Test("memory of our own is aligned for vector instructions", arguments: [0, 1, 63, 4096])
    func alignment(byteCount: Int) {
        let storage = TensorStorage(byteCount: byteCount)
        #expect(UInt(bitPattern: storage.base) % UInt(TensorStorage.alignment) == 0)
        #expect(storage.byteCount == byteCount)
    }

    @Test("memory of another lives as long as the storage")
    func owner() {
        weak var owner: Owner?
        var storage: TensorStorage?
        do {
            let made = Owner()
            owner = made
            storage = TensorStorage(made.bytes, owner: made)
        }
        #expect(owner != nil)
        #expect(storage?.byteCount == 8)
        storage = nil
        #expect(owner == nil)
    }

    @Test("no memory is a storage of no bytes")
    func none() {
        let storage = TensorStorage(
            UnsafeMutableRawBufferPointer(start: nil, count: 0),
            owner: Owner()
        )
        #expect(storage.byteCount == 0)
    }
}
