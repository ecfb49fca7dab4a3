import RoostTestKit
import RoostWire

extension RawPeer.Received {
    /// The ITEM, decoded.
    func item() throws -> InferItem {
        func storage(_ bytes: [UInt8]) -> TensorStorage {
            TensorStorage(byteCount: bytes.count) { $0.copyBytes(from: bytes) }
        }
        return try self.frame.withUnsafeBytes {
            let view = try FrameView($0)
            return try InferItem(
                view,
                payload: ReceivedPayload(
                    frame: storage(self.frame),
                    inlineOffset: view.inlineOffset,
                    frames: self.rest.map(storage)
                )
            )
        }
    }
}
