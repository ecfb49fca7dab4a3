package import RoostWire

/// One array in NumPy's `.npy` format, versions 1.0 to 3.0: little-endian, in C order.
///
/// Numbers and booleans are read where they lie; fixed-size bytes (`S`) and texts (`U`) become
/// BYTES, without the zeros that fill them up.
package enum NPYFile {
    /// Why the bytes are no array that Roost takes: a sentence that follows the file's name.
    package struct FormatError: Error, Hashable {
        package let reason: String
    }

    package static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
    /// The longest header that is looked at; NumPy's own limit is 10 000.
    private static let headerBytesMax = 64 << 10
    /// The most texts: each takes four bytes of a request, be it empty. Those of type `S0` take none of
    /// the file, so that its size bounds nothing.
    package static let textsMax = WireLimits.payloadBytesMax / 4

    package static func read(_ file: TensorStorage) throws(FormatError) -> Tensor {
        let (header, dataOffset) = try file.withUnsafeBytes { (bytes) throws(FormatError) in
            try self.header(bytes)
        }
        let kind = try self.kind(header.descriptor)
        guard !header.isFortranOrder || header.shape.count < 2 else {
            throw FormatError(
                reason: "is in Fortran order: save numpy.ascontiguousarray(array) instead"
            )
        }
        guard header.shape.count <= Shape.rankMax else {
            throw FormatError(
                reason:
                    "has \(header.shape.count) dimensions; a tensor has at most \(Shape.rankMax)"
            )
        }
        let shape = Shape(header.shape)
        let (expected, overflow) = (shape.elementCount ?? .max)
            .multipliedReportingOverflow(by: kind.byteWidth)
        let present = file.byteCount - dataOffset
        guard !overflow, expected == present else {
            throw FormatError(
                reason: "is damaged: shape \(shape) needs \(overflow ? "far more" : "\(expected)") "
                    + "bytes, \(present) are there"
            )
        }
        if kind.isText, let count = shape.elementCount, count > self.textsMax {
            throw FormatError(
                reason: "has \(count) texts; a request has room for \(self.textsMax)"
            )
        }
        switch kind {
        case .number(let datatype):
            return Tensor(
                datatype: datatype,
                shape: shape,
                storage: file,
                byteOffset: dataOffset,
                byteCount: present
            )
        case .bytes(let width):
            return self.strings(file, dataOffset, shape, width) { Array($0) }
        case .text(let length):
            return self.strings(file, dataOffset, shape, length * 4) { cell in
                let scalars = stride(from: 0, to: cell.count, by: 4).map {
                    Unicode.Scalar(cell.loadUnaligned(fromByteOffset: $0, as: UInt32.self))
                }
                var text = ""
                text.unicodeScalars.append(contentsOf: scalars.map { $0 ?? "\u{FFFD}" })
                return Array(text.utf8)
            }
        }
    }

    /// What an element is.
    private enum Kind {
        case number(DataType)
        case bytes(Int)
        /// That many UTF-32 characters.
        case text(Int)

        var isText: Bool {
            if case .number = self { false } else { true }
        }

        var byteWidth: Int {
            switch self {
            case .number(let datatype): datatype.byteWidth ?? 1
            case .bytes(let width): width
            case .text(let length): length * 4
            }
        }
    }

    private static func header(
        _ bytes: UnsafeRawBufferPointer
    ) throws(FormatError) -> (NPYHeader, Int) {
        guard bytes.starts(with: self.magic), bytes.count >= 10 else {
            throw FormatError(reason: "is no .npy file: save it with numpy.save")
        }
        let version = bytes[6]
        guard (1...3).contains(version) else {
            throw FormatError(reason: "has version \(version) of the .npy format; 1 to 3 are known")
        }
        let start = version == 1 ? 10 : 12
        guard bytes.count >= start else { throw FormatError(reason: "is damaged: it is cut off") }
        let length =
            version == 1
            ? Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt16.self)))
            : Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self)))
        guard length <= self.headerBytesMax, length <= bytes.count - start else {
            throw FormatError(reason: "is damaged: its header is cut off")
        }
        let text = String(decoding: bytes[start..<(start + length)], as: UTF8.self)
        guard let header = NPYHeader(text) else {
            throw FormatError(
                reason: "holds something other than one array of numbers, booleans or texts"
            )
        }
        return (header, start + length)
    }

    private static func kind(_ descriptor: String) throws(FormatError) -> Kind {
        let order = descriptor.first ?? " "
        let code = String(descriptor.dropFirst())
        guard order != ">" else {
            throw FormatError(
                reason: "is big-endian: save array.astype('<\(code)') instead"
            )
        }
        if let datatype = NPYHeader.datatypes.first(where: { $0.code == code })?.datatype {
            return .number(datatype)
        }
        if let length = Int(code.dropFirst()), (0...(1 << 26)).contains(length) {
            if code.first == "S" { return .bytes(length) }
            if code.first == "U" { return .text(length) }
        }
        throw FormatError(
            reason:
                "holds '\(descriptor)', which is no datatype of a tensor: use numbers, booleans, "
                + "or bytes or texts of a fixed size"
        )
    }

    private static func strings(
        _ file: TensorStorage,
        _ offset: Int,
        _ shape: Shape,
        _ width: Int,
        _ element: (UnsafeRawBufferPointer) -> [UInt8]
    ) -> Tensor {
        let elements = file.withUnsafeBytes { bytes in
            (0..<(shape.elementCount ?? 0)).map { index in
                let start = offset + index * width
                var value = element(
                    UnsafeRawBufferPointer(rebasing: bytes[start..<(start + width)])
                )
                while value.last == 0 { value.removeLast() }
                return value
            }
        }
        return Tensor(elements, shape: shape)
    }
}
