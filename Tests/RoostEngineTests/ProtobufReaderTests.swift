import Testing

@testable import RoostEngine

@Suite struct ProtobufReaderTests {
    /// All fields of a message, and whether it ended where it should.
    private func read(
        _ bytes: [UInt8],
        _ range: Range<Int>? = nil
    ) -> (fields: [ProtobufReader.Field], isBroken: Bool) {
        var reader = ProtobufReader(ByteWindow(bytes), range)
        var fields: [ProtobufReader.Field] = []
        while let field = reader.next() { fields.append(field) }
        return (fields, reader.isBroken)
    }

    private let message: [UInt8] = {
        var writer = ProtobufWriter()
        writer.append(1, 5)
        writer.append(2, Array("text".utf8))
        writer.append(16, -1)
        return writer.bytes + [3 << 3 | 5, 1, 2, 3, 4] + [4 << 3 | 1, 1, 2, 3, 4, 5, 6, 7, 8]
    }()

    @Test("fields come in their order, with their numbers and where their bytes lie")
    func fields() {
        let (fields, isBroken) = self.read(self.message)
        #expect(
            fields == [
                .init(number: 1, value: .number(5)), .init(number: 2, value: .bytes(4..<8)),
                .init(number: 16, value: .number(.max)), .init(number: 3, value: .skipped),
                .init(number: 4, value: .skipped),
            ]
        )
        #expect(!isBroken)
        #expect(self.read([]).fields.isEmpty)
    }

    @Test("a message that is cut off ends where it is, whatever is missing")
    func cut() {
        var whole = 0
        for count in 0..<self.message.count {
            let (fields, isBroken) = self.read(Array(self.message.prefix(count)))
            #expect(fields.count <= 4)
            if !isBroken { whole += 1 }
        }
        // Between the fields, and before the first.
        #expect(whole == 5)
    }

    @Test(
        "what is no field ends the message",
        arguments: [
            // Lengths beyond the end, up to the largest that there is.
            [0x0A, 2, 0], [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
            [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1],
            [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
            // Numbers of more than ten bytes.
            [UInt8](repeating: 0xFF, count: 20), [0x08] + [UInt8](repeating: 0x80, count: 20) + [1],
            // No number of a field, groups, and kinds that there are not.
            [0x00, 1], [0x02, 0], [0x0B], [0x0C], [0x0E, 1], [0x0F, 1],
        ] as [[UInt8]]
    )
    func broken(bytes: [UInt8]) {
        let (fields, isBroken) = self.read(bytes)
        #expect(fields.isEmpty)
        #expect(isBroken)
    }

    @Test("bytes of any kind are read to their end without a trap")
    func noise() {
        var state: UInt64 = 7
        for _ in 0..<2_000 {
            let bytes = (0..<64).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return UInt8(truncatingIfNeeded: state >> 56)
            }
            for field in self.read(bytes).fields {
                if case .bytes(let range) = field.value { #expect(range.upperBound <= 64) }
            }
        }
    }

    @Test("a range is read and no more, and none beyond what there is")
    func range() {
        #expect(self.read(self.message, 0..<2).fields == [.init(number: 1, value: .number(5))])
        #expect(self.read(self.message, 0..<3).isBroken)
        #expect(self.read(self.message, 0..<1_000).fields.count == 5)
        #expect(self.read(self.message, 900..<1_000).fields.isEmpty)
    }

    @Test("numbers one after the other are read to the end, or to what is none")
    func numbers() {
        var reader = ProtobufReader(ByteWindow([1, 0x80, 1, 0x7F, 0x80]))
        var numbers: [UInt64] = []
        while let number = reader.nextNumber() { numbers.append(number) }
        #expect(numbers == [1, 128, 127])
        #expect(reader.isBroken)
    }

    @Test("a file is read like memory, whatever lies across its windows")
    func file() {
        let directory = TemporaryDirectory()
        var writer = ProtobufWriter()
        for number in 1...3_000 { writer.append(number, Array("\(number)".utf8)) }
        let window = ByteWindow(path: directory.write("message", writer.bytes))
        #expect(window.byteCount == writer.bytes.count)
        var reader = ProtobufReader(window)
        var count = 0
        while let field = reader.next() {
            count += 1
            guard case .bytes(let range) = field.value else { continue }
            #expect(window.text(range, bytesMax: 100) == "\(field.number)")
        }
        #expect(count == 3_000)
        #expect(!reader.isBroken)
        #expect(window.text(0..<window.byteCount, bytesMax: 2) == "\n\u{1}")
        #expect(ByteWindow(path: "\(directory.path)/none").byteCount == 0)
        #expect(ByteWindow(path: directory.path).byteCount == 0)
        #expect(ByteWindow(path: directory.path).byte(at: 0) == nil)
        #expect(ByteWindow([]).byte(at: 0) == nil)
        #expect(ByteWindow([1]).byte(at: -1) == nil)
    }
}
