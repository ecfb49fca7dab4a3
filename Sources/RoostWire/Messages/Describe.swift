/// DESCRIBE, client to worker: what does that model take and give?
package struct Describe: WireMessage, Hashable {
    package static let type = MessageType.describe
    package var model: String
    /// 0: that of the label.
    package var version: UInt32
    /// Empty: the version labelled `stable`, or the highest; of no account beside a version.
    package var label: String

    package init(model: String, version: UInt32 = 0, label: String = "") {
        self.model = model
        self.version = version
        self.label = label
    }
    package init(from reader: inout WireReader) throws(WireError) {
        self.model = try reader.string()
        self.version = try reader.integer()
        self.label = try reader.string(limit: WireLimits.labelBytesMax)
    }
    package func encode(to writer: inout WireWriter) {
        writer.string(self.model)
        writer.integer(self.version)
        writer.string(self.label, limit: WireLimits.labelBytesMax)
    }
}

/// DESCRIPTION, the answer to DESCRIBE.
package struct Description: WireMessage, Hashable {
    package static let type = MessageType.description
    package var model: ModelDescription
    package init(model: ModelDescription) { self.model = model }

    package init(from reader: inout WireReader) throws(WireError) {
        self.model = ModelDescription(
            name: try reader.string(),
            version: Int(try reader.integer(UInt32.self)),
            engine: try reader.string(),
            signature: ModelSignature(
                inputs: try Self.tensors(&reader),
                outputs: try Self.tensors(&reader)
            ),
            metadata: try Self.metadata(&reader)
        )
    }

    package func encode(to writer: inout WireWriter) {
        writer.string(self.model.name)
        writer.integer(UInt32(clamping: self.model.version))
        writer.string(self.model.engine)
        for tensors in [self.model.signature.inputs, self.model.signature.outputs] {
            writer.list(tensors.prefix(WireLimits.tensorsMax), Self.encode)
        }
        writer.list(self.entries(room: WireLimits.metaBytesMax - writer.offset - 2)) {
            writer,
            entry in
            writer.string(entry.key)
            writer.string(entry.value, limit: WireLimits.metadataValueBytesMax)
        }
    }

    /// The metadata that `room` bytes hold: the labels, which programs read, then by key. What is
    /// too large for the rest of the room is left out.
    private func entries(room: Int) -> [(key: String, value: String)] {
        var room = room
        var entries: [(key: String, value: String)] = []
        let sorted = self.model.metadata.sorted {
            $1.key != "labels" && ($0.key == "labels" || $0.key < $1.key)
        }
        for entry in sorted where entries.count < WireLimits.metadataEntriesMax {
            var counter = WireWriter()
            counter.string(entry.key)
            counter.string(entry.value, limit: WireLimits.metadataValueBytesMax)
            guard counter.offset <= room else { continue }
            room -= counter.offset
            entries.append(entry)
        }
        return entries
    }

    private static func metadata(
        _ reader: inout WireReader
    ) throws(WireError) -> [String: String] {
        let entries = try reader.list(limit: WireLimits.metadataEntriesMax) {
            (reader) throws(WireError) in
            (
                try reader.string(),
                try reader.string(limit: WireLimits.metadataValueBytesMax)
            )
        }
        return Dictionary(entries) { first, _ in first }
    }

    private static func tensors(
        _ reader: inout WireReader
    ) throws(WireError) -> [TensorSignature] {
        try reader.list(limit: WireLimits.tensorsMax) { (reader) throws(WireError) in
            let name = try reader.string()
            guard let datatype = DataType(rawValue: try reader.integer()) else {
                throw WireError(.badValue)
            }
            let dimensions = try reader.list(limit: Shape.rankMax) { (reader) throws(WireError) in
                try Self.dimension(&reader)
            }
            return TensorSignature(
                name: name,
                datatype: datatype,
                dimensions: dimensions,
                isOptional: try reader.boolean()
            )
        }
    }

    private static func dimension(_ reader: inout WireReader) throws(WireError) -> Dimension {
        let size = try reader.integer(Int64.self)
        if size == -1 {
            return .dynamic(try reader.string(limit: WireLimits.dimensionNameBytesMax))
        }
        guard size >= 0 else { throw WireError(.badValue) }
        return .fixed(Int(size))
    }

    private static func encode(_ writer: inout WireWriter, _ tensor: TensorSignature) {
        writer.string(tensor.name)
        writer.integer(tensor.datatype.rawValue)
        writer.list(tensor.dimensions.prefix(Shape.rankMax)) { writer, dimension in
            switch dimension {
            case .fixed(let size):
                writer.integer(Int64(size))
            case .dynamic(let name):
                writer.integer(Int64(-1))
                writer.string(name, limit: WireLimits.dimensionNameBytesMax)
            }
        }
        writer.boolean(tensor.isOptional)
    }
}
