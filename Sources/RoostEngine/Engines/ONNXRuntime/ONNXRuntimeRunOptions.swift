/// An `OrtRunOptions`: what one run is told, and the way to end it early.
///
/// `@unchecked Sendable` relies on ONNX Runtime's promise that `RunOptionsSetTerminate` may be
/// called from any thread while a run uses the options.
final class ONNXRuntimeRunOptions: @unchecked Sendable {
    let handle: OpaquePointer
    private let api: ONNXRuntimeAPI

    /// - Parameter shrinksArena: whether memory that the run did not need is given back after it.
    init(api: ONNXRuntimeAPI, shrinksArena: Bool) throws(EngineError) {
        let context = "ONNX Runtime cannot make a lane"
        var handle: OpaquePointer?
        try api.check(api.createRunOptions(&handle), .executionFailed, context)
        self.handle = handle!
        self.api = api
        guard shrinksArena else { return }
        try api.check(
            api.addRunEntry(self.handle, "memory.enable_memory_arena_shrinkage", "cpu:0"),
            .executionFailed,
            context
        )
    }

    deinit {
        self.api.releaseRunOptions(self.handle)
    }

    /// Ends the run that uses the options, and any that starts, until ``allow()``.
    func terminate() {
        // It can only fail without options, and then there is no run either.
        self.api.releaseStatus(self.api.setTerminate(self.handle))
    }

    /// Lets runs start again.
    func allow() {
        self.api.releaseStatus(self.api.unsetTerminate(self.handle))
    }
}
