/// Finds out, while requests wait, how many rows are to be executed together: the fewest whose
/// execution takes hardly longer a row than that of any other number tried.
///
/// More rows at once are not always quicker: an encoder of MiniLM's shape takes 7 % longer a row in
/// batches of 64 than in ones of 16, whose data stays in the core's cache. And of two sizes with the
/// same rate the smaller answers sooner. Which size that is depends on model, engine, inputs and
/// machine, so it is measured on what is executed anyhow: sizes that double, each some times when
/// enough rows wait, then now and then those next to the best, for all of it may change.
///
/// What is compared are rows that cost the same: requests of one form. Where requests of another have
/// been more for a while, all begins anew with theirs.
///
/// A value without clock; it costs nothing while fewer rows wait than the smallest size has.
struct BatchSize: Sendable {
    /// What executions of one size take.
    private struct Trial: Sendable {
        let rows: Int
        /// For each row, in nanoseconds: the quickest of late, about.
        var perRow: Int64 = 0
        var samples = 0
        /// How often it was asked for. What waits may never fill it: few requests may be joined, or each
        /// has too many rows.
        var attempts = 0

        /// Whether it is still to be found out what it takes.
        var isOpen: Bool {
            self.samples < BatchSize.samplesMin && self.attempts < BatchSize.attemptsMax
        }

        mutating func record(_ sample: Int64) {
            self.samples = min(self.samples + 1, BatchSize.samplesMin)
            // The first of a size allocates what the others find.
            if self.samples <= 2 {
                self.perRow = sample
            } else if sample < self.perRow {
                self.perRow -= (self.perRow - sample) >> 1
            } else {
                // What else the core did meanwhile says nothing of the size.
                self.perRow += min(sample - self.perRow, self.perRow >> 2) >> 3
            }
        }
    }

    /// A size is compared when it was executed so many times.
    static let samplesMin = 5
    /// It is asked for so many times, until then.
    static let attemptsMax = 2 * Self.samplesMin
    /// So many more executions of other forms than of the one that is measured are too many.
    static let strangersMax = 64
    /// One in so many batches is of a size next to the best, if enough rows wait.
    static let trialInterval = 32
    /// What a batch takes besides its execution, in nanoseconds: its assembly's share that does not
    /// depend on rows, the changes of threads and the sending of its answers.
    private static let handling: Int64 = 30_000
    /// Sizes that differ by less than this part of their time are alike.
    private static let toleranceShare: Int64 = 100

    /// Ascending.
    private var trials: [Trial]
    private var best: Int
    /// Batches since the last that was a trial.
    private var batches = 0
    /// Which neighbour of the best is tried next.
    private var triesLarger = false
    /// The form of the requests that are measured; 0: of none yet.
    private var form = 0
    /// Executions of others, less those of that form since.
    private var strangers = 0

    /// - Parameter max: the largest size, 2 at least.
    init(max: Int) {
        var sizes = Array(sequence(first: 2) { 2 * $0 < max ? 2 * $0 : nil })
        if sizes.last != max { sizes.append(max) }
        self.trials = sizes.map { Trial(rows: $0) }
        self.best = self.trials.count - 1
    }

    /// The best size known, in rows, or the next larger one until that is known to be worse; in the
    /// beginning the largest.
    var rows: Int {
        let next = self.best + 1
        guard next < self.trials.count, self.trials[next].isOpen else {
            return self.trials[self.best].rows
        }
        return self.trials[next].rows
    }

    /// A size to try in the next batch, when so many rows wait; `nil` if it is not time for one.
    ///
    /// A trial leaves as many rows as it takes if it is smaller than the best, so that what it costs
    /// is only that it is not the best.
    ///
    /// - Parameter first: how many of the rows the request has that is executed in any case.
    mutating func trial(waiting: Int, first: Int = 1) -> Int? {
        guard waiting > first, waiting >= self.trials[0].rows else { return nil }
        if let untried = self.untried(waiting: waiting, first: first) {
            self.trials[untried].attempts += 1
            return self.trials[untried].rows
        }
        guard waiting >= self.rows else { return nil }
        self.batches += 1
        guard self.batches >= Self.trialInterval else { return nil }
        self.batches = 0
        self.triesLarger.toggle()
        let neighbour = self.triesLarger ? self.best + 1 : self.best - 1
        guard self.trials.indices.contains(neighbour), self.mayTake(neighbour, waiting),
            self.trials[neighbour].rows > first
        else { return nil }
        return self.trials[neighbour].rows
    }

    /// The size with the fewest samples of those that too few are known of.
    private func untried(waiting: Int, first: Int) -> Int? {
        var chosen: Int?
        for index in self.trials.indices where self.trials[index].isOpen {
            let samples = self.trials[index].samples
            guard self.trials[index].rows > first, self.mayTake(index, waiting) else { continue }
            if let chosen, self.trials[chosen].samples <= samples { continue }
            chosen = index
        }
        return chosen
    }

    private func mayTake(_ index: Int, _ waiting: Int) -> Bool {
        let rows = self.trials[index].rows
        return waiting >= (index < self.best ? 2 * rows : rows)
    }

    /// An execution of so many rows took so many nanoseconds, and gave what it was to give.
    ///
    /// - Parameter form: that of its requests; 0: nothing can be joined with it.
    mutating func record(rows: Int, form: Int = 1, nanoseconds: Int64) {
        guard form != 0, rows > 1 else { return }
        guard self.knows(form) else { return }
        // Of a size nearly as large, too: requests of several rows seldom fill one.
        guard
            let index = self.trials.firstIndex(where: { trial in
                trial.rows - trial.rows / 8 <= rows && rows <= trial.rows
            })
        else { return }
        self.trials[index].record((nanoseconds + Self.handling) / Int64(rows))
        self.choose()
    }

    /// Whether that form is the one that is measured.
    private mutating func knows(_ form: Int) -> Bool {
        if self.form == 0 { self.form = form }
        if form == self.form {
            self.strangers = max(self.strangers - 1, 0)
            return true
        }
        self.strangers += 1
        guard self.strangers > Self.strangersMax else { return false }
        self = BatchSize(max: self.trials[self.trials.count - 1].rows)
        self.form = form
        return true
    }

    private mutating func choose() {
        var least = Int64.max
        for trial in self.trials where trial.samples >= Self.samplesMin {
            least = min(least, trial.perRow)
        }
        guard least < .max else { return }
        let most = least + least / Self.toleranceShare
        let chosen = self.trials.firstIndex { trial in
            trial.samples >= Self.samplesMin && trial.perRow <= most
        }
        if let chosen { self.best = chosen }
    }
}
