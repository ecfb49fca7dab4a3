internal import RoostWire

/// Copies part of one row-major array into part of another: how rows are filled up and cut.
enum Block {
    /// Copies as many elements as `region` has along each axis, from the beginning of `source` to
    /// the beginning of `target`.
    ///
    /// - Parameters:
    ///   - region: no larger than either shape along any axis; all three have the same rank.
    ///   - width: bytes of an element.
    static func copy(
        _ region: Shape,
        width: Int,
        from source: UnsafeRawPointer,
        _ sourceShape: Shape,
        to target: UnsafeMutableRawPointer,
        _ targetShape: Shape
    ) {
        guard region.elementCount != 0 else { return }
        // The innermost axes that are whole on both sides are one run of bytes.
        var axis = region.rank
        var run = width
        while axis > 0 {
            axis -= 1
            run *= region[axis]
            guard region[axis] == sourceShape[axis], region[axis] == targetShape[axis] else {
                break
            }
        }
        self.copy(region, axis, run, width, source, sourceShape, target, targetShape, 0)
    }

    private static func copy(
        _ region: Shape,
        _ last: Int,
        _ run: Int,
        _ width: Int,
        _ source: UnsafeRawPointer,
        _ sourceShape: Shape,
        _ target: UnsafeMutableRawPointer,
        _ targetShape: Shape,
        _ axis: Int
    ) {
        guard axis < last else {
            target.copyMemory(from: source, byteCount: run)
            return
        }
        let sourceStride = self.stride(sourceShape, axis, width)
        let targetStride = self.stride(targetShape, axis, width)
        for index in 0..<region[axis] {
            self.copy(
                region,
                last,
                run,
                width,
                source + index * sourceStride,
                sourceShape,
                target + index * targetStride,
                targetShape,
                axis + 1
            )
        }
    }

    /// How far apart neighbours along that axis lie, in bytes.
    private static func stride(_ shape: Shape, _ axis: Int, _ width: Int) -> Int {
        var stride = width
        for inner in (axis + 1)..<max(shape.rank, axis + 1) { stride *= shape[inner] }
        return stride
    }

    /// Fills memory with one value, converted to the datatype.
    static func fill(
        _ target: UnsafeMutableRawBufferPointer,
        _ datatype: DataType,
        with value: Double
    ) {
        switch datatype {
        case .bool: self.fill(target, UInt8(value == 0 ? 0 : 1))
        case .uint8: self.fill(target, UInt8(clamping: value))
        case .int8: self.fill(target, Int8(clamping: value))
        case .uint16: self.fill(target, UInt16(clamping: value))
        case .int16: self.fill(target, Int16(clamping: value))
        case .uint32: self.fill(target, UInt32(clamping: value))
        case .int32: self.fill(target, Int32(clamping: value))
        case .uint64: self.fill(target, UInt64(clamping: value))
        case .int64: self.fill(target, Int64(clamping: value))
        case .fp16: self.fill(target, Float16(value))
        case .bf16: self.fill(target, UInt16(Float(value).bitPattern >> 16))
        case .fp32: self.fill(target, Float(value))
        case .fp64: self.fill(target, value)
        case .bytes: break
        }
    }

    private static func fill<Value: BitwiseCopyable>(
        _ target: UnsafeMutableRawBufferPointer,
        _ value: Value
    ) {
        let width = MemoryLayout<Value>.size
        for offset in Swift.stride(from: 0, to: target.count - width + 1, by: width) {
            target.storeBytes(of: value, toByteOffset: offset, as: Value.self)
        }
    }
}

extension FixedWidthInteger {
    /// The nearest number of the type; 0 for what is none.
    fileprivate init(clamping value: Double) {
        if value.isNaN {
            self = 0
        } else if let exact = Self(exactly: value.rounded(.towardZero)) {
            self = exact
        } else {
            self = value < 0 ? .min : .max
        }
    }
}
