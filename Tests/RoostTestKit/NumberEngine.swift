internal import Glibc
package import RoostEngine
package import RoostWire
internal import Synchronization

/// An engine whose models' files hold a number, which the model adds to its input `x`. A file that
/// holds anything else is broken.
package final class NumberEngine: Engine {
    package let name = "number"
    package let version = "1"
    private let sessions = Mutex<[WeakSession]>([])

    private struct WeakSession: Sendable {
        weak let session: FakeSession?
    }

    private let executed = Mutex(0)

    package init() {}

    /// What a request gives its model.
    package static var input: NamedTensors { ["x": Tensor([100] as [Float], shape: [1])] }

    /// How many rows its models were run on, together.
    package var rows: Int { self.executed.withLock { $0 } }

    /// How many of its sessions somebody holds.
    package var sessionCount: Int {
        self.sessions.withLock { $0.count { $0.session != nil } }
    }

    package func load(
        _ source: ModelSource,
        options _: SessionOptions
    ) throws(EngineError) -> any Session {
        guard let number = Self.number(in: source.file) else {
            throw EngineError(
                .modelInvalid,
                "model '\(source)' cannot be loaded from \(source.file): it holds no number",
                engine: self.name
            )
        }
        let session = FakeSession(FakeSession.identity().signature) {
            (inputs) throws(EngineError) in
            let elements: [Float] = inputs[0].elements() ?? []
            self.executed.withLock { $0 += elements.count }
            return [Tensor(elements.map { $0 + number }, shape: [elements.count])]
        }
        self.sessions.withLock { $0.append(WeakSession(session: session)) }
        return session
    }

    private static func number(in path: String) -> Float? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = fread(&bytes, 1, bytes.count, file)
        return Float(String(decoding: bytes.prefix(count), as: UTF8.self))
    }
}
