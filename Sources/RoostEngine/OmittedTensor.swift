package import RoostWire

extension Tensor {
    /// Stands for an optional input that was left out. It has no elements, though its shape calls
    /// for one.
    package static let omitted = Tensor(
        datatype: .uint8,
        shape: [],
        storage: TensorStorage(byteCount: 0),
        byteCount: 0
    )

    /// Whether this is ``omitted``.
    package var isOmitted: Bool { self.storage === Tensor.omitted.storage }
}

extension TensorSignature {
    /// What stands for the input if it is left out; `nil`: it must be there.
    package var omitted: Tensor? { self.isOptional ? .omitted : nil }
}
