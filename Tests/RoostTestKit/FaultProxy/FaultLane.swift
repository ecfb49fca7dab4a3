internal import RoostWire

/// One way of a proxied connection: bytes that wait until the faults let them go.
///
/// A value without socket or clock; the owner says what came and what went.
struct FaultLane: Sendable {
    private struct Chunk {
        var bytes: ArraySlice<UInt8>
        /// When it is there.
        let due: Moment
    }

    /// What may wait here before the sender is held up: 50 ms at 160 MB/s.
    static let bytesMax = 8 << 20
    /// Without slices a write is bounded by what is read at once.
    static let readBytes = 64 << 10
    /// How far a rate may run ahead, so that it is not bound by how often the owner wakes.
    private static let burst: Duration = .milliseconds(5)

    private var chunks = Ring<Chunk>()
    private var first: Chunk?
    private var lastDue = Moment(nanoseconds: 0)
    /// When rate and gap let the next byte go.
    private var free = Moment(nanoseconds: 0)
    /// How many bytes wait.
    private(set) var waiting = 0
    /// How many went.
    private(set) var passed = 0
    /// The sender has said that nothing follows.
    private(set) var isEnded = false

    /// Whether the owner shall read more.
    func hasRoom(_ path: Faults.Path) -> Bool {
        !self.isEnded && !path.isBlackHole && self.waiting < Self.bytesMax
    }

    /// Everything that came has gone, and nothing follows.
    var isFinished: Bool { self.isEnded && self.first == nil }

    /// Whether a byte more would be one too many.
    func isOver(_ path: Faults.Path) -> Bool { path.bytesMax.map { self.passed >= $0 } ?? false }

    /// Bytes came.
    ///
    /// - Parameter jitter: from -1 to 1.
    mutating func received(
        _ bytes: ArraySlice<UInt8>,
        path: Faults.Path,
        now: Moment,
        jitter: Double
    ) {
        let delay = max(.zero, path.latency + path.jitter * jitter)
        self.lastDue = max(self.lastDue, now + delay)
        let chunk = Chunk(bytes: bytes, due: self.lastDue)
        self.waiting += bytes.count
        if self.first == nil { self.first = chunk } else { self.chunks.append(chunk) }
    }

    /// The sender's end came.
    mutating func ended() { self.isEnded = true }

    /// When ``next(path:now:)`` may have something; `never` if more must come first.
    func deadline(_ path: Faults.Path) -> Moment {
        guard let first, !path.isBlackHole else { return .never }
        return max(first.due, self.free)
    }

    /// What may go now; `nil` if nothing.
    func next(path: Faults.Path, now: Moment) -> ArraySlice<UInt8>? {
        guard let first, !self.isOver(path), now >= self.deadline(path) else { return nil }
        var most = min(path.sliceBytes ?? first.bytes.count, first.bytes.count)
        if let bytesMax = path.bytesMax { most = min(most, bytesMax - self.passed) }
        // Small pieces, so that a slow line is slow all the time.
        if let rate = path.bytesPerSecond { most = min(most, max(1, rate / 100)) }
        return first.bytes.prefix(most)
    }

    /// Some of ``next(path:now:)`` went.
    mutating func sent(_ count: Int, path: Faults.Path, now: Moment) {
        guard count > 0 else { return }
        self.waiting -= count
        self.passed += count
        if let rate = path.bytesPerSecond {
            let time = Duration.nanoseconds(Int64(Double(count) / Double(rate) * 1e9))
            self.free = max(self.free, now + (.zero - Self.burst)) + time
        }
        if path.sliceGap > .zero { self.free = max(self.free, now + path.sliceGap) }
        self.first?.bytes.removeFirst(count)
        if self.first?.bytes.isEmpty == true { self.first = self.chunks.popFirst() }
    }
}
