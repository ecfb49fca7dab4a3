internal import RoostWire

/// How many rows of a model are executed together, and how long requests are held back for it.
///
/// A batch is formed of what waits when an executor becomes free. Batches that fail cost their
/// requests a second execution; so that requests which fail whole batches do not cost everybody the
/// double for ever, nothing is joined for a while after one, for longer each time.
struct Batcher: Sendable {
    /// The most rows that a batch may ever have.
    private var limit: Int
    /// What is found out of better sizes; `nil` where somebody has said which ones there are.
    private var size: BatchSize?
    /// The size that is tried in the batch that is formed next; 0: none is.
    private var trial = 0
    private let preferred: [Int]
    /// In nanoseconds.
    private let delay: Int64
    /// So many executions are of single requests yet.
    private var alone = 0
    /// How many they were to be after the last batch that failed.
    private var penalty = 0
    /// How many rows batches have of late when more are left than fill one, in sixteenths: less than
    /// the maximum if requests of different form wait.
    private var fill: Int
    private static let penaltyMin = 8
    private static let penaltyMax = 1_024

    init(_ policy: ExecutionPolicy) {
        self.limit = max(policy.batchMax, 1)
        // Padded rows cost what the longest in their batch does: no size has a cost of its own.
        if policy.findsBatchSize, self.limit > 1, policy.padding.isEmpty {
            self.size = BatchSize(max: self.limit)
        }
        self.fill = self.limit << 4
        self.preferred = policy.preferredRows
        self.delay = policy.batchMax > 1 ? policy.batchDelay.nanoseconds : 0
    }

    /// The most rows in a batch.
    var rowsMax: Int { self.size?.rows ?? self.limit }
    /// Whether requests may be joined now.
    var joins: Bool { self.limit > 1 && self.alone == 0 }
    /// Whether they may ever.
    var mayJoin: Bool { self.limit > 1 }
    /// Whether requests may be held back.
    var delays: Bool { self.delay > 0 && self.joins }
    var hasPreference: Bool { !self.preferred.isEmpty }

    /// Until when to wait for more than these rows, the first of which came at `since`.
    func due(rows: Int, since: Moment) -> Moment {
        guard self.delay > 0, self.joins, rows < (self.preferred.first ?? self.rowsMax) else {
            return since
        }
        return Moment(nanoseconds: since.nanoseconds + self.delay)
    }

    /// How many of so many rows to take: the largest preferred size that they fill.
    func cut(_ rows: Int) -> Int {
        self.preferred.last { $0 <= rows } ?? min(rows, self.rowsMax)
    }

    /// How many rows to expect in each of the batches that a long queue becomes.
    var rowsExpected: Int { self.joins ? max(self.fill >> 4, 1) : 1 }

    /// The most rows in the next batch, when so many wait, of which its first request has `first`.
    mutating func nextMax(waiting rows: Int, first: Int) -> Int {
        self.trial = self.size?.trial(waiting: rows, first: first) ?? 0
        return self.trial > 0 ? self.trial : self.rowsMax
    }

    /// A batch of so many rows was formed, and so many were left.
    mutating func formed(rows: Int, leaving left: Int) {
        // One that was filled says nothing of what could have been; one that was not does.
        let isCut = self.trial > 0 && rows >= self.trial
        self.trial = 0
        guard self.joins, left >= self.rowsMax, !isCut else { return }
        self.fill += (min(rows, self.limit) << 4 - self.fill) >> 3
    }

    /// A request is executed alone.
    mutating func ranAlone() { if self.alone > 0 { self.alone -= 1 } }

    /// An execution of so many rows, of requests of that form, has taken so many nanoseconds.
    mutating func executed(rows: Int, form: Int, nanoseconds: Int64) {
        self.size?.record(rows: rows, form: form, nanoseconds: nanoseconds)
    }

    /// A batch has been executed.
    mutating func succeeded() { self.penalty = 0 }

    /// A batch has failed.
    mutating func failed() {
        self.penalty = min(max(2 * self.penalty, Self.penaltyMin), Self.penaltyMax)
        self.alone = self.penalty
    }

    /// The model does not give row for row what it is given.
    mutating func stopJoining() {
        self.limit = 1
        self.size = nil
    }
}
