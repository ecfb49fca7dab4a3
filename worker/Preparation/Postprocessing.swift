/// What a model's scores become: the table `post-processing` of its `model.toml`.
package struct Postprocessing: Hashable, Sendable {
    /// The most classes of an answer.
    package static let topBounds = 1...1_000
    /// The most bytes of the file of class names.
    package static let labelsBytesMax = 1 << 20

    /// The output with the scores; `nil`: the model's only one.
    package var output: String?
    /// Whether the scores are made probabilities.
    package var isSoftmax = false
    /// How many classes are answered.
    package var top = 1
    /// Whether the numbers of the classes are answered too.
    package var hasIndex = false
    /// Whether the scores themselves are answered too.
    package var keepsScores = false
    /// The file with the names of the classes, one a line, in the version's directory or else in the
    /// model's; `nil`: the model's classes.
    package var labelsFile: String?
    /// What the file in the model's directory says, if it is there: a change of it is a change of this.
    package var labels: String?

    package init() {}
}
