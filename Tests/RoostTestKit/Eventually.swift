/// What was waited for did not come.
package struct NeverHappened: Error, CustomStringConvertible {
    package let description: String
    package init(description: String) { self.description = description }
}

/// Waits until a condition holds, looking often; throws after `limit`.
package func eventually(
    _ what: String,
    within limit: Duration = .seconds(30),
    _ condition: () async throws -> Bool
) async throws {
    let clock = SuspendingClock()
    let deadline = clock.now + limit
    // Looked at once more after the deadline: on a busy machine the sleep may outlast it.
    while true {
        let isOver = clock.now >= deadline
        if try await condition() { return }
        if isOver { break }
        try await clock.sleep(for: .milliseconds(2))
    }
    throw NeverHappened(description: "within \(limit) it did not happen that \(what)")
}
