internal import Glibc
internal import RoostWire

/// How long a worker takes for a model's requests, as this client sees it: a moving mean over the
/// last 32 answers, or those of the last 10 s if they are fewer.
///
/// Simulated (`PolicySimulation` in the tests), that is as good as the peak EWMA of Finagle's
/// `PeakEwma` load metric, which jumps up at once, or better, whether workers are equal, slow, freeze
/// or become slow now and then: a mean that jumps to the longest of answers that differ anyway
/// takes chance for slowness. That a worker has just become slow shows in the requests that it
/// has not answered, which the ``Picker`` counts too.
///
/// Requests are put into classes by their size, or a worker that was given large ones would look
/// like a slow one.
struct LatencyEstimate: Sendable {
    private struct Mean: Sendable {
        /// In nanoseconds; 0: not known.
        var value = 0.0
        var answers = 0.0
        /// When the last answer came.
        var updated = Moment(nanoseconds: 0)
    }

    /// How fast the past is forgotten, if answers are few.
    static let timeConstant: Duration = .seconds(10)
    /// How much an answer counts, if answers are many: 16 to 64 of them are equally good.
    private static let weightMin = 1.0 / 32
    private static let classCount = 10

    private var means = Array(repeating: Mean(), count: Self.classCount)
    /// When the last answer came, of any class.
    private(set) var updated = Moment(nanoseconds: 0)

    /// The class of a request with so many bytes of inputs: below 512, and each next one up to four
    /// times as many; the last begins at 32 MiB.
    static func sizeClass(_ byteCount: Int) -> Int {
        let steps = (Int.bitWidth - byteCount.leadingZeroBitCount - 8) / 2
        return min(max(steps, 0), Self.classCount - 1)
    }

    /// In nanoseconds; 0 if nothing is known of the class.
    func mean(_ sizeClass: Int) -> Double { self.means[sizeClass].value }

    /// In nanoseconds; of a class that is not known, what the nearest smaller or larger one says;
    /// 0 if nothing is known.
    func roughMean(_ sizeClass: Int) -> Double {
        if self.means[sizeClass].value > 0 { return self.means[sizeClass].value }
        for distance in 1..<Self.classCount {
            let below = sizeClass - distance
            if below >= 0, self.means[below].value > 0 { return self.means[below].value }
            let above = sizeClass + distance
            if above < Self.classCount, self.means[above].value > 0 {
                return self.means[above].value
            }
        }
        return 0
    }

    /// An answer took that long.
    mutating func add(_ latency: Duration, sizeClass: Int, now: Moment) {
        var mean = self.means[sizeClass]
        mean.answers += 1
        let forgotten = 1 - Self.rest(after: now - mean.updated)
        // The first answers count alike: one that was slow by chance must not stick.
        let weight = max(forgotten, 1 / mean.answers, Self.weightMin)
        let sample = Double(max(latency.nanoseconds, 1))
        mean.value += (sample - mean.value) * weight
        mean.updated = now
        self.means[sizeClass] = mean
        self.updated = now
    }

    /// The worker says itself how long it takes; believed until an answer has come.
    mutating func seed(_ service: Duration) {
        guard service > .zero, self.means.allSatisfy({ $0.value == 0 }) else { return }
        self.means[0].value = Double(service.nanoseconds)
    }

    /// There was no answer for that long: what is remembered counts less, so that a worker that is
    /// left because it was slow is tried again.
    mutating func fade(_ silence: Duration) {
        let rest = Self.rest(after: silence)
        for index in self.means.indices { self.means[index].value *= rest }
    }

    private static func rest(after age: Duration) -> Double {
        exp(-max(age.inSeconds, 0) / Self.timeConstant.inSeconds)
    }
}
