/// Why a command ends: one sentence for people, and the exit code.
package struct CommandError: Error, Hashable, Sendable, CustomStringConvertible {
    package let status: ExitStatus
    package let message: String
    package var description: String { self.message }

    package init(_ status: ExitStatus, _ message: String) {
        self.status = status
        self.message = message
    }
}
