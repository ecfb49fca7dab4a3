/// What each output sample of one resized dimension is made of: Pillow's triangle filter, widened
/// when shrinking so that every input sample counts, in Pillow's fixed point.
struct ResizeKernel {
    /// Fraction bits of a weight: eight bits of sample and two of headroom leave 22 of 32.
    static let fractionBits: Int32 = 22
    /// One half, so that shifting the fraction out rounds.
    static let half: Int32 = 1 << (fractionBits - 1)

    let inputCount: Int
    let outputCount: Int
    /// The distance between two outputs' first weights in `weights`.
    let stride: Int
    /// For each output, its first input and how many follow.
    let spans: [(start: Int, count: Int)]
    let weights: [Int32]

    init(from inputCount: Int, to outputCount: Int) {
        let scale = Double(inputCount) / Double(outputCount)
        let support = max(scale, 1)
        let stride = Int(support.rounded(.up)) * 2 + 1
        var spans: [(start: Int, count: Int)] = []
        spans.reserveCapacity(outputCount)
        var weights = [Int32](repeating: 0, count: stride * outputCount)
        var exact = [Double](repeating: 0, count: stride)
        for output in 0..<outputCount {
            let center = (Double(output) + 0.5) * scale
            let start = max(0, Int(center - support + 0.5))
            let count = min(inputCount, Int(center + support + 0.5)) - start
            var sum = 0.0
            for index in 0..<count {
                let distance = (Double(index + start) - center + 0.5) / support
                exact[index] = max(0, 1 - abs(distance))
                sum += exact[index]
            }
            for index in 0..<count {
                let share = sum == 0 ? exact[index] : exact[index] / sum
                weights[output * stride + index] = Int32(
                    0.5 + share * Double(1 << Self.fractionBits)
                )
            }
            spans.append((start, count))
        }
        self.inputCount = inputCount
        self.outputCount = outputCount
        self.stride = stride
        self.spans = spans
        self.weights = weights
    }
}

extension ResizeKernel {
    /// Resizes one row of pixels of `channels` interleaved samples.
    @inline(__always)
    func resizeRow(
        _ source: UnsafePointer<UInt8>,
        into target: UnsafeMutablePointer<UInt8>,
        channels: Int,
        weights: UnsafePointer<Int32>,
        spans: UnsafePointer<(start: Int, count: Int)>
    ) {
        for output in 0..<self.outputCount {
            let (start, count) = spans[output]
            let share = weights + output &* self.stride
            var sample = source + start &* channels
            if channels == 1 {
                var sum = Self.half
                for index in 0..<count {
                    sum &+= Int32(sample[index]) &* share[index]
                }
                target[output] = Self.sample(sum)
            } else {
                var red = Self.half
                var green = Self.half
                var blue = Self.half
                for index in 0..<count {
                    let weight = share[index]
                    red &+= Int32(sample[0]) &* weight
                    green &+= Int32(sample[1]) &* weight
                    blue &+= Int32(sample[2]) &* weight
                    sample += 3
                }
                target[output &* 3] = Self.sample(red)
                target[output &* 3 &+ 1] = Self.sample(green)
                target[output &* 3 &+ 2] = Self.sample(blue)
            }
        }
    }

    /// Mixes the rows that make up one output row, sample by sample.
    func mixRows(
        _ source: UnsafePointer<UInt8>,
        rowBytes: Int,
        output: Int,
        into target: UnsafeMutablePointer<UInt8>,
        sums: UnsafeMutablePointer<Int32>,
        weights: UnsafePointer<Int32>
    ) {
        let (start, count) = self.spans[output]
        sums.update(repeating: Self.half, count: rowBytes)
        for index in 0..<count {
            let row = source + (start &+ index) &* rowBytes
            let weight = weights[output &* self.stride &+ index]
            for column in 0..<rowBytes {
                sums[column] &+= Int32(row[column]) &* weight
            }
        }
        for column in 0..<rowBytes {
            target[column] = Self.sample(sums[column])
        }
    }

    /// A sum without its fraction. Weights that round up can push white one beyond 255.
    @inline(__always)
    private static func sample(_ sum: Int32) -> UInt8 {
        UInt8(truncatingIfNeeded: min(255, sum >> self.fractionBits))
    }
}
