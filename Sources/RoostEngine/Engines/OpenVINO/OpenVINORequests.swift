internal import Synchronization

/// The `ov_infer_request`s of one lane.
///
/// A request writes its outputs into memory of its own, always the same. They are given out without
/// a copy; until the last of them is gone the request is not used again, and another takes its
/// place. Mostly there are one or two.
final class OpenVINORequests: Sendable {
    /// How many are kept while nobody uses them.
    static let idleMax = 4

    private let session: OpenVINOSession
    private let idle: Mutex<[OpenVINORequest]>

    init(session: OpenVINOSession) throws(EngineError) {
        self.session = session
        self.idle = Mutex([try OpenVINORequest(session: session)])
    }

    /// A request that nobody uses.
    func take() throws(EngineError) -> Lease {
        if let request = self.idle.withLock({ $0.popLast() }) {
            return Lease(request: request, of: self)
        }
        return Lease(request: try OpenVINORequest(session: self.session), of: self)
    }

    /// The use of a request: it ends with the last that refers to this.
    final class Lease: Sendable {
        let request: OpenVINORequest
        private let requests: OpenVINORequests

        fileprivate init(request: OpenVINORequest, of requests: OpenVINORequests) {
            self.request = request
            self.requests = requests
        }

        deinit {
            let request = self.request
            self.requests.idle.withLock { idle in
                if idle.count < OpenVINORequests.idleMax { idle.append(request) }
            }
        }
    }
}

/// An `ov_infer_request`.
///
/// `@unchecked Sendable` relies on OpenVINO's promise that a request may be cancelled from any
/// thread while it runs; all else a lease's owner does.
final class OpenVINORequest: @unchecked Sendable {
    let handle: OpaquePointer
    private let session: OpenVINOSession

    /// Ends the run that is going on. Without one it does nothing.
    let stop: @Sendable () -> Void

    init(session: OpenVINOSession) throws(EngineError) {
        let api = session.library.api
        var made: OpaquePointer?
        try api.check(
            api.createRequest(session.handle, &made),
            .executionFailed,
            "OpenVINO cannot make a lane for model '\(session.source)'"
        )
        self.handle = made!
        self.session = session
        // Good as long as the run lasts, and so the request. It can only fail for want of a run.
        nonisolated(unsafe) let handle = made!
        self.stop = { _ = api.cancel(handle) }
    }

    deinit {
        self.session.library.api.releaseRequest(self.handle)
    }

    /// Lets go of one of its tensors.
    func release(_ tensor: OpaquePointer) {
        self.session.library.api.releaseTensor(tensor)
    }
}
