/// Names the other end of one connection to a ROUTER, as libzmq numbers them.
package struct PeerID: Hashable, Sendable {
    /// The number in libzmq's own routing ids: a zero byte and four bytes of it.
    private let number: UInt32

    /// `nil` for a routing id that the peer chose itself: ours never do.
    init?(routingID: UnsafeRawBufferPointer) {
        guard routingID.count == 5, routingID[0] == 0 else { return nil }
        self.number = routingID.loadUnaligned(fromByteOffset: 1, as: UInt32.self)
    }

    func routingFrame() -> Message {
        var frame = Message(byteCount: 5)
        frame.withUnsafeMutableBytes { bytes in
            bytes[0] = 0
            bytes.storeBytes(of: self.number, toByteOffset: 1, as: UInt32.self)
        }
        return frame
    }
}

/// One received message: its first frame, in place, and the payload frames behind it.
package struct Incoming: ~Copyable {
    /// Who sent it; `nil` on a DEALER, which has one peer.
    package let peer: PeerID?
    package var first: Message
    package let rest: [ReceivedFrame]
    /// The frames are not what the first one announces; what was left was read and dropped.
    package let isBroken: Bool

    /// The first frame, to be kept beyond this turn.
    package consuming func takeFirst() -> ReceivedFrame { ReceivedFrame(self.first) }
}

extension Socket {
    /// The next message of a ROUTER (`fromPeers`) or a DEALER; `nil` if there is none.
    ///
    /// A ZeroMQ message may be a bundle of several of ours, one behind another: whoever has many
    /// to send hands them to libzmq as one, which costs both ends one wake-up instead of many.
    /// Messages of peers that chose their own routing id are dropped.
    ///
    /// - Parameter payloadFrames: how many frames belong to a message, read off its first; `nil`
    ///   if it cannot be told.
    package func receiveMessage(
        fromPeers: Bool,
        payloadFrames: (UnsafeRawBufferPointer) -> Int?
    ) throws(ZeroMQError) -> Incoming? {
        while true {
            var first = Message()
            guard try self.receive(into: &first) else { return nil }
            if fromPeers, !self.isInsideBundle {
                self.bundlePeer = first.withUnsafeBytes { PeerID(routingID: $0) }
                // libzmq puts a ROUTER's messages into the queue whole: the next frame is there.
                guard first.hasMore, try self.receive(into: &first) else { continue }
            }
            if fromPeers, self.bundlePeer == nil {
                try self.dropRest(after: first.hasMore)
                continue
            }
            let announced = first.withUnsafeBytes { payloadFrames($0) }
            var hasMore = first.hasMore
            var rest: [ReceivedFrame] = []
            if let announced, announced > 0 {
                rest.reserveCapacity(announced)
                while hasMore, rest.count < announced {
                    var next = Message()
                    guard try self.receive(into: &next) else { break }
                    hasMore = next.hasMore
                    rest.append(ReceivedFrame(next))
                }
            }
            let isBroken = announced != rest.count
            if isBroken { try self.dropRest(after: hasMore) }
            self.isInsideBundle = hasMore && !isBroken
            return Incoming(peer: self.bundlePeer, first: first, rest: rest, isBroken: isBroken)
        }
    }

    /// Reads and drops what is left of a ZeroMQ message.
    private func dropRest(after hasMore: Bool) throws(ZeroMQError) {
        var hasMore = hasMore
        while hasMore {
            var frame = Message()
            guard try self.receive(into: &frame) else { return }
            hasMore = frame.hasMore
        }
        self.isInsideBundle = false
    }

    /// Sends a message's first frame to one peer of a ROUTER; `more` if frames follow, of this
    /// message or of others in the same bundle.
    ///
    /// Unless the outcome is `.sent`, nothing was sent and nothing may follow.
    package func send(
        _ first: consuming Message,
        to peer: PeerID,
        more: Bool = false
    ) -> SendOutcome {
        let outcome = self.send(peer.routingFrame(), more: true)
        guard outcome == .sent else { return outcome }
        return self.send(first, more: more)
    }
}
