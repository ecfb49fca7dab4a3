internal import RoostWire

extension Discovery {
    /// A client's link to one broker at a time: asks for the list and follows its changes.
    ///
    /// ```
    /// waiting --time--> asking (WATCH sent) --SNAPSHOT--> watching --silence, loss--> waiting
    /// ```
    ///
    /// A fresh link asks for what followed the list that is there already; a broker that still has
    /// that very list answers with an empty DELTA, any other with a SNAPSHOT.
    struct BrokerWatch: Sendable {
        enum Action: Hashable, Sendable {
            /// Open a fresh socket to the broker of that position and send WATCH first.
            case connect(Int, Watch)
            case watch(Watch)
            case credit(UInt32)
            case ping
            case disconnect
        }

        /// What a message changed.
        struct News: Sendable {
            var actions: [Action] = []
            /// The list has arrived: the broker's view is what it lists now.
            var isList = false
            /// The broker has answered a WATCH with it.
            var isAnswer = false
            /// Who may have changed, in the order of the message.
            var workerIDs: [String] = []
            /// Who was in the view and is not in the list that has arrived.
            var missing: [WorkerRecord] = []
            /// Who is no longer listed, in the incarnation in which it was.
            var removals: [Delta.Removal] = []
        }

        private enum State: Hashable, Sendable {
            case waiting(until: Moment)
            case asking(until: Moment)
            case watching(since: Moment, heard: Moment, nextPing: Moment)
            case stopped
        }

        /// The position of the broker that is followed, or asked next.
        private(set) var broker: Int
        private(set) var view = View()
        /// Whether the view is that of a broker that knows all of its workers.
        private(set) var isComplete = false
        /// Whether any list has come on this watch.
        private(set) var hasList = false
        /// Whether the first attempt has ended, well or badly.
        private(set) var isSettled = false

        private let limits: Limits
        private var state: State
        private var backoff = Backoff()
        private var credit: UInt32 = 0
        private var epoch: UInt64 = 0
        private var sequence: UInt64 = 0
        /// The parts of a list that is still arriving.
        private var arriving: [WorkerRecord] = []
        private var arrivingBytes = 0
        private var nextPart: UInt32 = 0
        /// The list was asked for anew on this link: what was sent before that is passed over.
        private var isAskedAnew = false
        /// When the list that was asked for anew, or its next part, must have come.
        private var listDue = Moment.never
        /// Digests in a row that tell of messages that have not come.
        private var digestsAhead = 0
        /// When digests that differ are listened to again, and how often they have differed.
        private var repairAfter = Moment(nanoseconds: .min)
        private var repairs = 0

        init(broker: Int, limits: Limits, now: Moment) {
            self.broker = broker
            self.limits = limits
            self.state = .waiting(until: now)
        }

        /// Whether the broker answers, and its changes are followed.
        var isLive: Bool {
            if case .watching = self.state { true } else { false }
        }

        /// When ``tick(now:jitter:next:)`` is due.
        var deadline: Moment {
            switch self.state {
            case .waiting(let until), .asking(let until): until
            case .watching(_, let heard, let nextPing):
                min(heard + Discovery.silenceLimit, nextPing, self.listDue)
            case .stopped: .never
            }
        }

        /// Time has passed.
        ///
        /// - Parameter next: the broker to go on with if this one is lost now.
        mutating func tick(now: Moment, jitter: Double, next: Int) -> [Action] {
            guard now >= self.deadline else { return [] }
            switch self.state {
            case .waiting:
                self.state = .asking(until: now + Discovery.answerLimit)
                return [.connect(self.broker, self.question())]
            case .asking:
                return self.lost(now: now, jitter: jitter, next: next)
            case .watching(let since, let heard, _):
                if now - heard >= Discovery.silenceLimit || now >= self.listDue {
                    return self.lost(now: now, jitter: jitter, next: next)
                }
                let nextPing = now + Discovery.pingInterval
                self.state = .watching(since: since, heard: heard, nextPing: nextPing)
                return [.ping]
            case .stopped:
                return []
            }
        }

        /// The link was lost, or the broker broke the protocol. The view stays.
        mutating func lost(now: Moment, jitter: Double, next: Int) -> [Action] {
            guard self.state != .stopped else { return [] }
            var wait = Duration.zero
            if case .watching(let since, _, _) = self.state {
                // All the broker's clients lose it at once; they shall not come back at once.
                wait = .nanoseconds(Int64(Double(Discovery.spread.nanoseconds) * jitter))
                // A broker that takes clients on only to lose them is not asked ever again at once.
                if now - since >= Discovery.healthyAfter { self.backoff.reset() }
            }
            self.isSettled = true
            self.broker = next
            self.state = .waiting(until: now + max(wait, self.backoff.next(jitter: jitter)))
            return [.disconnect]
        }

        /// Any message has come.
        mutating func heard(now: Moment) {
            switch self.state {
            case .watching(let since, _, let nextPing):
                self.state = .watching(since: since, heard: now, nextPing: nextPing)
            case .waiting, .asking, .stopped: break
            }
        }

        mutating func stop() { self.state = .stopped }

        // MARK: Messages

        /// A part of the list has come. Throws if the list is longer than lists are.
        mutating func received(
            _ snapshot: Snapshot,
            epoch: UInt64,
            now: Moment
        ) throws(WireError) -> News {
            var news = News(actions: self.spend())
            if snapshot.part == 0 {
                self.forgetArriving()
                self.isAskedAnew = false
            }
            guard !self.isAskedAnew else { return news }
            guard snapshot.part == self.nextPart else {
                news.actions.append(.watch(self.anew(now: now)))
                return news
            }
            let bytes = snapshot.records.reduce(0) { $0 + $1.wireBytes }
            guard self.arriving.count + snapshot.records.count <= self.limits.workersMax,
                self.arrivingBytes + bytes <= self.limits.bytesMax
            else {
                self.forgetArriving()
                throw WireError(.tooLong)
            }
            self.arriving += snapshot.records
            self.arrivingBytes += bytes
            self.nextPart += 1
            guard self.nextPart == snapshot.parts else {
                // The broker is answering; the rest may take its time.
                self.listDue = now + Discovery.answerLimit
                if case .asking = self.state { self.state = .asking(until: self.listDue) }
                return news
            }
            let list = self.arriving
            self.forgetArriving()
            news.missing = self.view.replace(with: list, isComplete: snapshot.complete)
            news.workerIDs = list.map(\.workerID) + news.missing.map(\.workerID)
            news.isList = true
            news.isAnswer = true
            self.answered(now: now)
            self.epoch = epoch
            self.sequence = snapshot.sequence
            self.isComplete = snapshot.complete
            self.hasList = true
            return news
        }

        /// A change has come, or word that there was none. Throws if the list becomes longer than
        /// lists are: nothing is changed then.
        mutating func received(
            _ delta: Delta,
            epoch: UInt64,
            now: Moment
        ) throws(WireError) -> News {
            var news = News(actions: self.spend())
            guard !self.isAskedAnew else { return news }
            // In the middle of a list no change may come: the list would not be of one moment.
            guard epoch == self.epoch, delta.previous == self.sequence, self.nextPart == 0 else {
                news.actions.append(.watch(self.anew(now: now)))
                return news
            }
            let room = Room(for: delta.upserts) { self.view.entries[$0]?.bytes }
            guard self.view.count + room.count <= self.limits.workersMax,
                self.view.bytes + room.bytes <= self.limits.bytesMax
            else { throw WireError(.tooLong) }
            if case .asking = self.state {
                self.answered(now: now)
                news.isAnswer = true
            }
            self.sequence = delta.sequence
            for record in delta.upserts {
                self.view.upsert(record, isComplete: self.isComplete)
                news.workerIDs.append(record.workerID)
            }
            for removal in delta.removals {
                guard let incarnation = self.view.remove(removal) else { continue }
                var removal = removal
                removal.incarnation = incarnation
                news.workerIDs.append(removal.workerID)
                news.removals.append(removal)
            }
            return news
        }

        /// What the broker's list amounts to has come: the list is asked for anew if ours differs.
        ///
        /// A link keeps the order of messages, so all that the broker sent before the digest is
        /// here. What has a lower sequence is of the time before a list that was asked for anew; a
        /// higher one, or another epoch, is a mistake of the broker's, and acted on if it persists.
        mutating func received(_ digest: Digest, epoch: UInt64, now: Moment) -> [Action] {
            guard case .watching = self.state, !self.isAskedAnew, self.nextPart == 0 else {
                return []
            }
            guard epoch == self.epoch, digest.sequence == self.sequence else {
                guard epoch != self.epoch || digest.sequence > self.sequence else { return [] }
                self.digestsAhead += 1
                guard self.digestsAhead >= 2 else { return [] }
                return self.repair(now: now)
            }
            self.digestsAhead = 0
            guard Int(digest.count) != self.view.count || digest.sum != self.view.sum else {
                self.repairs = 0
                return []
            }
            return self.repair(now: now)
        }

        /// The list has drifted. If a fresh one does not mend it, one is asked for ever less often:
        /// a broker that counts in another way than we do must not send its list all day.
        private mutating func repair(now: Moment) -> [Action] {
            self.digestsAhead = 0
            guard now >= self.repairAfter else { return [] }
            let wait = Discovery.repairInterval * (1 << min(self.repairs, 5))
            self.repairAfter = now + wait
            self.repairs += 1
            return [.watch(self.anew(now: now))]
        }

        /// The broker has answered WATCH.
        private mutating func answered(now: Moment) {
            self.isSettled = true
            self.digestsAhead = 0
            self.listDue = .never
            let nextPing = now + Discovery.pingInterval
            guard case .watching(let since, _, _) = self.state else {
                self.state = .watching(since: now, heard: now, nextPing: nextPing)
                return
            }
            self.state = .watching(since: since, heard: now, nextPing: nextPing)
        }

        /// A message took one credit; half of them are given back at a time.
        private mutating func spend() -> [Action] {
            self.credit -= min(self.credit, 1)
            guard self.credit < Discovery.credit / 2 else { return [] }
            let grant = Discovery.credit - self.credit
            self.credit = Discovery.credit
            return [.credit(grant)]
        }

        /// The first question on a fresh link: what followed the list that is there. One that lacks
        /// workers is asked for as a whole, since nothing may have followed it.
        private mutating func question() -> Watch {
            self.forgetArriving()
            self.credit = Discovery.credit
            self.isAskedAnew = false
            self.listDue = .never
            guard self.isComplete else { return Watch(credit: Discovery.credit) }
            return Watch(epoch: self.epoch, sequence: self.sequence, credit: Discovery.credit)
        }

        /// Something was missed: the whole list again.
        private mutating func anew(now: Moment) -> Watch {
            self.forgetArriving()
            self.credit = Discovery.credit
            self.isAskedAnew = true
            self.listDue = now + Discovery.answerLimit
            return Watch(credit: Discovery.credit)
        }

        private mutating func forgetArriving() {
            self.arriving = []
            self.arrivingBytes = 0
            self.nextPart = 0
        }
    }

    /// What records add to a list: how many are new, and the bytes that they take more than before.
    struct Room {
        private(set) var count = 0
        private(set) var bytes = 0

        /// - Parameter known: what a worker's record takes now; `nil` if it is not listed.
        init(for records: [WorkerRecord], known: (String) -> Int?) {
            for record in records {
                let before = known(record.workerID)
                if before == nil { self.count += 1 }
                self.bytes += record.wireBytes - (before ?? 0)
            }
        }
    }
}
