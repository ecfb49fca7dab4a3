/// A tensor: a datatype, a shape and the elements, row-major, little-endian.
///
/// Copying a tensor copies a reference; the elements are immutable.
///
/// ```swift
/// let image = Tensor([0.0, 0.5, 1.0, 0.25] as [Float], shape: [1, 2, 2])
/// let names = Tensor(["a", "bc"], shape: [2])
/// let back: [Float]? = image.elements()
/// ```
public struct Tensor: Sendable {
    public let datatype: DataType
    public let shape: Shape
    package let storage: TensorStorage
    /// Where in the storage the elements begin, in bytes.
    package let byteOffset: Int
    /// The size of the elements in bytes.
    public let byteCount: Int

    /// A tensor over memory that is already there. The caller has checked that `byteCount` fits
    /// datatype and shape (``byteCountFits``) and lies within the storage.
    package init(
        datatype: DataType,
        shape: Shape,
        storage: TensorStorage,
        byteOffset: Int = 0,
        byteCount: Int
    ) {
        precondition(
            byteOffset >= 0 && byteCount >= 0 && byteOffset + byteCount <= storage.byteCount,
            "\(byteCount) bytes at \(byteOffset) of \(storage.byteCount)"
        )
        self.datatype = datatype
        self.shape = shape
        self.storage = storage
        self.byteOffset = byteOffset
        self.byteCount = byteCount
    }

    /// A tensor of numbers.
    ///
    /// - Precondition: there are as many elements as the shape says.
    public init<Element: TensorElement>(_ elements: [Element], shape: Shape) {
        precondition(
            elements.count == shape.elementCount,
            "\(elements.count) elements do not fill shape \(shape)"
        )
        self = elements.withUnsafeBytes { source in
            Tensor(
                datatype: Element.datatype,
                shape: shape,
                storage: TensorStorage(byteCount: source.count) { $0.copyMemory(from: source) },
                byteCount: source.count
            )
        }
    }

    /// A BYTES tensor.
    ///
    /// - Precondition: there are as many elements as the shape says.
    public init(_ elements: [[UInt8]], shape: Shape) {
        precondition(
            elements.count == shape.elementCount,
            "\(elements.count) elements do not fill shape \(shape)"
        )
        let byteCount = elements.reduce(0) { $0 + 4 + $1.count }
        self.init(
            datatype: .bytes,
            shape: shape,
            storage: TensorStorage(byteCount: byteCount) { target in
                var offset = 0
                for element in elements {
                    target.storeBytes(
                        of: UInt32(element.count).littleEndian,
                        toByteOffset: offset,
                        as: UInt32.self
                    )
                    UnsafeMutableRawBufferPointer(rebasing: target[(offset + 4)...])
                        .copyBytes(from: element)
                    offset += 4 + element.count
                }
            },
            byteCount: byteCount
        )
    }

    /// A BYTES tensor of UTF-8 strings.
    public init(_ elements: [String], shape: Shape) {
        self.init(elements.map { Array($0.utf8) }, shape: shape)
    }

    /// A tensor of raw elements, copied: `bytes` as they would lie in memory. This is how FP16 and
    /// BF16 come in where the machine's language has no such type.
    ///
    /// Returns `nil` if the bytes do not fit datatype and shape.
    public init?(datatype: DataType, shape: Shape, bytes: UnsafeRawBufferPointer) {
        self.init(
            datatype: datatype,
            shape: shape,
            storage: TensorStorage(byteCount: bytes.count) { $0.copyMemory(from: bytes) },
            byteCount: bytes.count
        )
        guard self.byteCountFits else { return nil }
    }

    /// Whether the byte count is what datatype and shape call for; for BYTES, whether the length
    /// prefixes add up to exactly the elements of the shape.
    package var byteCountFits: Bool {
        guard let count = self.shape.elementCount else { return false }
        guard let width = self.datatype.byteWidth else {
            return self.withUnsafeBytes { BytesElements.count(in: $0, limit: count) == count }
        }
        let (expected, overflow) = count.multipliedReportingOverflow(by: width)
        return !overflow && expected == self.byteCount
    }

    /// The elements' bytes, valid inside `body` only. They may start at any address: load with
    /// `loadUnaligned`.
    public func withUnsafeBytes<R, E: Error>(
        _ body: (UnsafeRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        try body(
            UnsafeRawBufferPointer(
                start: self.storage.base + self.byteOffset,
                count: self.byteCount
            )
        )
    }

    /// The elements as numbers of that type; `nil` if the datatype is another. A BOOL that is
    /// neither 0 nor 1 reads as true.
    public func elements<Element: TensorElement>(as _: Element.Type = Element.self) -> [Element]? {
        guard Element.datatype == self.datatype else { return nil }
        let count = self.byteCount / MemoryLayout<Element>.size
        return self.withUnsafeBytes { source in
            [Element](unsafeUninitializedCapacity: count) { target, initialized in
                UnsafeMutableRawBufferPointer(target).copyMemory(
                    from: UnsafeRawBufferPointer(
                        rebasing: source[..<(count * MemoryLayout<Element>.size)]
                    )
                )
                initialized = count
                // A `Bool` of any other byte would be undefined, and the bytes may be a stranger's.
                guard self.datatype == .bool else { return }
                let bytes = UnsafeMutableRawBufferPointer(target)
                for index in bytes.indices where bytes[index] > 1 { bytes[index] = 1 }
            }
        }
    }

    /// The elements of a BYTES tensor; `nil` if the datatype is another.
    public func byteStrings() -> [[UInt8]]? {
        guard self.datatype == .bytes else { return nil }
        return self.withUnsafeBytes { source in
            var elements: [[UInt8]] = []
            BytesElements.forEach(in: source) { elements.append(Array($0)) }
            return elements
        }
    }

    /// The elements of a BYTES tensor as UTF-8, repaired where it is broken; `nil` if the datatype
    /// is another.
    public func strings() -> [String]? {
        self.byteStrings()?.map { String(decoding: $0, as: UTF8.self) }
    }
}

extension Tensor: CustomStringConvertible {
    public var description: String { "\(self.datatype)\(self.shape)" }
}

/// A number that can be a tensor's element.
public protocol TensorElement: BitwiseCopyable, Sendable {
    static var datatype: DataType { get }
}

extension Bool: TensorElement { public static var datatype: DataType { .bool } }
extension UInt8: TensorElement { public static var datatype: DataType { .uint8 } }
extension UInt16: TensorElement { public static var datatype: DataType { .uint16 } }
extension UInt32: TensorElement { public static var datatype: DataType { .uint32 } }
extension UInt64: TensorElement { public static var datatype: DataType { .uint64 } }
extension Int8: TensorElement { public static var datatype: DataType { .int8 } }
extension Int16: TensorElement { public static var datatype: DataType { .int16 } }
extension Int32: TensorElement { public static var datatype: DataType { .int32 } }
extension Int64: TensorElement { public static var datatype: DataType { .int64 } }
extension Float16: TensorElement { public static var datatype: DataType { .fp16 } }
extension Float: TensorElement { public static var datatype: DataType { .fp32 } }
extension Double: TensorElement { public static var datatype: DataType { .fp64 } }

/// The memory layout of BYTES elements: 32-bit little-endian length, then the bytes, repeated.
package enum BytesElements {
    /// How many elements fill `bytes` exactly; `nil` if they do not, or are more than `limit`.
    package static func count(in bytes: UnsafeRawBufferPointer, limit: Int) -> Int? {
        var offset = 0
        var count = 0
        while offset < bytes.count {
            guard count < limit, bytes.count - offset >= 4 else { return nil }
            let length = Int(
                UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            )
            guard length <= bytes.count - offset - 4 else { return nil }
            offset += 4 + length
            count += 1
        }
        return count
    }

    /// Calls `body` with each element of `bytes`, which ``count(in:limit:)`` has accepted.
    package static func forEach<E: Error>(
        in bytes: UnsafeRawBufferPointer,
        _ body: (UnsafeRawBufferPointer) throws(E) -> Void
    ) throws(E) {
        var offset = 0
        while offset + 4 <= bytes.count {
            let length = Int(
                UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            )
            let end = Swift.min(offset + 4 + length, bytes.count)
            try body(UnsafeRawBufferPointer(rebasing: bytes[(offset + 4)..<end]))
            offset = end
        }
    }
}
