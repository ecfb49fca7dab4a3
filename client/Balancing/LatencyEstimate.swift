internal import Glibc
internal import RoostWire

/// How long a worker takes for a model's requests, as this client sees it: a moving mean that jumps
/// up at once and comes down slowly (peak EWMA).
///
/// A worker that has become slow is left at once, and tried again when its memory has faded: the
/// owner calls ``fade(_:)`` for those that have had no answer for a while. The idea and the time
/// constant are those of Finagle's `PeakEwma` load metric.
///
/// Requests are put into classes by their size, or a worker that was given large ones would look
/// like a slow one.
struct LatencyEstimate: Sendable {
    /// How fast the past is forgotten.
    static let timeConstant: Duration = .seconds(10)
    private static let classCount = 8

    /// In nanoseconds, by size class; 0: not known.
    private var means: [Double] = Array(repeating: 0, count: Self.classCount)
    /// When the last answer came.
    private(set) var updated = Moment(nanoseconds: 0)

    /// The class of a request with so many bytes of inputs: four sizes to a step, from 256 bytes.
    static func sizeClass(_ byteCount: Int) -> Int {
        let steps = (Int.bitWidth - byteCount.leadingZeroBitCount - 8) / 2
        return min(max(steps, 0), Self.classCount - 1)
    }

    /// In nanoseconds; of a class that is not known, what the nearest smaller or larger one says;
    /// 0 if nothing is known.
    func mean(_ sizeClass: Int) -> Double {
        if self.means[sizeClass] > 0 { return self.means[sizeClass] }
        for distance in 1..<Self.classCount {
            let below = sizeClass - distance
            if below >= 0, self.means[below] > 0 { return self.means[below] }
            let above = sizeClass + distance
            if above < Self.classCount, self.means[above] > 0 { return self.means[above] }
        }
        return 0
    }

    /// An answer took that long.
    mutating func add(_ latency: Duration, sizeClass: Int, now: Moment) {
        let sample = Double(max(latency.nanoseconds, 1))
        let mean = self.means[sizeClass]
        if mean == 0 || sample >= mean {
            self.means[sizeClass] = sample
        } else {
            let weight = Self.weight(of: now - self.updated)
            self.means[sizeClass] = mean * weight + sample * (1 - weight)
        }
        self.updated = now
    }

    /// The worker says itself how long it takes; believed until an answer has come.
    mutating func seed(_ service: Duration) {
        guard service > .zero, self.means.allSatisfy({ $0 == 0 }) else { return }
        self.means[0] = Double(service.nanoseconds)
    }

    /// There was no answer for that long.
    mutating func fade(_ silence: Duration) {
        let weight = Self.weight(of: silence)
        for index in self.means.indices { self.means[index] *= weight }
    }

    private static func weight(of age: Duration) -> Double {
        exp(-max(age.inSeconds, 0) / Self.timeConstant.inSeconds)
    }
}
