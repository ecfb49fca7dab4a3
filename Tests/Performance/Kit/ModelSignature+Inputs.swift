package import RoostWire

/// What a benchmark was asked for and cannot do.
package struct UnfitInput: Error, CustomStringConvertible {
    package let description: String
}

extension ModelSignature {
    /// Inputs that nobody had to prepare: floats of 0.5 and integers of 1, which is a word of any
    /// vocabulary, and a token that is there in any mask.
    ///
    /// - Parameters:
    ///   - rows: the size of the first dimension, where it is open.
    ///   - sizes: of further open dimensions, by their names; of those that are missing, one.
    package func madeUpInputs(
        rows: Int,
        sizes: [String: Int]
    ) throws(UnfitInput) -> NamedTensors {
        var tensors = NamedTensors()
        for input in self.inputs {
            let shape = Shape(
                input.dimensions.enumerated().map { index, dimension in
                    switch dimension {
                    case .fixed(let size): size
                    case .dynamic(let name): index == 0 ? rows : sizes[name] ?? 1
                    }
                }
            )
            let count = shape.elementCount ?? 0
            switch input.datatype {
            case .fp32:
                let elements = [Float](repeating: 0.5, count: count)
                tensors.append(input.name, Tensor(elements, shape: shape))
            case .int64:
                let elements = [Int64](repeating: 1, count: count)
                tensors.append(input.name, Tensor(elements, shape: shape))
            default:
                throw UnfitInput(description: "no inputs are made up of type \(input.datatype)")
            }
        }
        return tensors
    }
}

/// Sizes of open dimensions, as they are written in an argument: `seq=32`.
package func dimensionSizes(
    _ arguments: some Sequence<String>
) throws(UnfitInput) -> [String: Int] {
    var sizes: [String: Int] = [:]
    for argument in arguments {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let size = Int(parts[1]), size > 0 else {
            throw UnfitInput(description: "'\(argument)' is not NAME=SIZE, such as seq=32")
        }
        sizes[String(parts[0])] = size
    }
    return sizes
}
