package import RoostEngine
package import RoostWire

/// One version of a model, loaded and warm.
package final class LoadedModel: Sendable {
    package let name: String
    package let version: UInt32
    package let session: any Session
    package let description: ModelDescription
    let signature: ModelSignature
    package let policy: ExecutionPolicy
    /// How its requests are joined; `nil` if its signature does not allow it.
    let joining: Joining?
    private let nameBytes: [UInt8]

    /// - Parameter metadata: what is told of the model; `nil`: what its own file says.
    package init(
        name: String,
        version: UInt32,
        engine: String,
        session: any Session,
        policy: ExecutionPolicy = ExecutionPolicy(),
        metadata: [(key: String, value: String)]? = nil
    ) {
        self.joining = Joining(session.signature, policy)
        self.policy = self.joining == nil ? policy.alone(nil) : policy
        self.name = name
        self.nameBytes = Array(name.utf8)
        self.version = version
        self.session = session
        self.signature = session.signature
        self.description = ModelDescription(
            name: name,
            version: Int(version),
            engine: engine,
            signature: session.signature,
            metadata: Self.bounded(metadata ?? session.metadata)
        )
    }

    /// Whether these bytes of UTF-8 are the model's name.
    func isNamed(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.count == self.nameBytes.count && bytes.elementsEqual(self.nameBytes)
    }

    /// ``FNV1a`` over the signature's text: equal for workers that serve the same thing.
    var signatureDigest: UInt64 {
        let tensors = self.signature.inputs + self.signature.outputs
        let text = tensors.map(\.description).joined(separator: "\n")
        return FNV1a(text).value
    }

    /// What fits into a DESCRIPTION; the labels go first, since programs need them.
    private static func bounded(_ metadata: [(key: String, value: String)]) -> [String: String] {
        var left = WireLimits.metadataValueBytesMax
        var kept: [String: String] = [:]
        let ordered =
            metadata.filter { $0.key == "labels" } + metadata.filter { $0.key != "labels" }
        for (key, value) in ordered {
            let size = key.utf8.count + value.utf8.count
            guard kept.count < WireLimits.metadataEntriesMax, size <= left,
                key.utf8.count <= WireLimits.nameBytesMax
            else { continue }
            left -= size
            kept[key] = value
        }
        return kept
    }
}
