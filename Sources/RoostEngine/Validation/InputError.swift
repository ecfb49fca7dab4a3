/// A request's tensors do not fit the model. The client's fault: the engine has not seen them.
package struct InputError: Error, Sendable, Hashable {
    /// One sentence with the numbers: what was given and what the model takes.
    package let message: String

    package init(_ message: String) { self.message = message }
}

extension InputError: CustomStringConvertible {
    package var description: String { self.message }
}
