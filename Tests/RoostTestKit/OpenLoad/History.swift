package import RoostClient

/// What became of every request of a load, one by one, to be checked when it is over.
package struct History: Sendable {
    /// How a request ended.
    package enum Outcome: Sendable, Hashable {
        /// It has not ended.
        case pending
        case right
        /// It was answered, with another request's answer or a wrong one.
        case wrong
        case failed(InferenceError.Code)
    }

    package struct Entry: Sendable {
        /// When it was to be sent, whatever kept the sender busy; latency counts from here.
        package let due: Moment
        /// When it was sent; its deadline counts from here.
        package internal(set) var sent: Moment?
        package internal(set) var ended: Moment?
        package internal(set) var outcome = Outcome.pending
        /// How often it was sent to a worker.
        package internal(set) var attempts = 0
        /// How often it ended; more than once is a fault of ours.
        package internal(set) var ends = 0
        /// The worker that answered, as an index of ``History/workers``.
        package internal(set) var worker = -1

        package var latency: Duration? { self.ended.map { $0 - self.due } }
    }

    /// How much later than its deadline a request may end.
    package static let lateMax: Duration = .milliseconds(250)

    /// The deadline of every request.
    package let timeout: Duration
    package internal(set) var entries: [Entry] = []
    package private(set) var workers: [String] = []
    /// The first failures, in words.
    package internal(set) var failures: [String] = []
    /// When the sender itself did not run, though it had to: its process was halted, say.
    package internal(set) var pauses: [(from: Moment, until: Moment)] = []

    init(timeout: Duration) { self.timeout = timeout }

    mutating func worker(_ id: String) -> Int {
        if let index = self.workers.firstIndex(of: id) { return index }
        self.workers.append(id)
        return self.workers.count - 1
    }

    // MARK: What it comes to

    package var answered: Int { self.entries.count { $0.outcome == .right } }
    package var wrong: Int { self.entries.count { $0.outcome == .wrong } }
    package var failed: Int {
        self.entries.count {
            if case .failed = $0.outcome { true } else { false }
        }
    }

    /// Failures by their code.
    package var failuresByCode: [InferenceError.Code: Int] {
        var counts: [InferenceError.Code: Int] = [:]
        for entry in self.entries {
            if case .failed(let code) = entry.outcome { counts[code, default: 0] += 1 }
        }
        return counts
    }

    /// Requests that did not end exactly once by their deadline and ``lateMax``.
    ///
    /// - Parameter excusesPauses: whether they may be later by the time that the sender itself was
    ///   halted meanwhile.
    package func unfinished(excusesPauses: Bool = false) -> Int {
        self.entries.count { entry in
            guard let ended = entry.ended, let sent = entry.sent else { return true }
            var limit = self.timeout + Self.lateMax
            if excusesPauses {
                for pause in self.pauses where pause.until > sent && pause.from < ended {
                    limit += min(pause.until, ended) - max(pause.from, sent)
                }
            }
            return entry.ends != 1 || ended - sent > limit
        }
    }

    /// Those of ``unfinished(excusesPauses:)`` that are known by now, pauses excused.
    package func overdue(now: Moment) -> Int {
        var ended = self
        ended.entries.removeAll { entry in
            entry.ended == nil && now - (entry.sent ?? now) <= self.timeout + Self.lateMax
        }
        return ended.unfinished(excusesPauses: true)
    }

    /// How often requests were sent in all.
    package var attempts: Int { self.entries.reduce(0) { $0 + $1.attempts } }

    /// How often requests were sent beyond the first time, of all requests.
    package var retryShare: Double {
        let repeated = self.entries.reduce(0) { $0 + max(0, $1.attempts - 1) }
        return Double(repeated) / Double(max(1, self.entries.count))
    }

    /// The latency that this share of the answered requests stayed within; of those due in a time
    /// if one is given.
    package func latency(_ share: Double, from: Moment? = nil, until: Moment? = nil) -> Duration {
        let all = self.entries.lazy.filter { entry in
            entry.outcome == .right && from.map { entry.due >= $0 } ?? true
                && until.map { entry.due < $0 } ?? true
        }
        let sorted = all.compactMap(\.latency).sorted()
        guard !sorted.isEmpty else { return .zero }
        let rank = Int((share * Double(sorted.count)).rounded(.up)) - 1
        return sorted[min(max(0, rank), sorted.count - 1)]
    }

    /// The median, over all seconds, of ``latency(_:from:until:)`` in each.
    package func typicalLatency(_ share: Double) -> Duration {
        guard let first = self.entries.first?.due, let last = self.entries.last?.due else {
            return .zero
        }
        var seconds: [Duration] = []
        var start = first
        while start < last {
            seconds.append(self.latency(share, from: start, until: start + .seconds(1)))
            start = start + .seconds(1)
        }
        return seconds.sorted()[seconds.count / 2]
    }

    /// Answers per second in a time.
    package func throughput(from: Moment, until: Moment) -> Double {
        let count = self.entries.count { entry in
            guard entry.outcome == .right, let ended = entry.ended else { return false }
            return ended >= from && ended < until
        }
        return Double(count) / (until - from).inSeconds
    }

    /// When the first request that was due after a time was answered.
    package func firstAnswer(after moment: Moment) -> Moment? {
        self.entries.lazy.filter { $0.outcome == .right }.compactMap(\.ended)
            .filter { $0 >= moment }.min()
    }

    /// How many requests a worker answered.
    package func answers(from worker: String) -> Int {
        guard let index = self.workers.firstIndex(of: worker) else { return 0 }
        return self.entries.count { $0.outcome == .right && $0.worker == index }
    }
}
