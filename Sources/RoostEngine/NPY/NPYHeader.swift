package import RoostWire

/// The dictionary at the start of a `.npy` file, a Python literal:
/// `{'descr': '<f4', 'fortran_order': False, 'shape': (1, 8, 8), }`.
package struct NPYHeader: Hashable {
    package let descriptor: String
    package let isFortranOrder: Bool
    package let shape: [Int]

    /// NumPy's names of the datatypes that have one, without the byte order.
    package static let datatypes: [(code: String, datatype: DataType)] = [
        ("b1", .bool), ("u1", .uint8), ("u2", .uint16), ("u4", .uint32), ("u8", .uint64),
        ("i1", .int8), ("i2", .int16), ("i4", .int32), ("i8", .int64), ("f2", .fp16),
        ("f4", .fp32), ("f8", .fp64),
    ]

    init(descriptor: String, isFortranOrder: Bool, shape: [Int]) {
        self.descriptor = descriptor
        self.isFortranOrder = isFortranOrder
        self.shape = shape
    }

    /// Reads the literal; `nil` if it is not of this form, as that of a structured array is not.
    init?(_ text: String) {
        guard let descriptor = Self.value(of: "descr", in: text),
            let order = Self.value(of: "fortran_order", in: text),
            let shape = Self.value(of: "shape", in: text)
        else { return nil }
        guard let quote = descriptor.first, quote == "'" || quote == "\"",
            let end = descriptor.dropFirst().firstIndex(of: quote)
        else { return nil }
        guard shape.first == "(", let close = shape.firstIndex(of: ")") else { return nil }
        var sizes: [Int] = []
        for part in shape[shape.index(after: shape.startIndex)..<close].split(separator: ",") {
            let trimmed = part.filter { $0 != " " && $0 != "L" }
            if trimmed.isEmpty { continue }
            guard let size = Int(trimmed), size >= 0 else { return nil }
            sizes.append(size)
        }
        self.descriptor = String(descriptor[descriptor.index(after: descriptor.startIndex)..<end])
        self.isFortranOrder = order.hasPrefix("True")
        self.shape = sizes
    }

    /// What follows a key and its colon.
    private static func value(of key: String, in text: String) -> Substring? {
        for quote in ["'", "\""] {
            let quoted = quote + key + quote
            guard let range = text.firstRange(of: quoted) else { continue }
            let rest = text[range.upperBound...].drop { $0 == " " }
            guard rest.first == ":" else { continue }
            return rest.dropFirst().drop { $0 == " " }
        }
        return nil
    }

    /// The literal.
    var text: String {
        let sizes = self.shape.map(String.init).joined(separator: ", ")
        let tuple = self.shape.count == 1 ? "(\(sizes),)" : "(\(sizes))"
        let order = self.isFortranOrder ? "True" : "False"
        return "{'descr': '\(self.descriptor)', 'fortran_order': \(order), 'shape': \(tuple), }"
    }
}
