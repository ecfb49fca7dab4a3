internal import RoostEngine
internal import RoostImage
internal import RoostWire

/// A model that is given files of pictures, and answers with the names of classes: what is around
/// the engine's session is done by the thread that executes it.
final class PreparedSession: Session {
    let signature: ModelSignature
    /// The engine's own.
    let session: any Session
    /// Which input is a picture, and how it is made.
    fileprivate let image: (index: Int, input: PreparedImage)?
    fileprivate let classification: Classification?

    init(
        _ session: any Session,
        image: (index: Int, input: PreparedImage)?,
        classification: Classification?
    ) {
        var inputs = session.signature.inputs
        if let image {
            let model = inputs[image.index]
            inputs[image.index] = TensorSignature(
                name: model.name,
                datatype: .bytes,
                dimensions: image.input.layout.hasBatchDimension ? [model.dimensions[0]] : []
            )
        }
        self.signature = ModelSignature(
            inputs: inputs,
            outputs: classification?.signatures ?? session.signature.outputs
        )
        self.session = session
        self.image = image
        self.classification = classification
    }

    var metadata: [(key: String, value: String)] { self.session.metadata }

    /// The engine's own session, with the size of the pictures that it is given where the model leaves
    /// that open: what it is warmed up and tried with.
    var sized: any Session {
        guard let image else { return self.session }
        let model = self.session.signature
        var inputs = model.inputs
        let input = inputs[image.index]
        let sizes = image.input.shape(count: 1)
        inputs[image.index] = TensorSignature(
            name: input.name,
            datatype: input.datatype,
            dimensions: input.dimensions.enumerated().map { axis, dimension in
                axis == 0 && image.input.layout.hasBatchDimension ? dimension : .fixed(sizes[axis])
            }
        )
        return SizedSession(
            self.session,
            ModelSignature(inputs: inputs, outputs: model.outputs)
        )
    }

    func makeLane() throws(EngineError) -> any Lane {
        PreparedLane(self, try self.session.makeLane())
    }
}

/// A session of which less is left open than its model leaves.
final class SizedSession: Session {
    let signature: ModelSignature
    private let session: any Session

    init(_ session: any Session, _ signature: ModelSignature) {
        self.signature = signature
        self.session = session
    }

    var metadata: [(key: String, value: String)] { self.session.metadata }

    func makeLane() throws(EngineError) -> any Lane { try self.session.makeLane() }
}

private final class PreparedLane: Lane {
    private let session: PreparedSession
    private let lane: any Lane
    private var buffers = BatchBuffers()
    private var refusals: [RowRefusal] = []

    init(_ session: PreparedSession, _ lane: any Lane) {
        self.session = session
        self.lane = lane
    }

    func takeRefusals() -> [RowRefusal] {
        defer { self.refusals = [] }
        return self.refusals
    }

    func run(
        _ inputs: [Tensor],
        outputs: [Int],
        cancellation: RunCancellation?
    ) throws(EngineError) -> [Tensor] {
        self.refusals = []
        var inputs = inputs
        if let image = self.session.image {
            inputs[image.index] = try self.decode(inputs[image.index], image.input, cancellation)
        }
        guard let classification = self.session.classification else {
            return try self.lane.run(inputs, outputs: outputs, cancellation: cancellation)
        }
        let wanted = (outputs.isEmpty ? Array(classification.sources.indices) : outputs).map {
            classification.sources[$0]
        }
        let needed = Self.needed(wanted, classification)
        let given = try self.lane.run(inputs, outputs: needed, cancellation: cancellation)
        return try Self.classified(given, needed, wanted, classification)
    }

    // MARK: Pictures in

    /// The pictures, one row after the other, in memory that is kept for the next run.
    private func decode(
        _ files: Tensor,
        _ input: PreparedImage,
        _ cancellation: RunCancellation?
    ) throws(EngineError) -> Tensor {
        let rows = files.shape.elementCount ?? 0
        let (byteCount, overflow) = rows.multipliedReportingOverflow(by: input.byteCount)
        guard !overflow, byteCount <= Preprocessing.preparedBytesMax else {
            throw EngineError(
                .inputRefused,
                "\(rows) pictures are more than the \(Preprocessing.preparedBytesMax) bytes that one"
                    + " execution may have as input",
                engine: "image"
            )
        }
        let storage = self.buffers.storage(for: 0, byteCount: byteCount)
        var row = 0
        try files.withUnsafeBytes { (bytes) throws(EngineError) in
            try BytesElements.forEach(in: bytes) { (file) throws(EngineError) in
                if cancellation?.isCancelled == true {
                    throw EngineError(.cancelled, "the run was cancelled", engine: "image")
                }
                let target = storage.base + row * input.byteCount
                do throws(ImageError) {
                    try input.prepare(file, into: target)
                } catch {
                    // The others are executed beside it; the model sees nothing unusual.
                    target.initializeMemory(as: UInt8.self, repeating: 0, count: input.byteCount)
                    self.refusals.append(RowRefusal(row: row, reason: error.message))
                }
                row += 1
            }
        }
        if rows > 0, self.refusals.count == rows {
            throw EngineError(.inputRefused, self.refusals[0].reason, engine: "image")
        }
        return Tensor(
            datatype: input.signature.datatype,
            shape: input.shape(count: rows),
            storage: storage,
            byteCount: byteCount
        )
    }

    // MARK: Classes out

    /// The outputs of the model that the wanted ones are made of, each once.
    private static func needed(
        _ wanted: [Classification.Source],
        _ classification: Classification
    ) -> [Int] {
        var needed: [Int] = []
        for source in wanted {
            let index: Int
            if case .model(let output) = source {
                index = output
            } else {
                index = classification.output
            }
            if !needed.contains(index) { needed.append(index) }
        }
        return needed
    }

    private static func classified(
        _ given: [Tensor],
        _ needed: [Int],
        _ wanted: [Classification.Source],
        _ classification: Classification
    ) throws(EngineError) -> [Tensor] {
        var best: Classification.Best?
        var tensors: [Tensor] = []
        for source in wanted {
            if case .model(let output) = source {
                tensors.append(given[needed.firstIndex(of: output) ?? 0])
                continue
            }
            let scores = given[needed.firstIndex(of: classification.output) ?? 0]
            best = best ?? classification.best(of: scores)
            guard let best else {
                throw EngineError(
                    .executionFailed,
                    "the model gave scores of shape \(scores.shape), which are none for its classes",
                    engine: "image"
                )
            }
            switch source {
            case .model: break
            case .label: tensors.append(best.label)
            case .confidence: tensors.append(best.confidence)
            case .index: tensors.append(best.index)
            }
        }
        return tensors
    }
}
