internal import Glibc
internal import RoostWire

/// The classes that a model's scores speak for most.
struct TopClasses {
    /// How many of them.
    let count: Int
    /// Whether the scores are made probabilities first (softmax).
    let isSoftmax: Bool

    /// Appends the best classes of a row, the best first and of equal ones the first, and how sure
    /// the model is of each. What is no number comes last.
    func append(
        _ scores: UnsafeBufferPointer<Float>,
        to best: inout [(index: Int, confidence: Float)]
    ) {
        let first = best.count
        for (index, score) in scores.enumerated() {
            let score = score.isNaN ? -Float.infinity : score
            if best.count - first == self.count {
                guard score > best[best.count - 1].confidence else { continue }
                best.removeLast()
            }
            var place = best.count
            while place > first, best[place - 1].confidence < score { place -= 1 }
            best.insert((index, score), at: place)
        }
        guard self.isSoftmax, first < best.count else { return }
        let largest = best[first].confidence
        var sum: Float = 0
        for score in scores where !score.isNaN { sum += expf(score - largest) }
        for index in first..<best.count {
            best[index].confidence = expf(best[index].confidence - largest) / sum
        }
    }
}

extension Tensor {
    /// The elements of a tensor of floating-point numbers in single precision; `nil` if it is none.
    func floats() -> [Float]? {
        switch self.datatype {
        case .fp32: self.elements(as: Float.self)
        case .fp64: self.elements(as: Double.self)?.map { Float($0) }
        case .fp16: self.elements(as: Float16.self)?.map { Float($0) }
        case .bf16:
            self.withUnsafeBytes { bytes in
                stride(from: 0, to: bytes.count - 1, by: 2).map { offset in
                    let bits = bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
                    return Float(bitPattern: UInt32(bits) << 16)
                }
            }
        default: nil
        }
    }
}
