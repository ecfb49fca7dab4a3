package import RoostWire

extension NPYFile {
    /// The file that holds the tensor, version 1.0.
    ///
    /// NumPy has no BF16: such a tensor is written as 32-bit floats, which lose nothing. BYTES are
    /// written as bytes of the longest element's size.
    package static func bytes(of tensor: Tensor) -> [UInt8] {
        switch tensor.datatype {
        case .bf16:
            let halves = tensor.withUnsafeBytes { bytes in
                stride(from: 0, to: bytes.count, by: 2).map {
                    Float(
                        bitPattern: UInt32(
                            bytes.loadUnaligned(fromByteOffset: $0, as: UInt16.self)
                        ) << 16
                    )
                }
            }
            return self.bytes(of: Tensor(halves, shape: tensor.shape))
        case .bytes:
            let elements = tensor.byteStrings() ?? []
            // NumPy has no type for texts without a character.
            let width = max(1, elements.map(\.count).max() ?? 0)
            let cells = elements.flatMap { $0 + [UInt8](repeating: 0, count: width - $0.count) }
            return self.head("|S\(width)", tensor.shape) + cells
        default:
            let code = NPYHeader.datatypes.first { $0.datatype == tensor.datatype }?.code ?? ""
            let order = tensor.datatype.byteWidth == 1 ? "|" : "<"
            return self.head(order + code, tensor.shape) + tensor.withUnsafeBytes { Array($0) }
        }
    }

    private static func head(_ descriptor: String, _ shape: Shape) -> [UInt8] {
        let header = NPYHeader(
            descriptor: descriptor,
            isFortranOrder: false,
            shape: Array(shape)
        )
        // The data shall begin at a multiple of 64; a newline ends the header.
        var text = Array(header.text.utf8)
        let prefix = self.magic.count + 4
        while (prefix + text.count + 1) % 64 != 0 { text.append(0x20) }
        text.append(0x0a)
        let length = UInt16(text.count)
        return self.magic + [1, 0, UInt8(length & 0xff), UInt8(length >> 8)] + text
    }
}
