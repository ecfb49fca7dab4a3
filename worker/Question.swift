internal import Glibc
internal import RoostWire

/// What a request asks of a model, as far as the answer follows from it.
///
/// Two are equal if every byte is: a hash alone would let whoever finds two inputs of one hash have
/// others served the wrong answer. Of numbers, too, the bytes are compared, so 0.0 and -0.0 are two
/// questions. The hash is computed once; its seed is the process's, so nobody can choose inputs that
/// share it.
struct Question: Hashable, Sendable {
    let inputs: [Tensor]
    /// The outputs wanted, by their place in the signature; empty: all.
    let wanted: [Int]
    private let digest: Int

    init(inputs: [Tensor], wanted: [Int]) {
        var hasher = Hasher()
        hasher.combine(wanted)
        for input in inputs {
            hasher.combine(input.shape)
            input.withUnsafeBytes { hasher.combine(bytes: $0) }
        }
        self.init(inputs, wanted, digest: hasher.finalize())
    }

    private init(_ inputs: [Tensor], _ wanted: [Int], digest: Int) {
        self.inputs = inputs
        self.wanted = wanted
        self.digest = digest
    }

    /// The same over memory of its own: what was received may be a small part of what it lies in.
    var copied: Question {
        Question(self.inputs.map(\.copied), self.wanted, digest: self.digest)
    }

    static func == (left: Question, right: Question) -> Bool {
        guard left.digest == right.digest, left.wanted == right.wanted,
            left.inputs.count == right.inputs.count
        else { return false }
        return zip(left.inputs, right.inputs).allSatisfy { one, other in
            one.datatype == other.datatype && one.shape == other.shape && one.hasBytes(of: other)
        }
    }

    func hash(into hasher: inout Hasher) { hasher.combine(self.digest) }
}

extension Tensor {
    fileprivate func hasBytes(of other: Tensor) -> Bool {
        guard self.byteCount == other.byteCount else { return false }
        return self.withUnsafeBytes { bytes in
            other.withUnsafeBytes { others in
                guard let one = bytes.baseAddress, let other = others.baseAddress else {
                    return true
                }
                return memcmp(one, other, bytes.count) == 0
            }
        }
    }

    /// The tensor over memory of its own, which holds nothing else.
    var copied: Tensor {
        let storage = self.withUnsafeBytes { bytes in
            TensorStorage(byteCount: bytes.count) { $0.copyMemory(from: bytes) }
        }
        return Tensor(
            datatype: self.datatype,
            shape: self.shape,
            storage: storage,
            byteCount: storage.byteCount
        )
    }
}
