/// What was waited for did not come.
package struct NeverHappened: Error, CustomStringConvertible {
    package let description: String
}

/// Waits until a condition holds, looking often; throws after `limit`.
package func eventually(
    _ what: String,
    within limit: Duration = .seconds(10),
    _ condition: () async throws -> Bool
) async throws {
    let clock = SuspendingClock()
    let deadline = clock.now + limit
    while clock.now < deadline {
        if try await condition() { return }
        try await clock.sleep(for: .milliseconds(2))
    }
    throw NeverHappened(description: "within \(limit) it did not happen that \(what)")
}
