internal import COpenVINO
internal import RoostWire

/// An `ov_tensor` that a run has written: the owner of an output tensor's memory. The request that
/// wrote it is kept with it, so that no other run writes there.
///
/// `@unchecked Sendable` relies on OpenVINO's promise that a tensor may be released on any thread;
/// its memory is not written any more.
final class OpenVINOTensor: @unchecked Sendable {
    let handle: OpaquePointer
    private let lease: OpenVINORequests.Lease

    /// Takes over the tensor.
    init(owning handle: OpaquePointer, of lease: OpenVINORequests.Lease) {
        self.handle = handle
        self.lease = lease
    }

    deinit {
        self.lease.request.release(self.handle)
    }
}

extension Shape {
    /// Calls `body` with the sizes as OpenVINO's functions take them.
    func withOpenVINO<R>(_ body: (ov_shape_t) -> R) -> R {
        withUnsafeTemporaryAllocation(of: Int64.self, capacity: Shape.rankMax) { sizes in
            for index in 0..<self.rank { sizes[index] = Int64(self[index]) }
            return body(ov_shape_t(rank: Int64(self.rank), dims: sizes.baseAddress))
        }
    }
}
