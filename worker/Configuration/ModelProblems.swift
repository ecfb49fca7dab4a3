/// Why a model, or a version of it, cannot be served.
package struct ModelProblems: Error, Hashable {
    /// Everything that is wrong with it, one sentence each; that of a file with its line.
    package let problems: [String]

    /// All of it in one text.
    package var message: String { self.problems.joined(separator: "; ") }
}
