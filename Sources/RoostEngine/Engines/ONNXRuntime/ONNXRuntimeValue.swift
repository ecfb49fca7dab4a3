/// An `OrtValue` that a run has made: the owner of an output tensor's memory.
///
/// The session is kept with it, since the memory is its allocator's.
///
/// `@unchecked Sendable` relies on ONNX Runtime's promise that a value may be released on any
/// thread; its memory is not written any more.
final class ONNXRuntimeValue: @unchecked Sendable {
    let handle: OpaquePointer
    private let session: ONNXRuntimeSession

    /// Takes over the value.
    init(owning handle: OpaquePointer, session: ONNXRuntimeSession) {
        self.handle = handle
        self.session = session
    }

    deinit {
        self.session.library.api.releaseValue(self.handle)
    }
}
