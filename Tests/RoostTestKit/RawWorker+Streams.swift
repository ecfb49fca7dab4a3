package import RoostWire

extension RawPeer.Received {
    /// What an INFER says beyond a plain one.
    package func extended() throws -> InferExtension? {
        try self.frame.withUnsafeBytes {
            try InferView(try FrameView($0), payload: self.payload.frames).extended
        }
    }

    /// The INPUT, decoded.
    package func input() throws -> InferInput {
        try self.frame.withUnsafeBytes {
            let view = try FrameView($0)
            return try InferInput(
                view,
                payload: ReceivedPayload(
                    frame: self.payload.frame,
                    inlineOffset: view.inlineOffset,
                    frames: self.payload.frames
                )
            )
        }
    }

    private var payload: (frame: TensorStorage, frames: [TensorStorage]) {
        func storage(_ bytes: [UInt8]) -> TensorStorage {
            TensorStorage(byteCount: bytes.count) { $0.copyBytes(from: bytes) }
        }
        return (storage(self.frame), self.rest.map(storage))
    }
}

extension RawWorker {
    /// Sends one of a stream's items: by default a vector of its index.
    package func item(_ index: Int, of request: RawPeer.Received, _ tensor: Tensor? = nil) async {
        let value = tensor ?? Tensor([Float(index)], shape: [1])
        await self.serving.send(
            InferItem(index: UInt32(index), outputs: ["y": value]),
            .item,
            to: request.peer,
            requestID: request.header.requestID
        )
    }

    /// Ends a stream well.
    package func end(_ request: RawPeer.Received, items: Int) async {
        await self.serving.send(
            StreamEnd(
                items: UInt32(items),
                timing: .init(version: 1, queueMicroseconds: 20, computeMicroseconds: 300)
            ),
            to: request.peer,
            requestID: request.header.requestID
        )
    }

    /// Takes that many more inputs of a stream.
    package func grant(_ messages: UInt32, _ request: RawPeer.Received) async {
        await self.serving.send(
            Credit(messages: messages),
            to: request.peer,
            requestID: request.header.requestID
        )
    }

    /// Gives credit for the link as a whole, which takes none.
    package func creditLink(_ request: RawPeer.Received) async {
        await self.serving.send(Credit(messages: 1), to: request.peer)
    }

    /// Says to the client that sent the request that it takes nothing new.
    package func goAway(_ request: RawPeer.Received) async {
        await self.serving.send(GoAway(reason: .draining, limit: .seconds(25)), to: request.peer)
    }
}
