import RoostTestKit
import RoostWire
import Testing

@testable import RoostWorker

@Suite
struct LoadedModelTests {
    private static let signature = ModelSignature(inputs: [], outputs: [])

    private func metadata(_ entries: [(key: String, value: String)]) -> [String: String] {
        let session = FakeSession(Self.signature, metadata: entries) { $0 }
        return LoadedModel(name: "m", version: 1, engine: "fake 1", session: session)
            .description.metadata
    }

    @Test("metadata is kept up to 32 entries, the labels first")
    func entries() {
        let many = (0..<40).map { (key: "k\($0)", value: "v") } + [(key: "labels", value: "a\nb")]
        let kept = self.metadata(many)
        #expect(kept.count == WireLimits.metadataEntriesMax)
        #expect(kept["labels"] == "a\nb")
        #expect(kept["k30"] == "v")
        #expect(kept["k31"] == nil)
    }

    @Test(
        "what does not fit the bound of 60 000 bytes is left out, the rest is kept",
        arguments: [(59_994, true), (59_995, false)]
    )
    func bytes(count: Int, isKept: Bool) {
        // "labels" has six bytes itself.
        let labels = String(repeating: "l", count: count)
        let kept = self.metadata([(key: "labels", value: labels), (key: "", value: "")])
        #expect((kept["labels"] == labels) == isKept)
        #expect(kept[""] != nil)
    }

    @Test("a key that the wire cannot carry is left out", arguments: [(255, true), (256, false)])
    func keys(count: Int, isKept: Bool) {
        let key = String(repeating: "k", count: count)
        #expect((self.metadata([(key: key, value: "v")])[key] == "v") == isKept)
    }

    @Test("what is kept can be carried by a DESCRIPTION and read again")
    func description() throws {
        let session = FakeSession(
            Self.signature,
            metadata: [(key: "labels", value: String(repeating: "é\n", count: 19_000))]
        ) { $0 }
        let model = LoadedModel(name: "m", version: 3, engine: "fake 1", session: session)
        let frame = Description(model: model.description)
            .frame(FrameHeader(.description, sender: .random()))
        let back = try frame.withUnsafeBytes { try Description(FrameView($0)).model }
        #expect(back == model.description)
        #expect(back.labels.count == 19_000)
    }

    @Test("the digest is the signature's, not the name's or version's")
    func digest() {
        let model = { (name: String, version: UInt32, session: FakeSession) in
            LoadedModel(name: name, version: version, engine: "", session: session).signatureDigest
        }
        #expect(model("a", 1, .identity()) == model("b", 2, .swallow()))
        #expect(model("a", 1, .identity()) != model("a", 1, FakeSession(Self.signature) { $0 }))
    }
}
