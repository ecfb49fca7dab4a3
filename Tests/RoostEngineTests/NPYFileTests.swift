import RoostWire
import Testing

@testable import RoostEngine

@Suite
struct NPYFileTests {
    /// A file of that header and data, as numpy writes it.
    private static func file(
        _ header: String,
        _ data: [UInt8],
        version: UInt8 = 1
    ) -> TensorStorage {
        let text = Array((header + "\n").utf8)
        var length: [UInt8] = [UInt8(text.count & 0xff), UInt8(text.count >> 8)]
        if version > 1 { length += [0, 0] }
        let bytes = NPYFile.magic + [version, 0] + length + text + data
        return bytes.withUnsafeBytes { source in
            TensorStorage(byteCount: source.count) { $0.copyMemory(from: source) }
        }
    }

    private static func storage(_ bytes: [UInt8]) -> TensorStorage {
        bytes.withUnsafeBytes { source in
            TensorStorage(byteCount: source.count) { $0.copyMemory(from: source) }
        }
    }

    private static func header(_ descriptor: String, _ shape: String) -> String {
        "{'descr': '\(descriptor)', 'fortran_order': False, 'shape': \(shape), }"
    }

    @Test(
        "every datatype that is written is read back",
        arguments: [
            Tensor([1.5, -2, .infinity] as [Float], shape: [3]),
            Tensor([1, 2] as [Double], shape: [1, 2]), Tensor([0.5] as [Float16], shape: [1]),
            Tensor([true, false] as [Bool], shape: [2]), Tensor([1, 255] as [UInt8], shape: [2]),
            Tensor([1, 2] as [UInt16], shape: [2]), Tensor([1, 2] as [UInt32], shape: [2]),
            Tensor([.max] as [UInt64], shape: [1]), Tensor([-1] as [Int8], shape: [1]),
            Tensor([-1] as [Int16], shape: [1]), Tensor([-1] as [Int32], shape: [1]),
            Tensor([.min] as [Int64], shape: []), Tensor([] as [Float], shape: [0, 4]),
            Tensor(["a", "bcd", ""], shape: [3]),
        ]
    )
    func roundTrip(tensor: Tensor) throws {
        let bytes = NPYFile.bytes(of: tensor)
        let back = try NPYFile.read(Self.storage(bytes))
        #expect(back.datatype == tensor.datatype)
        #expect(back.shape == tensor.shape)
        #expect(back.withUnsafeBytes { Array($0) } == tensor.withUnsafeBytes { Array($0) })
    }

    @Test("versions 1 to 3 are read", arguments: [1, 2, 3] as [UInt8])
    func versions(version: UInt8) throws {
        let file = Self.file(Self.header("<i2", "(2,)"), [1, 0, 2, 0], version: version)
        #expect(try NPYFile.read(file).elements() == [1, 2] as [Int16])
    }

    @Test("texts without a byte are read, as many as a request has room for and no more")
    func emptyTexts() throws {
        let few = try NPYFile.read(Self.file(Self.header("|S0", "(2,)"), []))
        #expect(few.strings() == ["", ""])
        for count in [NPYFile.textsMax + 1, 1 << 40] {
            let error = #expect(throws: NPYFile.FormatError.self) {
                try NPYFile.read(Self.file(Self.header("|S0", "(\(count),)"), []))
            }
            #expect(
                error?.reason
                    == "has \(count) texts; a request has room for \(NPYFile.textsMax)"
            )
        }
    }

    @Test("texts become BYTES in UTF-8, without the zeros behind them")
    func texts() throws {
        let data: [UInt8] = [0xe4, 0, 0, 0, 0x62, 0, 0, 0, 0x63, 0, 0, 0, 0, 0, 0, 0]
        let tensor = try NPYFile.read(Self.file(Self.header("<U2", "(2,)"), data))
        #expect(tensor.strings() == ["äb", "c"])
    }

    @Test("BF16 is written as FP32")
    func bf16() throws {
        let halves: [UInt16] = [0x3f80, 0xc000]
        let tensor = try #require(
            halves.withUnsafeBytes { Tensor(datatype: .bf16, shape: [2], bytes: $0) }
        )
        let back = try NPYFile.read(Self.storage(NPYFile.bytes(of: tensor)))
        #expect(back.elements() == [1, -2] as [Float])
    }

    @Test(
        "what cannot be taken is refused in words",
        arguments: [
            (">f4", "(1,)", "big-endian"), ("<c8", "(1,)", "no datatype"),
            ("|O", "(1,)", "no datatype"), ("<f4", "(2,)", "damaged"), ("<f4", "(-1,)", "other"),
            ("<f4", "(1, 1, 1, 1, 1, 1, 1, 1, 1)", "dimensions"),
            ("<f4", "(4611686018427387904, 4)", "damaged"), ("<f4", "1", "other"),
        ]
    )
    func refused(descriptor: String, shape: String, words: String) {
        #expect {
            try NPYFile.read(Self.file(Self.header(descriptor, shape), [0, 0, 0, 0]))
        } throws: { error in
            (error as? NPYFile.FormatError)?.reason.contains(words) == true
        }
    }

    @Test("Fortran order is refused unless it is the same")
    func fortran() throws {
        let header = "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 1), }"
        #expect(throws: NPYFile.FormatError.self) { try NPYFile.read(Self.file(header, [1, 2])) }
        let flat = "{'descr': '|u1', 'fortran_order': True, 'shape': (2,), }"
        #expect(try NPYFile.read(Self.file(flat, [1, 2])).elements() == [1, 2] as [UInt8])
    }

    @Test("no truncation of a file is taken, and none crashes")
    func truncation() {
        let bytes = NPYFile.bytes(of: Tensor([1, 2] as [Float], shape: [2]))
        for length in 0..<bytes.count {
            #expect(throws: NPYFile.FormatError.self) {
                try NPYFile.read(Self.storage(Array(bytes.prefix(length))))
            }
        }
    }
}
