internal import RoostEngine
internal import RoostWire

/// How requests for a model are joined along the first axis: which of them, where their rows are
/// filled up, and where the outputs are cut again.
///
/// Rows of different length are filled up only where the policy names a value for the input, along
/// the input's open axes. Outputs are cut along axes that have the same name as such an axis.
final class Joining: Sendable {
    /// An axis of an input.
    struct Axis: Hashable, Sendable {
        let input: Int
        let axis: Int
    }

    /// Lengths up to this are one class when rows are filled up; above, each class holds twice the
    /// lengths of the one before. So no row is filled up to more than twice its length unless it is
    /// short.
    static let shortMax = 16

    /// Whether requests are joined at all.
    private let joins: Bool
    /// By input: what its rows are filled up with; `nil` if they are not.
    let fillings: [Double?]
    let hasFilling: Bool
    /// By input: which of its axes may differ.
    private let isOpen: [[Bool]]
    /// By output and axis: which input's axis has the same name and may be filled up.
    let cuts: [[Axis?]]

    /// `nil` if the signature does not allow it.
    init?(_ signature: ModelSignature, _ policy: ExecutionPolicy) {
        guard BatchAxis.objection(to: signature) == nil else { return nil }
        self.joins = policy.batchMax > 1
        self.fillings = signature.inputs.map {
            $0.datatype == .bytes ? nil : policy.padding[$0.name]
        }
        self.hasFilling = self.fillings.contains { $0 != nil }
        var named: [String: Axis] = [:]
        var isOpen: [[Bool]] = []
        for (index, input) in signature.inputs.enumerated() {
            let isFilled = self.fillings[index] != nil
            isOpen.append(
                input.dimensions.enumerated().map { axis, dimension in
                    guard axis > 0, isFilled, case .dynamic(let name) = dimension else {
                        return false
                    }
                    if !name.isEmpty { named[name] = Axis(input: index, axis: axis) }
                    return true
                }
            )
        }
        self.isOpen = isOpen
        self.cuts = signature.outputs.map { output in
            output.dimensions.enumerated().map { axis, dimension in
                guard axis > 0, case .dynamic(let name) = dimension else { return nil }
                return named[name]
            }
        }
    }

    /// The rows of a request, at least 1.
    func rows(of inputs: [Tensor]) -> Int {
        guard let first = inputs.first, first.shape.rank > 0 else { return 1 }
        return min(max(first.shape[0], 1), Self.rowsMax)
    }
    /// A shape without elements may name any number of rows; more than these are not told apart.
    private static let rowsMax = 1 << 20

    /// Equal for requests that may be executed together; 0 if this one must be executed alone.
    ///
    /// It is a hash that strangers cannot foresee. That two different forms have the same one is not
    /// to be expected, but ``Batch`` looks.
    func form(of inputs: [Tensor]) -> Int {
        guard self.joins, let first = inputs.first, first.shape.rank > 0 else { return 0 }
        let rows = first.shape[0]
        guard rows > 0, rows < Self.rowsMax else { return 0 }
        var hasher = Hasher()
        for (index, input) in inputs.enumerated() {
            let shape = input.shape
            guard shape.rank > 0, shape[0] == rows else { return 0 }
            for axis in 1..<max(shape.rank, 1) {
                let size = shape[axis]
                hasher.combine(self.isOpen(index, axis) ? Self.lengthClass(size) : size)
            }
        }
        let form = hasher.finalize()
        return form == 0 ? 1 : form
    }

    /// Whether rows may differ along that axis.
    func isOpen(_ input: Int, _ axis: Int) -> Bool {
        self.hasFilling && self.isOpen[input][axis]
    }

    private static func lengthClass(_ length: Int) -> Int {
        length <= Self.shortMax ? 0 : Int.bitWidth - (length - 1).leadingZeroBitCount
    }
}
