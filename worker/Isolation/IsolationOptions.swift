internal import RoostWire

/// How models are run in processes of their own: each in a child of the worker, so that an engine that
/// crashes, or takes all memory, ends that child only.
package struct IsolationOptions: Sendable {
    /// The program that a child runs: it calls ``IsolatedProgram/runIfAsked()`` first of all.
    package var program = "/proc/self/exe"
    /// Whether models are isolated that do not say.
    package var isDefault = false
    /// What the children's engines are made with; see ``Engines``.
    package var onnxRuntimePath: String?
    package var sharedThreads: Int?
    /// Is told each line that a model's process writes, and which model that is.
    package var report: @Sendable (_ model: String, _ line: String) -> Void = { _, _ in }

    package init() {}
}

/// Whether a model's process serves it.
package enum IsolationStatus: Hashable, Sendable {
    case running
    /// Its process has ended or could not be started; why, and after which pause another is started.
    case ended(reason: String, pause: Duration, ends: Int)

    /// Why it does not serve; `nil` if it does.
    package var outage: String? {
        guard case .ended(let reason, let pause, let ends) = self else { return nil }
        let count = ends > 1 ? ", \(ends) times in a row" : ""
        return "\(reason)\(count); it is started again after \(pause.unitText)"
    }
}
