package import ZeroMQ

extension Reactor {
    /// Runs `body` on the reactor's thread and returns what it returns.
    package func run<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            self.post { continuation.resume(with: Result { try body() }) }
        }
    }
}
