package import RoostWire

/// How long executions take of late, for each model and for all together.
///
/// A moving mean and a moving mean deviation, each execution counting for an eighth and for a
/// quarter: TCP's estimator of round trips (RFC 6298). Counted in executions and not in seconds, it
/// is a mean of as many values for a model that is asked once a minute as for one that is asked a
/// thousand times a second, follows a change within a dozen executions of either, and costs the hot
/// path shifts and no exponential.
///
/// What is refused because of an estimate is not executed, so the estimate is never corrected by
/// it. Therefore ``work(of:now:)`` believes only what was measured often enough, and believes it
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

    /// By the model's place in the worker's list.
    private var models: [Estimate] = []
    private var all = Estimate()

    package init() {}

    /// An execution has ended that took so many nanoseconds.
    ///
    /// `Duration` has 128 bits, of which each conversion pays a division: here it is a plain number.
    package mutating func record(nanoseconds: Int64, model: Int, now: Moment) {
        while self.models.count <= model { self.models.append(Estimate()) }
        // An execution takes a nanosecond at least: a mean of 0 says that there was none.
        let sample = min(max(nanoseconds, 1), Self.sampleMax)
        self.models[model].record(sample, now: now)
        self.all.record(sample, now: now)
    }

    /// The mean over all models, in nanoseconds; 0 before the first execution.
    package var mean: Int64 { self.all.mean }

    /// A model's mean, in nanoseconds; 0 before its first execution.
    package func mean(of model: Int) -> Int64 {
        model < self.models.count ? self.models[model].mean : 0
    }

    /// What an execution of the model may be expected to take; nothing if nobody can say.
    func work(of model: Int, now: Moment) -> Work {
        guard model < self.models.count, self.models[model].samples >= Self.samplesMin else {
            return Work()
        }
        let estimate = self.models[model]
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
