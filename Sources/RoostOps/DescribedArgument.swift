package import ArgumentParser

/// An argument whose form can be told in words.
package protocol DescribedArgument: ExpressibleByArgument {
    /// `a duration such as 250ms, 2s or 1m`
    static var expected: String { get }
}

extension DescribedArgument {
    /// For `@Option(transform:)`: the value, or an error that says what is expected.
    @Sendable
    package static func parse(_ text: String) throws -> Self {
        guard let value = Self(argument: text) else {
            throw ValidationError("it must be \(Self.expected)")
        }
        return value
    }
}
