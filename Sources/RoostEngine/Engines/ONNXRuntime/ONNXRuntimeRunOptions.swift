/// An `OrtRunOptions`: what one run is told, and the way to end it early.
///
/// `@unchecked Sendable` relies on ONNX Runtime's promise that `RunOptionsSetTerminate` may be
/// called from any thread while a run uses the options.
final class ONNXRuntimeRunOptions: @unchecked Sendable {
    let handle: OpaquePointer
    private let api: ONNXRuntimeAPI

    init(api: ONNXRuntimeAPI) throws(EngineError) {
        var handle: OpaquePointer?
        try api.check(
            api.createRunOptions(&handle),
            .executionFailed,
            "ONNX Runtime cannot make a lane"
        )
        self.handle = handle!
        self.api = api
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
