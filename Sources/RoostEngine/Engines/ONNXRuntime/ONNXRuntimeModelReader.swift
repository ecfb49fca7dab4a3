internal import RoostWire

/// Reads what a loaded model says of itself.
struct ONNXRuntimeModelReader {
    let session: OpaquePointer
    let source: ModelSource
    let library: ONNXRuntimeLibrary

    var api: ONNXRuntimeAPI { self.library.api }

    /// Names, datatypes and dimensions of the inputs and outputs. Anything but a tensor of a
    /// datatype and rank that Roost carries is an error.
    func signature() throws(EngineError) -> ModelSignature {
        let api = self.api
        var inputCount = 0
        var outputCount = 0
        try self.check(api.getInputCount(self.session, &inputCount))
        try self.check(api.getOutputCount(self.session, &outputCount))
        var inputs: [TensorSignature] = []
        for index in 0..<inputCount {
            inputs.append(try self.tensor(index, "input", api.getInputName, api.getInputType))
        }
        var outputs: [TensorSignature] = []
        for index in 0..<outputCount {
            outputs.append(try self.tensor(index, "output", api.getOutputName, api.getOutputType))
        }
        return ModelSignature(inputs: inputs, outputs: outputs)
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

    private func tensor(
        _ index: Int,
        _ role: String,
        _ getName: ONNXRuntimeAPI.GetTextAt,
        _ getType: ONNXRuntimeAPI.QueryAt
    ) throws(EngineError) -> TensorSignature {
        let api = self.api
        var text: UnsafeMutablePointer<CChar>?
        try self.check(getName(self.session, index, self.library.allocator, &text))
        let name = try self.take(text)
        var type: OpaquePointer?
        try self.check(getType(self.session, index, &type))
        defer { api.releaseType(type) }

        var kind: Int32 = 0
        try self.check(api.getKind(type!, &kind))
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
        return TensorSignature(
            name: name,
            datatype: datatype,
            dimensions: try self.dimensions(info!, "\(role) '\(name)'")
        )
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
