internal import COpenVINO
internal import RoostWire

/// Reads what a model says of its inputs and outputs.
struct OpenVINOModelReader {
    let model: OpaquePointer
    let source: ModelSource
    let library: OpenVINOLibrary

    private var api: OpenVINOAPI { self.library.api }

    /// Names, datatypes and dimensions. Anything but a tensor of a datatype and rank that Roost
    /// carries is an error.
    func signature() throws(EngineError) -> ModelSignature {
        var inputCount = 0
        var outputCount = 0
        try self.check(self.api.getInputCount(self.model, &inputCount))
        try self.check(self.api.getOutputCount(self.model, &outputCount))
        var inputs: [TensorSignature] = []
        for index in 0..<inputCount {
            inputs.append(try self.tensor(index, "input", self.api.getInput))
        }
        var outputs: [TensorSignature] = []
        for index in 0..<outputCount {
            outputs.append(try self.tensor(index, "output", self.api.getOutput))
        }
        return ModelSignature(inputs: inputs, outputs: outputs)
    }

    private func check(_ status: Int32) throws(EngineError) {
        try self.api.check(
            status,
            .modelInvalid,
            "model '\(self.source)' in \(self.source.file) cannot be read"
        )
    }

    private func tensor(
        _ index: Int,
        _ role: String,
        _ getPort: OpenVINOAPI.QueryAt
    ) throws(EngineError) -> TensorSignature {
        let api = self.api
        var handle: OpaquePointer?
        try self.check(getPort(self.model, index, &handle))
        let port = handle!
        defer { api.releasePort(port) }
        var text: UnsafeMutablePointer<CChar>?
        // A tensor need not have a name.
        let name = api.getPortName(port, &text) == 0 ? api.take(text) : "\(role)-\(index)"
        var element: Int32 = 0
        try self.check(api.getPortType(port, &element))
        guard let datatype = DataType(openVINOElementType: element) else {
            throw self.unsupported(
                "\(role) '\(name)' has elements of \(DataType.openVINOElementTypeName(element)), "
                    + "a datatype that Roost does not carry"
            )
        }
        return TensorSignature(
            name: name,
            datatype: datatype,
            dimensions: try self.dimensions(port, "\(role) '\(name)'")
        )
    }

    private func dimensions(
        _ port: OpaquePointer,
        _ subject: String
    ) throws(EngineError) -> [Dimension] {
        var shape = ov_partial_shape_t()
        try self.check(self.api.getPortShape(port, &shape))
        defer { self.api.freePartialShape(&shape) }
        guard shape.rank.min == shape.rank.max else {
            throw self.unsupported("\(subject) does not say how many dimensions it has")
        }
        let rank = Int(shape.rank.min)
        guard rank <= Shape.rankMax else {
            throw self.unsupported("\(subject) has \(rank) dimensions, more than \(Shape.rankMax)")
        }
        // OpenVINO knows no names of dimensions.
        return (0..<rank).map { index in
            let size = shape.dims[index]
            return size.min == size.max ? .fixed(Int(size.min)) : .dynamic("")
        }
    }

    private func unsupported(_ reason: String) -> EngineError {
        .openVINO(
            .unsupportedType,
            "model '\(self.source)' in \(self.source.file) cannot be served: \(reason); export the "
                + "model anew without it"
        )
    }
}
