internal import RoostWire

/// Reads what a loaded model says of itself.
struct ONNXRuntimeModelReader {
    let session: OpaquePointer
    let source: ModelSource
    let library: ONNXRuntimeLibrary
    /// The names of a classifier's classes, if the file has them in the operator that makes maps.
    let classes: [String]?

    var api: ONNXRuntimeAPI { self.library.api }

    /// What the model takes and gives.
    struct Signature {
        let tensors: ModelSignature
        /// Of each output: whether it is a list with a map from class to probability for each row.
        let outputIsMaps: [Bool]
    }

    /// Names, datatypes and dimensions of the inputs and outputs. Anything but a tensor of a
    /// datatype and rank that Roost carries is an error; a classifier's maps are one tensor with a
    /// column for each class.
    ///
    /// - Parameter optionalInputs: initializers that may be given as inputs.
    func signature(optionalInputs: [String]) throws(EngineError) -> Signature {
        let api = self.api
        var inputCount = 0
        var outputCount = 0
        try self.check(api.getInputCount(self.session, &inputCount))
        try self.check(api.getOutputCount(self.session, &outputCount))
        var inputs: [TensorSignature] = []
        for index in 0..<inputCount {
            let value = try self.value(index, "input", api.getInputName, api.getInputType)
            inputs.append(value.tensor)
        }
        inputs += try self.initializers(named: optionalInputs)
        var outputs: [TensorSignature] = []
        var outputIsMaps: [Bool] = []
        for index in 0..<outputCount {
            let value = try self.value(index, "output", api.getOutputName, api.getOutputType)
            outputs.append(value.tensor)
            outputIsMaps.append(value.isMaps)
        }
        return Signature(
            tensors: ModelSignature(inputs: inputs, outputs: outputs),
            outputIsMaps: outputIsMaps
        )
    }

    /// Inputs with a value of their own, which ONNX calls overridable initializers.
    private func initializers(named names: [String]) throws(EngineError) -> [TensorSignature] {
        guard !names.isEmpty else { return [] }
        let api = self.api
        var count = 0
        try self.check(api.getInitializerCount(self.session, &count))
        var found: [TensorSignature] = []
        var known: [String] = []
        for index in 0..<count {
            let name = try self.name(index, api.getInitializerName)
            known.append(name)
            guard names.contains(name) else { continue }
            let (tensor, _) = try self.value(
                index,
                "input",
                api.getInitializerName,
                api.getInitializerType
            )
            found.append(
                TensorSignature(
                    name: tensor.name,
                    datatype: tensor.datatype,
                    dimensions: tensor.dimensions,
                    isOptional: true
                )
            )
        }
        if let missing = names.first(where: { !known.contains($0) }) {
            let list = known.prefix(16).map { "'\($0)'" }.joined(separator: ", ")
            throw .onnxRuntime(
                .modelInvalid,
                "model '\(self.source)': engine-options: optional-inputs names "
                    + "'\(missing.prefix(60))'; the inputs with a value of their own are "
                    + (list.isEmpty ? "none" : list)
            )
        }
        return found
    }

    /// Throws if a question about the model was not answered.
    func check(_ status: OpaquePointer?) throws(EngineError) {
        try self.api.check(
            status,
            .modelInvalid,
            "model '\(self.source)' in \(self.source.file) cannot be read"
        )
    }

    /// Takes over a text that ONNX Runtime has allocated.
    func take(_ text: UnsafeMutablePointer<CChar>?) throws(EngineError) -> String {
        guard let text else { return "" }
        let copy = String(cString: text)
        try self.check(self.api.free(self.library.allocator, text))
        return copy
    }

    private func name(
        _ index: Int,
        _ getName: ONNXRuntimeAPI.GetTextAt
    ) throws(EngineError) -> String {
        var text: UnsafeMutablePointer<CChar>?
        try self.check(getName(self.session, index, self.library.allocator, &text))
        return try self.take(text)
    }

    private func value(
        _ index: Int,
        _ role: String,
        _ getName: ONNXRuntimeAPI.GetTextAt,
        _ getType: ONNXRuntimeAPI.QueryAt
    ) throws(EngineError) -> (tensor: TensorSignature, isMaps: Bool) {
        let api = self.api
        let name = try self.name(index, getName)
        var type: OpaquePointer?
        try self.check(getType(self.session, index, &type))
        defer { api.releaseType(type) }

        var kind: Int32 = 0
        try self.check(api.getKind(type!, &kind))
        if role == "output", kind == ORTKind.sequence, try self.isProbabilities(type!) {
            let classes: Dimension = self.classes.map { .fixed($0.count) } ?? .dynamic("")
            let tensor = TensorSignature(
                name: name,
                datatype: .fp32,
                dimensions: [.dynamic(""), classes]
            )
            return (tensor, true)
        }
        guard kind == ORTKind.tensor else {
            throw self.unsupported(
                "\(role) '\(name)' is \(ORTKind.name(kind)), and Roost carries only tensors"
            )
        }
        // Part of the type, not released by itself.
        var info: OpaquePointer?
        try self.check(api.castToTensorInfo(type!, &info))
        var element: Int32 = 0
        try self.check(api.getElementType(info!, &element))
        guard let datatype = DataType(onnxElementType: element) else {
            throw self.unsupported(
                "\(role) '\(name)' has elements of \(DataType.onnxElementTypeName(element)), "
                    + "a datatype that Roost does not carry"
            )
        }
        let tensor = TensorSignature(
            name: name,
            datatype: datatype,
            dimensions: try self.dimensions(info!, "\(role) '\(name)'")
        )
        return (tensor, false)
    }

    /// Whether a sequence is what the operator `ZipMap` makes: a map for each row, from a class to
    /// its probability.
    private func isProbabilities(_ type: OpaquePointer) throws(EngineError) -> Bool {
        let api = self.api
        // The infos are parts of their types, not released by themselves.
        var sequence: OpaquePointer?
        try self.check(api.castToSequenceInfo(type, &sequence))
        var element: OpaquePointer?
        try self.check(api.getSequenceElement(sequence!, &element))
        defer { api.releaseType(element) }
        var kind: Int32 = 0
        try self.check(api.getKind(element!, &kind))
        guard kind == ORTKind.map else { return false }
        var map: OpaquePointer?
        try self.check(api.castToMapInfo(element!, &map))
        var value: OpaquePointer?
        try self.check(api.getMapValue(map!, &value))
        defer { api.releaseType(value) }
        try self.check(api.getKind(value!, &kind))
        guard kind == ORTKind.tensor else { return false }
        var info: OpaquePointer?
        try self.check(api.castToTensorInfo(value!, &info))
        var number: Int32 = 0
        try self.check(api.getElementType(info!, &number))
        return DataType(onnxElementType: number) == .fp32
    }

    private func dimensions(
        _ info: OpaquePointer,
        _ subject: String
    ) throws(EngineError) -> [Dimension] {
        let api = self.api
        if let hasShape = api.hasShape, !hasShape(info) {
            throw self.unsupported("\(subject) does not say how many dimensions it has")
        }
        var rank = 0
        try self.check(api.getDimensionCount(info, &rank))
        guard rank <= Shape.rankMax else {
            throw self.unsupported(
                "\(subject) has \(rank) dimensions, more than \(Shape.rankMax)"
            )
        }
        var sizes = [Int64](repeating: 0, count: rank)
        try self.check(api.getDimensions(info, &sizes, rank))
        // The names belong to `info`.
        var names = [UnsafePointer<CChar>?](repeating: nil, count: rank)
        try self.check(api.getDimensionNames(info, &names, rank))
        return zip(sizes, names).map { size, name in
            size >= 0 ? .fixed(Int(size)) : .dynamic(name.map { String(cString: $0) } ?? "")
        }
    }

    private func unsupported(_ reason: String) -> EngineError {
        .onnxRuntime(
            .unsupportedType,
            "model '\(self.source)' in \(self.source.file) cannot be served: \(reason); export the "
                + "model anew without it"
        )
    }
}
