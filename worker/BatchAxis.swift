package import RoostWire

/// Which axis of a model's tensors counts rows that may be executed together.
///
/// It is the first of every input and output, if the model leaves all of them open. Whether the rows
/// are independent of each other no signature says: the loader tries it.
package enum BatchAxis {
    /// Why requests for a model of that signature cannot be joined; `nil` if its form allows it.
    package static func objection(to signature: ModelSignature) -> String? {
        guard !signature.inputs.isEmpty else { return "it has no inputs" }
        var name: String?
        for input in signature.inputs {
            guard !input.isOptional else { return "input '\(input.name)' may be left out" }
            guard case .dynamic(let symbol) = input.dimensions.first else {
                return "input '\(input.name)' has no open first dimension"
            }
            if let name, !symbol.isEmpty, symbol != name {
                return "the first dimensions of its inputs are '\(name)' and '\(symbol)'"
            }
            if !symbol.isEmpty { name = symbol }
        }
        for output in signature.outputs {
            guard case .dynamic = output.dimensions.first else {
                return "output '\(output.name)' has no open first dimension"
            }
        }
        return nil
    }
}
