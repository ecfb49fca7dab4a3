import RoostOps
import RoostWire

/// Makes a tensor of nested JSON arrays: the nesting is the shape, the datatype is given.
struct TensorReader {
    /// Why it could not: what is wrong, and where.
    struct Problem: Error, Hashable {
        let reason: String
    }

    let datatype: DataType

    func tensor(_ json: JSON) throws(Problem) -> Tensor {
        let sizes = Self.sizes(json)
        guard sizes.count <= Shape.rankMax else {
            throw Problem(reason: "it is nested \(sizes.count) deep; \(Shape.rankMax) is the most")
        }
        let shape = Shape(sizes)
        switch self.datatype {
        case .bool: return Tensor(try self.elements(json, sizes, Self.bool), shape: shape)
        case .uint8: return try self.integers(json, sizes, UInt8.self)
        case .uint16: return try self.integers(json, sizes, UInt16.self)
        case .uint32: return try self.integers(json, sizes, UInt32.self)
        case .uint64: return try self.integers(json, sizes, UInt64.self)
        case .int8: return try self.integers(json, sizes, Int8.self)
        case .int16: return try self.integers(json, sizes, Int16.self)
        case .int32: return try self.integers(json, sizes, Int32.self)
        case .int64: return try self.integers(json, sizes, Int64.self)
        case .fp16:
            return Tensor(
                try self.elements(json, sizes) { Self.double($0).map(Float16.init) },
                shape: shape
            )
        case .fp32:
            return Tensor(
                try self.elements(json, sizes) { Self.double($0).map(Float.init) },
                shape: shape
            )
        case .fp64: return Tensor(try self.elements(json, sizes, Self.double), shape: shape)
        case .bf16: return try self.bf16(json, sizes)
        case .bytes:
            return Tensor(
                try self.elements(json, sizes) { value -> String? in
                    if case .string(let text) = value { text } else { nil }
                },
                shape: shape
            )
        }
    }

    /// The sizes along the first elements; whether the others agree shows when they are read.
    private static func sizes(_ json: JSON) -> [Int] {
        var sizes: [Int] = []
        var value = json
        while case .array(let elements) = value {
            sizes.append(elements.count)
            guard let first = elements.first else { break }
            value = first
        }
        return sizes
    }

    /// All elements in order, converted; `convert` gives `nil` for what does not fit.
    private func elements<Element>(
        _ json: JSON,
        _ sizes: [Int],
        _ convert: (JSON) -> Element?
    ) throws(Problem) -> [Element] {
        var elements: [Element] = []
        var path: [Int] = []
        try self.collect(json, sizes[...], &path, &elements, convert)
        return elements
    }

    private func collect<Element>(
        _ json: JSON,
        _ sizes: ArraySlice<Int>,
        _ path: inout [Int],
        _ elements: inout [Element],
        _ convert: (JSON) -> Element?
    ) throws(Problem) {
        guard let size = sizes.first else {
            if case .array = json { throw Self.ragged(path) }
            guard let element = convert(json) else {
                throw Problem(
                    reason: "\(Self.excerpt(json)) at \(path) is no \(self.datatype)"
                )
            }
            elements.append(element)
            return
        }
        guard case .array(let values) = json, values.count == size else { throw Self.ragged(path) }
        for (index, value) in values.enumerated() {
            path.append(index)
            try self.collect(value, sizes.dropFirst(), &path, &elements, convert)
            path.removeLast()
        }
    }

    private static func ragged(_ path: [Int]) -> Problem {
        Problem(reason: "the arrays are not of equal length, at \(path)")
    }

    private static func excerpt(_ json: JSON) -> String {
        switch json {
        case .object, .array: json.kind
        default: String(json.description.prefix(40))
        }
    }

    private func integers<Element: TensorElement & FixedWidthInteger>(
        _ json: JSON,
        _ sizes: [Int],
        _: Element.Type
    ) throws(Problem) -> Tensor {
        Tensor(try self.elements(json, sizes, Self.integer) as [Element], shape: Shape(sizes))
    }

    private static func integer<Element: FixedWidthInteger>(_ json: JSON) -> Element? {
        guard case .number(let text) = json else { return nil }
        // 3.0 and 1e3 are whole numbers too.
        return Element(text) ?? Double(text).flatMap { Element(exactly: $0) }
    }

    private static func bool(_ json: JSON) -> Bool? {
        if case .bool(let value) = json { value } else { nil }
    }

    private static func double(_ json: JSON) -> Double? {
        guard case .number(let text) = json else { return nil }
        switch text {
        case "NaN": return .nan
        case "Infinity": return .infinity
        case "-Infinity": return -.infinity
        default: return Double(text)
        }
    }

    /// BF16 is the upper half of FP32, rounded to the nearest, ties to even.
    private func bf16(_ json: JSON, _ sizes: [Int]) throws(Problem) -> Tensor {
        let halves = try self.elements(json, sizes) { value -> UInt16? in
            Self.double(value).map { double in
                let bits = Float(double).bitPattern
                if double.isNaN { return 0x7fc0 }
                return UInt16(truncatingIfNeeded: (bits + 0x7fff + (bits >> 16 & 1)) >> 16)
            }
        }
        guard
            let tensor = halves.withUnsafeBytes({
                Tensor(datatype: .bf16, shape: Shape(sizes), bytes: $0)
            })
        else { preconditionFailure("\(halves.count) elements for \(sizes)") }
        return tensor
    }
}
