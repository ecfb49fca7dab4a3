/// What a version is run on before its first request.
package struct WarmUp: Hashable, Sendable {
    /// The most runs, each with a batch size of its own.
    package static let batchSizesMax = 32

    /// How many rows each of the runs has; none: there are no runs. Engines prepare for a size when
    /// they first see it.
    package var batchSizes = [1]
    /// A directory with an array for each input, `NAME.npy`, within the model's own; `nil`: zeros.
    package var inputs: String?
    /// By the names of inputs: their shapes, where the model leaves dimensions open. Those that are
    /// not named have ones there.
    package var shapes: [String: [Int]] = [:]

    package init() {}
}
