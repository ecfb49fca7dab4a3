package import RoostWire

extension ModelSignature {
    /// The tensors in the order of the signature's inputs, checked: every input is there once and
    /// nothing else, and datatype, rank and fixed dimensions are the model's. Optional inputs that
    /// were left out are ``Tensor/omitted``.
    ///
    /// Costs one array when the tensors fit. `model` is the name for error messages.
    package func arrange(
        _ tensors: NamedTensors,
        model: String
    ) throws(InputError) -> [Tensor] {
        var arranged: [Tensor] = []
        arranged.reserveCapacity(self.inputs.count)
        if self.namesMatchInOrder(tensors) {
            for index in self.inputs.indices { arranged.append(tensors[index].tensor) }
        } else {
            try self.checkNames(tensors, model: model)
            for input in self.inputs {
                // `checkNames` has found each of them that must be there.
                arranged.append(tensors[input.name] ?? .omitted)
            }
        }
        for index in self.inputs.indices {
            try self.check(arranged[index], input: index, model: model)
        }
        return arranged
    }

    /// Checks further inputs of a stream: each is one of the signature's, comes once and fits it. The
    /// others may be left out, but for one.
    package func check(further tensors: NamedTensors, model: String) throws(InputError) {
        guard !tensors.isEmpty else {
            throw InputError("there is no tensor among the further inputs of model '\(model)'")
        }
        for (position, element) in tensors.enumerated() {
            guard let index = self.inputs.firstIndex(where: { $0.name == element.name }) else {
                throw self.unknownInput(element.name, model: model)
            }
            if tensors[..<position].contains(where: { $0.name == element.name }) {
                throw InputError("input '\(element.name)' is given more than once")
            }
            try self.check(element.tensor, input: index, model: model)
        }
    }

    /// Checks one tensor against the input of that index: datatype, rank, fixed dimensions, and
    /// that a BOOL is 0 or 1, on which compiled code relies.
    package func check(
        _ tensor: Tensor,
        input index: Int,
        model: String
    ) throws(InputError) {
        let input = self.inputs[index]
        if input.isOptional, tensor.isOmitted { return }
        guard tensor.datatype == input.datatype else {
            throw InputError(
                "input '\(input.name)' is \(tensor.datatype); model '\(model)' takes "
                    + "\(input.datatype)"
            )
        }
        guard input.accepts(tensor.shape) else {
            throw InputError(
                "input '\(input.name)' has shape \(tensor.shape); model '\(model)' takes "
                    + input.dimensionsDescription
            )
        }
        if tensor.datatype == .bool, !tensor.withUnsafeBytes({ $0.allSatisfy { $0 <= 1 } }) {
            throw InputError("input '\(input.name)' holds a BOOL that is neither 0 nor 1")
        }
    }

    private func namesMatchInOrder(_ tensors: NamedTensors) -> Bool {
        guard tensors.count == self.inputs.count else { return false }
        for index in self.inputs.indices where tensors[index].name != self.inputs[index].name {
            return false
        }
        return true
    }

    private func checkNames(_ tensors: NamedTensors, model: String) throws(InputError) {
        for (index, element) in tensors.enumerated() {
            guard self.inputs.contains(where: { $0.name == element.name }) else {
                throw self.unknownInput(element.name, model: model)
            }
            if tensors[..<index].contains(where: { $0.name == element.name }) {
                throw InputError("input '\(element.name)' is given more than once")
            }
        }
        if let missing = self.inputs.first(where: {
            !$0.isOptional && tensors[$0.name] == nil
        }) {
            throw self.missingInput(missing.name, model: model)
        }
    }

    /// The error for a name that is none of the model's inputs.
    package func unknownInput(_ name: String, model: String) -> InputError {
        let names = self.inputs.prefix(16).map { "'\($0.name)'" }.joined(separator: ", ")
        return InputError(
            "model '\(model)' has no input '\(name)'; it takes \(names.isEmpty ? "none" : names)"
        )
    }

    /// The error for an input that was not given.
    package func missingInput(_ name: String, model: String) -> InputError {
        InputError("input '\(name)' is missing; model '\(model)' needs it")
    }
}
