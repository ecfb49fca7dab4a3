private import CMultiplyAdd

/// What each output sample of one resized dimension is made of, in Pillow's fixed point.
///
/// Pillow multiplies samples with weights of 22 fraction bits in 32-bit numbers. Vector units that
/// every processor has multiply 16-bit numbers and add pairs of products, so a weight is held as
/// two numbers of 16 bits, and both sums are put together at the end: the result is Pillow's, bit
/// for bit, since sums that overflow on the way do so alike.
struct ResizeKernel {
    /// Fraction bits of a weight: eight bits of sample and two of headroom leave 22 of 32.
    static let fractionBits: Int32 = 22
    /// Bits of a weight's lower part.
    private static let lowBits: Int32 = 11
    /// How many weights a vector holds; the weights of an output begin at a multiple of it and are
    /// filled up with zeros.
    static let lanes = 8
    /// How many bytes behind the last input are read, and not used.
    static let overread = 3 * lanes

    let inputCount: Int
    /// How many outputs there are: those of the window.
    let outputCount: Int
    /// The distance between two outputs' first weights.
    let stride: Int
    /// For each output, its first input and how many follow.
    private(set) var spans: [(start: Int, count: Int)] = []
    private(set) var high: [Int16]
    private(set) var low: [Int16]

    /// - Parameter window: which of the `outputCount` outputs are wanted.
    init(
        from inputCount: Int,
        to outputCount: Int,
        filter: ResizeFilter,
        window: Range<Int>
    ) {
        let scale = Double(inputCount) / Double(outputCount)
        let widening = max(scale, 1)
        let support = filter.support * widening
        let countMax = Int(support.rounded(.up)) * 2 + 1
        let stride = (countMax + Self.lanes - 1) / Self.lanes * Self.lanes
        self.inputCount = inputCount
        self.outputCount = window.count
        self.stride = stride
        self.high = Array(repeating: 0, count: stride * window.count)
        self.low = self.high
        self.spans.reserveCapacity(window.count)
        var exact = [Double](repeating: 0, count: countMax)
        for output in window {
            let center = (Double(output) + 0.5) * scale
            let start = max(0, Int(center - support + 0.5))
            let count = min(inputCount, Int(center + support + 0.5)) - start
            var sum = 0.0
            for index in 0..<count {
                let distance = Double(index + start) - center + 0.5
                exact[index] = filter.weight(at: distance * (1 / widening))
                sum += exact[index]
            }
            let first = (output - window.lowerBound) * stride
            for index in 0..<count {
                let share = sum == 0 ? exact[index] : exact[index] / sum
                let scaled = share * Double(1 << Self.fractionBits)
                let weight = Int32(share < 0 ? scaled - 0.5 : scaled + 0.5)
                self.high[first + index] = Int16(weight >> Self.lowBits)
                self.low[first + index] = Int16(weight & (1 << Self.lowBits - 1))
            }
            self.spans.append((start, count))
        }
    }

    /// The inputs that any output is made of.
    var inputs: Range<Int> {
        guard let first = self.spans.first, let last = self.spans.last else { return 0..<0 }
        return first.start..<(last.start + last.count)
    }

    /// Where an output's sums stand at first: one half, so that cutting the fraction off rounds.
    static let half: Int32 = 1 << (fractionBits - 1)

    /// The samples that sums amount to, each in the lowest byte of its lane.
    @inline(__always)
    static func samples(
        _ high: SIMD4<Int32>,
        _ low: SIMD4<Int32>
    ) -> SIMD4<UInt32> {
        let sums = (high &<< self.lowBits) &+ low &+ Self.half
        let whole = (sums &>> self.fractionBits).clamped(
            lowerBound: SIMD4(repeating: 0),
            upperBound: SIMD4(repeating: 255)
        )
        return SIMD4<UInt32>(truncatingIfNeeded: whole)
    }

    @inline(__always)
    static func sample(_ high: Int32, _ low: Int32) -> UInt8 {
        let sum = (high &<< self.lowBits) &+ low &+ Self.half
        return UInt8(truncatingIfNeeded: min(max(sum >> self.fractionBits, 0), 255))
    }

    /// Adds the sums of pairs of products, of 16-bit numbers of which each lane has two.
    @inline(__always)
    static func add(
        _ left: SIMD4<UInt32>,
        _ right: SIMD4<UInt32>,
        to sums: inout SIMD4<Int32>
    ) {
        sums &+= roost_multiply_add(
            SIMD4<Int32>(truncatingIfNeeded: left),
            SIMD4<Int32>(truncatingIfNeeded: right)
        )
    }

    /// Four bytes of each, as pairs of 16-bit numbers.
    @inline(__always)
    static func interleaved(
        _ left: UnsafePointer<UInt8>,
        _ right: UnsafePointer<UInt8>
    ) -> SIMD4<UInt32> {
        SIMD4<UInt32>(truncatingIfNeeded: roost_interleave(left, right))
    }

    /// Two neighbouring weights, four times.
    @inline(__always)
    static func pair(_ weights: UnsafePointer<Int16>, _ index: Int) -> SIMD4<UInt32> {
        SIMD4(repeating: UnsafeRawPointer(weights + index).loadUnaligned(as: UInt32.self))
    }
}
