package import RoostWire

/// How long executions take of late, for each model by the size of its batches, and for all together.
///
/// A batch of so many rows does not take so many times what one row takes, and often hardly more.
/// So sizes are measured apart, in classes that each double: 1, 2, 3 to 4, 5 to 8 rows, and so on.
///
/// A moving mean and a moving mean deviation, each execution counting for an eighth and for a
/// quarter: TCP's estimator of round trips (RFC 6298). Counted in executions and not in seconds, it
/// is a mean of as many values for a model that is asked once a minute as for one that is asked a
/// thousand times a second, follows a change within a dozen executions of either, and costs the hot
/// path shifts and no exponential.
///
/// What is refused because of an estimate is not executed, so the estimate is never corrected by
/// it. Therefore ``work(of:rows:now:)`` believes only what was measured often enough, and believes it
/// less the longer ago that was: in the end everything is let through and measured again.
package struct ServiceTime: Sendable {
    /// One model's, in nanoseconds.
    private struct Estimate: Sendable {
        var mean: Int64 = 0
        var deviation: Int64 = 0
        /// Up to ``ServiceTime/samplesMin``.
        var samples = 0
        var measured = Moment(nanoseconds: 0)

        mutating func record(_ sample: Int64, now: Moment) {
            if self.samples == 0 {
                self.mean = sample
                self.deviation = sample >> 1
            } else {
                let error = sample - self.mean
                self.mean += error >> 3
                self.deviation += (abs(error) - self.deviation) >> 2
                // A quick execution counts at once: no estimate says that there are none.
                self.deviation = max(self.deviation, -error >> 1)
            }
            self.samples = min(self.samples + 1, ServiceTime.samplesMin)
            self.measured = now
        }
    }

    /// Nothing is refused because of fewer executions than these.
    package static let samplesMin = 8
    /// An estimate counts half after so long without an execution, or after twice itself, in
    /// nanoseconds.
    private static let halfLife: Int64 = 1_000_000_000
    /// Longer executions count as ones of an hour: sums of many stay in range.
    private static let sampleMax: Int64 = 3_600_000_000_000

    /// By the model's place in the worker's list, then by the class of size.
    private var models: [[Estimate]] = []
    private var all = Estimate()
    /// What a request costs an executor: its batch's time, divided among those in it.
    private var share = Estimate()

    package init() {}

    /// The class of batches of that many rows: every class holds twice the sizes of the one before.
    private static func sizeClass(_ rows: Int) -> Int {
        rows <= 1 ? 0 : min(Int.bitWidth - (rows - 1).leadingZeroBitCount, Self.sizeClassMax)
    }
    /// Of more than 65536 rows, the largest ``ExecutionPolicy/batchMax``.
    private static let sizeClassMax = 17

    /// An execution has ended that took so many nanoseconds.
    ///
    /// `Duration` has 128 bits, of which each conversion pays a division: here it is a plain number.
    package mutating func record(
        nanoseconds: Int64,
        model: Int,
        rows: Int = 1,
        requests: Int = 1,
        now: Moment
    ) {
        while self.models.count <= model { self.models.append([]) }
        let sizeClass = Self.sizeClass(rows)
        while self.models[model].count <= sizeClass { self.models[model].append(Estimate()) }
        // An execution takes a nanosecond at least: a mean of 0 says that there was none.
        let sample = min(max(nanoseconds, 1), Self.sampleMax)
        self.models[model][sizeClass].record(sample, now: now)
        self.all.record(sample, now: now)
        self.share.record(requests == 1 ? sample : max(sample / Int64(requests), 1), now: now)
    }

    /// Another model takes the place: nothing is known of it.
    package mutating func forget(_ model: Int) {
        if model < self.models.count { self.models[model] = [] }
    }

    /// The mean over all models, in nanoseconds; 0 before the first execution.
    package var mean: Int64 { self.all.mean }
    /// The mean over all models of an execution's time for each request in it, in nanoseconds.
    package var meanShare: Int64 { self.share.mean }

    /// What batches of that size have taken on the average, in nanoseconds; `nil` if none was
    /// measured.
    func measuredMean(of model: Int, rows: Int) -> Int64? {
        let sizeClass = Self.sizeClass(rows)
        guard model < self.models.count, sizeClass < self.models[model].count,
            self.models[model][sizeClass].samples > 0
        else { return nil }
        return self.models[model][sizeClass].mean
    }

    /// What a batch of that size takes on the average, in nanoseconds: measured, or else what
    /// smaller ones one after another would take, but no more than a larger one; 0 before the
    /// model's first execution.
    package func mean(of model: Int, rows: Int = 1) -> Int64 {
        if let mean = self.measuredMean(of: model, rows: rows) { return mean }
        guard model < self.models.count else { return 0 }
        let sizeClass = Self.sizeClass(rows)
        let classes = self.models[model]
        var mean = Int64.max
        for smaller in stride(from: min(sizeClass, classes.count) - 1, through: 0, by: -1)
        where classes[smaller].samples > 0 {
            mean = min(classes[smaller].mean << (sizeClass - smaller), Self.sampleMax)
            break
        }
        if sizeClass < classes.count,
            let larger = classes[sizeClass...].first(where: { $0.samples > 0 })
        {
            mean = min(mean, larger.mean)
        }
        return mean == .max ? 0 : mean
    }

    /// What a batch of that size may be expected to take; nothing if nobody can say.
    ///
    /// A size that was not measured often enough takes what the next smaller one takes: it is not
    /// quicker.
    func work(of model: Int, rows: Int = 1, now: Moment) -> Work {
        guard model < self.models.count else { return Work() }
        let last = self.models[model].count - 1
        for sizeClass in stride(from: min(Self.sizeClass(rows), last), through: 0, by: -1)
        where self.models[model][sizeClass].samples >= Self.samplesMin {
            return self.work(of: self.models[model][sizeClass], now: now)
        }
        return Work()
    }

    private func work(of estimate: Estimate, now: Moment) -> Work {
        let age = now.nanoseconds - estimate.measured.nanoseconds
        let halfLife = max(Self.halfLife, 2 * estimate.mean)
        guard age >= halfLife else {
            return Work(mean: estimate.mean, deviation: estimate.deviation)
        }
        // A shift by more than there are bits gives 0.
        let halvings = age / halfLife
        return Work(mean: estimate.mean >> halvings, deviation: estimate.deviation >> halvings)
    }

    /// What executions one after another take together: a sum of estimates.
    struct Work: Sendable {
        /// In nanoseconds.
        private(set) var mean: Int64 = 0
        /// Square nanoseconds. Deviations of single executions cancel out in part.
        private var variance: Double = 0

        init(mean: Int64 = 0, deviation: Int64 = 0) {
            self.mean = mean
            self.variance = Double(deviation) * Double(deviation)
        }

        /// It hardly takes less: two deviations below the mean. For models whose executions differ
        /// much that is nothing, and so nothing is refused on a guess.
        var least: Int64 {
            max(self.mean - Int64(2 * self.variance.squareRoot()), 0)
        }

        /// So many such executions one after another.
        func times(_ count: Int) -> Work {
            var work = self
            work.mean *= Int64(count)
            work.variance *= Double(count)
            return work
        }

        /// A part of it.
        func scaled(by factor: Double) -> Work {
            var work = self
            work.mean = Int64(Double(self.mean) * factor)
            work.variance *= factor
            return work
        }

        /// It hardly takes more: two deviations above the mean.
        var most: Int64 { self.mean + Int64(2 * self.variance.squareRoot()) }

        static func += (left: inout Work, right: Work) {
            left.mean += right.mean
            left.variance += right.variance
        }

        static func -= (left: inout Work, right: Work) {
            left.mean -= right.mean
            left.variance = max(left.variance - right.variance, 0)
        }
    }
}
