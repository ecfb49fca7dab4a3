internal import CZeroMQ

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

/// A received message: its first frame, in place, and the payload frames behind it.
package struct Incoming: ~Copyable {
    /// Who sent it; `nil` on a DEALER, which has one peer.
    package let peer: PeerID?
    package var first: Message
    package let rest: [ReceivedFrame]
    /// It had more frames than allowed; those were read and dropped.
    package let isOverlong: Bool

    /// The first frame, to be kept beyond this turn.
    package consuming func takeFirst() -> ReceivedFrame { ReceivedFrame(self.first) }
}

extension Socket {
    /// The next whole message of a ROUTER (`fromPeers`) or a DEALER; `nil` if there is none.
    ///
    /// Messages of peers that chose their own routing id are dropped.
    package func receiveMessage(
        fromPeers: Bool,
        framesMax: Int
    ) throws(ZeroMQError) -> Incoming? {
        var frame = Message()
        while try self.receive(into: &frame) {
            var peer: PeerID?
            if fromPeers {
                peer = frame.withUnsafeBytes { PeerID(routingID: $0) }
                // libzmq puts a ROUTER's messages into the queue whole: the next frame is there.
                guard frame.hasMore, try self.receive(into: &frame) else { continue }
            }
            var hasMore = frame.hasMore
            let first = frame
            var rest: [ReceivedFrame] = []
            var isOverlong = false
            while hasMore {
                var next = Message()
                guard try self.receive(into: &next) else { break }
                hasMore = next.hasMore
                if rest.count < framesMax {
                    rest.append(ReceivedFrame(next))
                } else {
                    isOverlong = true
                }
            }
            if fromPeers && peer == nil {
                frame = Message()
                continue
            }
            return Incoming(peer: peer, first: first, rest: rest, isOverlong: isOverlong)
        }
        return nil
    }

    /// Sends a message's first frame to one peer of a ROUTER; `more` if payload frames follow.
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
