internal import RoostWire
internal import ZeroMQ

// Clients: questions, watches, and the lists and changes that answer them.

extension Broker {
    // MARK: Changes

    /// Tells every client what has changed since it was told last. What concerns many is found out
    /// and encoded once for all who watch the same.
    func publishPending() {
        guard !self.pending.isEmpty else { return }
        let changes = self.pending.coalesced()
        self.pending.removeAll(keepingCapacity: true)
        guard !changes.isEmpty else { return }
        self.log.append(changes)
        for selector in self.selectors.elements {
            guard let deltas = self.audiences[selector]?.take(changes), let last = deltas.last
            else { continue }
            let frames = deltas.map { $0.frame(self.header(.delta)) }
            // A copy: who turns out to have gone is taken off the roll meanwhile.
            for peer in self.audiences[selector]?.peers.elements ?? [] {
                guard
                    let previous = self.watchers[peer]?.take(
                        last.sequence,
                        messages: frames.count
                    )
                else { continue }
                self.send(frames, from: previous, to: last.sequence, peer)
            }
        }
        self.answerWaiting(changes)
    }

    /// Sends what changed between two sequences. Until its last message the client is as it was at
    /// the first: told again, the others do no harm.
    private func send(_ frames: [[UInt8]], from previous: UInt64, to last: UInt64, _ peer: PeerID) {
        for (number, frame) in frames.enumerated() {
            let sequence = number == frames.count - 1 ? last : previous
            self.send(frame, to: peer) {
                Delta.patch(sequence: sequence, previous: previous, in: $0)
            }
        }
    }

    // MARK: Watches

    func watch(_ watch: Watch, from peer: PeerID, now: Moment) {
        self.publishPending()
        self.unwatch(peer)
        if self.audiences[watch.selector] == nil {
            let records = self.registry.unordered(matching: watch.selector)
            self.audiences[watch.selector] = Audience(watch.selector, records: records)
            self.selectors.insert(watch.selector)
        }
        self.audiences[watch.selector]?.peers.insert(peer)
        let resumes =
            watch.epoch == self.epoch && watch.sequence <= self.registry.sequence
            && self.warmUp.isOver
        self.watchers[peer] = Watcher(watch, resumes: resumes, now: now)
        self.pump(peer, now: now)
    }

    func unwatch(_ peer: PeerID) {
        guard let watcher = self.watchers.removeValue(forKey: peer) else { return }
        self.starving.remove(peer)
        self.reading.remove(peer)
        self.audiences[watcher.selector]?.peers.remove(peer)
        if self.audiences[watcher.selector]?.peers.isEmpty == true {
            self.audiences[watcher.selector] = nil
            self.selectors.remove(watcher.selector)
        }
    }

    func add(_ credit: Credit, from peer: PeerID, now: Moment) {
        self.publishPending()
        self.watchers[peer]?.add(credit: credit.messages)
        self.pump(peer, now: now)
    }

    /// The broker has finished warming up: lists are complete from now on.
    func restartWatchers() {
        for selector in self.selectors.elements {
            for peer in self.audiences[selector]?.peers.elements ?? [] {
                self.watchers[peer]?.restart()
                self.starving.insert(peer)
            }
        }
    }

    /// What watchers are owed from time to time.
    func tendWatchers(now: Moment) {
        let stuck = now + (.zero - self.configuration.listTimeout)
        let digests = self.configuration.digestInterval
        for selector in self.selectors.elements {
            for peer in self.audiences[selector]?.peers.elements ?? [] {
                if self.watchers[peer]?.abandonList(notMovedSince: stuck) == true {
                    self.reading.remove(peer)
                }
                if digests > .zero, self.warmUp.isOver { self.digest(peer, selector, now: now) }
            }
        }
        for peer in self.starving.takeAll() { self.pump(peer, now: now) }
    }

    private func digest(_ peer: PeerID, _ selector: Selector, now: Moment) {
        guard let heard = self.links[peer]?.heard, let totals = self.audiences[selector]?.totals,
            let sequence = self.watchers[peer]?.digest(
                interval: self.configuration.digestInterval,
                heard: heard,
                now: now
            )
        else { return }
        self.counters.digests += 1
        self.send(Digest(sequence: sequence, count: totals.count, sum: totals.sum), to: peer)
    }

    /// Sends a client what it needs and can take.
    private func pump(_ peer: PeerID, now: Moment) {
        while let watcher = self.watchers[peer] {
            switch watcher.need {
            case .nothing: return
            case .changes(let sequence): self.catchUp(peer, watcher.selector, after: sequence)
            case .list:
                guard let list = self.list(for: watcher.selector, now: now) else {
                    self.starving.insert(peer)
                    return
                }
                if list.frames.count > 1 {
                    guard self.reading.elements.count < self.configuration.listReadersMax else {
                        self.starving.insert(peer)
                        return
                    }
                    self.reading.insert(peer)
                }
                self.watchers[peer]?.begin(list)
            case .part:
                guard self.lists.allowsPart(now: now) else {
                    self.starving.insert(peer)
                    return
                }
                guard let (list, part) = self.watchers[peer]?.nextPart(now: now) else { return }
                self.lists.sent(list.frames[part].count, now: now)
                if part == list.frames.count - 1 { self.reading.remove(peer) }
                self.send(list.frames[part], to: peer)
            }
        }
    }

    /// Tells a client what it missed, or has it sent a list if that is too long ago or too much.
    private func catchUp(_ peer: PeerID, _ selector: Selector, after sequence: UInt64) {
        guard let changes = self.log.changes(after: sequence) else {
            self.watchers[peer]?.restart()
            return
        }
        let deltas = changes.deltas(for: selector)
        let awaitsAnswer = self.watchers[peer]?.awaitsAnswer == true
        let last = deltas.last?.sequence ?? sequence
        guard self.watchers[peer]?.catchUp(to: last, messages: deltas.count) == true else { return }
        if deltas.isEmpty, awaitsAnswer {
            self.send(Delta(sequence: sequence, previous: sequence), to: peer)
        }
        let frames = deltas.map { $0.frame(self.header(.delta)) }
        self.send(frames, from: sequence, to: last, peer)
    }

    /// A list that the log leads on from, shared with those who are being sent it; `nil` if the
    /// client must wait.
    private func list(for selector: Selector, now: Moment) -> SnapshotList? {
        let isComplete = self.warmUp.isOver
        if let list = self.audiences[selector]?.list, list.isComplete == isComplete,
            self.log.reaches(list.sequence)
        {
            return list
        }
        guard let list = self.newList(for: selector, now: now) else { return nil }
        self.audiences[selector]?.list = list
        return list
    }

    private func newList(
        for selector: Selector,
        requestID: UInt64 = 0,
        now: Moment
    ) -> SnapshotList? {
        guard self.lists.allows(now: now) else { return nil }
        let list = SnapshotList(
            self.registry.unordered(matching: selector),
            sequence: self.registry.sequence,
            isComplete: self.warmUp.isOver,
            header: self.header(.snapshot, requestID: requestID)
        )
        self.lists.note(list, now: now)
        return list
    }

    // MARK: Lookups

    /// How many parts of an answer go out at once, and with each sweep if there is room: a LOOKUP
    /// gives no credit, and what else its client is sent needs room below the high-water mark.
    private static let answerPartsMax = 32

    func lookup(_ lookup: Lookup, _ header: FrameHeader, from peer: PeerID, now: Moment) {
        let question = WaitingLookup(
            peer: peer,
            requestID: header.requestID,
            selector: lookup.selector,
            deadline: now + lookup.wait
        )
        let mayWait =
            lookup.wait > .zero && self.waiting.count < self.configuration.waitingLookupsMax
        if mayWait, !self.registry.lists(lookup.selector) {
            self.waiting.append(question)
        } else {
            self.answer(question, now: now)
        }
    }

    private func answer(_ question: WaitingLookup, now: Moment) {
        guard
            let list = self.newList(
                for: question.selector,
                requestID: question.requestID,
                now: now
            )
        else {
            self.send(
                ErrorReply(
                    .overloaded,
                    "the broker is sending too many lists",
                    backoff: self.configuration.sweepInterval
                ),
                to: question.peer,
                requestID: question.requestID
            )
            return
        }
        let answer = Answer(peer: question.peer, list: list, progressed: now)
        self.go(on: answer, now: now).map { self.answers.append($0) }
    }

    /// Sends some more parts of an answer; what is left of it, if anything is.
    private func go(on answer: Answer, now: Moment) -> Answer? {
        var answer = answer
        let end = min(answer.nextPart + Self.answerPartsMax, answer.list.frames.count)
        while answer.nextPart < end {
            // The link may have gone, or be refused.
            guard self.links[answer.peer]?.isRefused == false else { return nil }
            let frame = answer.list.frames[answer.nextPart]
            guard self.lists.allowsPart(now: now) else { return answer }
            let outcome = self.offer(frame, to: answer.peer)
            if outcome == .full, now - answer.progressed < self.configuration.listTimeout {
                return answer
            }
            self.settle(outcome, answer.peer)
            self.lists.sent(frame.count, now: now)
            answer.nextPart += 1
            answer.progressed = now
        }
        return end < answer.list.frames.count ? answer : nil
    }

    /// Answers those that waited for a worker that has come.
    private func answerWaiting(_ changes: [WorkerRegistry.Change]) {
        guard !self.waiting.isEmpty else { return }
        self.answerWaiting { question in
            changes.contains { $0.after.map(question.selector.matches) ?? false }
        }
    }

    private func answerWaiting(where isDue: (WaitingLookup) -> Bool) {
        let due = self.waiting.filter(isDue)
        guard !due.isEmpty else { return }
        self.waiting.removeAll(where: isDue)
        for question in due { self.answer(question, now: self.now) }
    }

    /// Goes on with the answers under way, and answers those that waited in vain.
    func tendLookups(now: Moment) {
        let answers = self.answers
        self.answers = []
        for answer in answers { self.go(on: answer, now: now).map { self.answers.append($0) } }
        if !self.waiting.isEmpty { self.answerWaiting { now >= $0.deadline } }
    }
}
