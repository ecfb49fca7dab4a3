internal import RoostWire

extension ONNXRuntimeModelReader {
    /// The most entries of a model's own that are kept, in order of their keys.
    static let metadataEntriesMax = 64
    /// The longest key or value that is kept, in bytes of UTF-8; a longer one is left out. As much
    /// as a DESCRIPTION carries: the label names of a thousand classes take 20 kB.
    static let metadataBytesMax = WireLimits.metadataValueBytesMax

    /// What the model's file says of itself: the standard properties that are not empty, named
    /// `onnx.`, then the model's own entries in order of their keys, and then what was found out.
    func metadata(_ signature: ModelSignature) throws(EngineError) -> [(key: String, value: String)]
    {
        let api = self.api
        var handle: OpaquePointer?
        try self.check(api.getMetadata(self.session, &handle))
        defer { api.releaseMetadata(handle) }
        var entries: [(key: String, value: String)] = []
        for (key, get) in [
            ("onnx.producer", api.getProducerName), ("onnx.graph", api.getGraphName),
            ("onnx.domain", api.getDomain), ("onnx.description", api.getDescription),
        ] {
            var text: UnsafeMutablePointer<CChar>?
            try self.check(get(handle!, self.library.allocator, &text))
            let value = try self.take(text)
            if !value.isEmpty, value.utf8.count <= Self.metadataBytesMax {
                entries.append((key, value))
            }
        }
        var version: Int64 = 0
        try self.check(api.getModelVersion(handle!, &version))
        // The largest number stands for none.
        if version != 0, version != .max { entries.append(("onnx.version", String(version))) }
        entries += try self.ownEntries(handle!)
        let optional = signature.inputs.filter(\.isOptional).map(\.name)
        if !optional.isEmpty {
            self.add("onnx.optional-inputs", optional.joined(separator: ","), to: &entries)
        }
        if let classes { self.add("labels", classes.joined(separator: "\n"), to: &entries) }
        return entries
    }

    /// Adds what the model's own entries do not have, if it is not too long.
    private func add(
        _ key: String,
        _ value: String,
        to entries: inout [(key: String, value: String)]
    ) {
        guard value.utf8.count <= Self.metadataBytesMax,
            !entries.contains(where: { $0.key == key })
        else { return }
        entries.append((key, value))
    }

    private func ownEntries(
        _ handle: OpaquePointer
    ) throws(EngineError) -> [(key: String, value: String)] {
        let keys = try self.ownKeys(handle)
            .filter { $0.utf8.count <= Self.metadataBytesMax }
            .sorted()
            .prefix(Self.metadataEntriesMax)
        var entries: [(key: String, value: String)] = []
        for key in keys {
            var text: UnsafeMutablePointer<CChar>?
            try self.check(
                self.api.lookUpMetadata(handle, self.library.allocator, key, &text)
            )
            let value = try self.take(text)
            if value.utf8.count <= Self.metadataBytesMax { entries.append((key, value)) }
        }
        return entries
    }

    private func ownKeys(_ handle: OpaquePointer) throws(EngineError) -> [String] {
        var list: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        var count: Int64 = 0
        try self.check(
            self.api.getMetadataKeys(handle, self.library.allocator, &list, &count)
        )
        // No list comes if the model has no entries.
        guard let list else { return [] }
        var keys: [String] = []
        for index in 0..<Int(count) { keys.append(try self.take(list[index])) }
        try self.check(self.api.free(self.library.allocator, list))
        return keys
    }
}
