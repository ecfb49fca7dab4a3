internal import RoostWire
internal import ZeroMQ

// What goes to clients: answers of executed requests, as bundles, and everything else, one by one.

extension Worker {
    /// A request ends without having been executed.
    func fail(_ key: RequestKey, _ error: ErrorReply, isRetryable: Bool = false) {
        self.answer(key, error, flags: isRetryable ? [.notExecuted, .retryable] : .notExecuted)
    }

    /// A request ends with an error.
    func answer(_ key: RequestKey, _ error: ErrorReply, flags: FrameHeader.Flags) {
        self.clientLinks[key.peer]?.giveBackCredit()
        self.send(error, flags: flags, to: key.peer, requestID: key.requestID)
    }

    /// Executed requests go back to their clients; what goes to one client goes as a bundle.
    func answer(_ jobs: [Job]) {
        let now = self.now
        self.answer(jobs, now: now)
        self.pool.answered(jobs.count)
        if self.record.state == .degraded { self.checkProgress(now: now) }
        self.finishDraining()
    }

    /// Answers requests, link by link, and ends them.
    func answer(_ jobs: [Job], now: Moment) {
        if !self.sequences.isEmpty { jobs.forEach(self.keepState) }
        var start = 0
        while start < jobs.count {
            var end = start + 1
            if let stream = jobs[start].stream {
                self.advance(jobs[start], stream)
                start = end
                continue
            }
            while end < jobs.count, end - start < WireLimits.bundleMax,
                jobs[end].peer == jobs[start].peer, jobs[end].stream == nil
            {
                end += 1
            }
            let peer = jobs[start].peer
            self.answer(jobs[start..<end], to: peer)
            self.finish(jobs[start..<end], of: peer, now: now)
            start = end
        }
    }

    /// Sends the answers, which are encoded, to one link.
    func answer(_ jobs: ArraySlice<Job>, to peer: PeerID) {
        // The client or we may have gone meanwhile.
        guard let socket, let index = self.clientLinks.index(forKey: peer) else { return }
        var outcome = Socket.SendOutcome.sent
        for (position, job) in zip(jobs.indices, jobs) {
            guard outcome == .sent, var reply = job.takeReply() else { break }
            if !job.isItem { self.clientLinks.values[index].giveBackCredit() }
            let sequence = self.clientLinks.values[index].nextSequence()
            reply.withUnsafeMutableBytes { bytes in
                guard let base = bytes.baseAddress else { return }
                FrameHeader.patch(linkSequence: sequence, in: base)
            }
            var framesLeft = job.frameCount
            let isLast = position == jobs.endIndex - 1
            let more = framesLeft > 0 || !isLast
            outcome =
                position == jobs.startIndex
                ? socket.send(reply, to: peer, more: more) : socket.send(reply, more: more)
            guard framesLeft > 0 else { continue }
            TensorPayload.forEachFrame(of: job.payload) { storage, offset, byteCount in
                framesLeft -= 1
                guard outcome == .sent else { return }
                let frame = Message(
                    payload: storage.base + offset,
                    byteCount: byteCount,
                    owner: storage
                )
                outcome = socket.send(frame, more: framesLeft > 0 || !isLast)
            }
        }
        self.sent(outcome, to: peer)
    }

    func send(
        _ message: some WireMessage,
        flags: FrameHeader.Flags = [],
        to peer: PeerID,
        requestID: UInt64 = 0,
        aux: UInt64 = 0
    ) {
        guard let socket, let sequence = self.clientLinks[peer]?.nextSequence() else { return }
        let header = FrameHeader(
            type(of: message).type,
            flags: flags,
            linkSequence: sequence,
            requestID: requestID,
            aux: aux,
            sender: self.instance
        )
        let frame = message.encoded(header, by: Message.init(byteCount:initializingWith:))
        self.sent(socket.send(frame, to: peer), to: peer)
    }

    /// A client that has gone, or does not read its answers, is forgotten with its requests.
    private func sent(_ outcome: Socket.SendOutcome, to peer: PeerID) {
        switch outcome {
        case .sent: return
        case .unreachable: self.forget(peer)
        case .full, .failed:
            self.clientLinks[peer]?.refuse()
            self.abandon(peer)
        }
        self.finishDraining()
    }
}
