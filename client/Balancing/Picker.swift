/// What a ``Picker`` wants to know of those it chooses from, by their positions in a fixed order.
protocol PickerCandidates {
    var count: Int { get }
    /// This client's requests that it has; `nil` if it can take none.
    func outstanding(_ position: Int) -> Int?
    /// How long it takes for requests of that size, in any unit; 0 if it has answered none.
    func latency(_ position: Int) -> Double
    /// How long it takes for those whose size is nearest; 0 if it has answered none at all.
    func roughLatency(_ position: Int) -> Double
    /// How many requests it executes at once.
    func slots(_ position: Int) -> Int
    /// Its name's hash (``Rendezvous/hash(_:)``).
    func hash(_ position: Int) -> UInt64
}

/// Chooses a worker for a request.
///
/// A value without clock or chance: the lots that it draws come from the seed it was given.
struct Picker: Sendable {
    private let policy: BalancingPolicy.Kind
    private var last = -1
    private var lots: UInt64

    /// How far above the mean a worker's load may be before ``BalancingPolicy/affinity`` passes it
    /// over: "consistent hashing with bounded loads" (V. Mirrokni, M. Thorup, M. Zadimoghaddam,
    /// 2016) calls it 1 + ε, and finds 1.25 to 2 good.
    static let loadBound = 1.25

    init(_ policy: BalancingPolicy = .rotate, seed: UInt64 = 0) {
        self.policy = policy.kind
        self.lots = seed
    }

    /// The position of the chosen candidate; `nil` if none can take a request.
    ///
    /// - Parameter key: the hash of the request's affinity key, if it has one.
    mutating func pick(from candidates: some PickerCandidates, key: UInt64? = nil) -> Int? {
        guard candidates.count > 0 else { return nil }
        switch self.policy {
        case .rotate: return self.rotate(candidates)
        case .rotateStrict: return self.rotateStrictly(candidates)
        case .random: return self.draw(candidates)
        case .adaptive: return self.adapt(candidates)
        case .affinity:
            guard let key else { return self.rotate(candidates) }
            return Self.responsible(candidates, key)
        }
    }

    /// Workers are taken in turn, beginning after the last one chosen; of those with credit, the
    /// first with the fewest of our own requests outstanding. Among equal workers that is
    /// round-robin; one that answers more slowly gets fewer (PROTOCOL.md §2).
    private mutating func rotate(_ candidates: some PickerCandidates) -> Int? {
        let count = candidates.count
        var best: Int?
        var fewest = Int.max
        for step in 1..<(count + 1) {
            let position = (self.last + step) % count
            guard let requests = candidates.outstanding(position), requests < fewest else {
                continue
            }
            best = position
            fewest = requests
            if requests == 0 { break }
        }
        if let best { self.last = best }
        return best
    }

    private mutating func rotateStrictly(_ candidates: some PickerCandidates) -> Int? {
        let count = candidates.count
        for step in 1..<(count + 1) {
            let position = (self.last + step) % count
            guard candidates.outstanding(position) != nil else { continue }
            self.last = position
            return position
        }
        return nil
    }

    private mutating func draw(_ candidates: some PickerCandidates) -> Int? {
        var able = 0
        for position in 0..<candidates.count where candidates.outstanding(position) != nil {
            able += 1
        }
        guard able > 0 else { return nil }
        var lot = Int(truncatingIfNeeded: self.nextLot() % UInt64(able))
        for position in 0..<candidates.count where candidates.outstanding(position) != nil {
            if lot == 0 { return position }
            lot -= 1
        }
        return nil
    }

    /// The least latency x (outstanding / slots + 1), in turn among equals. All are looked at: with
    /// the few dozens that one client is linked to, that beats two drawn at random (PROTOCOL.md
    /// §2.1).
    private mutating func adapt(_ candidates: some PickerCandidates) -> Int? {
        let count = candidates.count
        // Who has not answered any request of that size is taken to be as fast as the fastest that
        // has. By what it does with small ones it would be given all the large ones.
        var fastest = Self.fastest(count, candidates.latency)
        let isRough = fastest == nil
        if isRough { fastest = Self.fastest(count, candidates.roughLatency) }
        let assumed = fastest ?? 1
        var best: Int?
        var least = Double.infinity
        for step in 1..<(count + 1) {
            let position = (self.last + step) % count
            guard let requests = candidates.outstanding(position) else { continue }
            let latency =
                isRough ? candidates.roughLatency(position) : candidates.latency(position)
            let rounds = Double(requests) / Double(max(candidates.slots(position), 1)) + 1
            let score = (latency > 0 ? latency : assumed) * rounds
            guard score < least else { continue }
            best = position
            least = score
        }
        if let best { self.last = best }
        return best
    }

    private static func fastest(_ count: Int, _ latency: (Int) -> Double) -> Double? {
        var fastest: Double?
        for position in 0..<count {
            let latency = latency(position)
            if latency > 0, latency < fastest ?? .infinity { fastest = latency }
        }
        return fastest
    }

    /// The key's worker, or the next one that has not more than its share.
    private static func responsible(_ candidates: some PickerCandidates, _ key: UInt64) -> Int? {
        var total = 0
        var able = 0
        for position in 0..<candidates.count {
            guard let requests = candidates.outstanding(position) else { continue }
            total += requests
            able += 1
        }
        guard able > 0 else { return nil }
        // This request is counted too, so the bound is 1 at least.
        let bound = (Double(total + 1) / Double(able) * Self.loadBound).rounded(.up)
        var best: Int?
        var heaviest: UInt64 = 0
        for position in 0..<candidates.count {
            guard let requests = candidates.outstanding(position), Double(requests) < bound else {
                continue
            }
            let weight = Rendezvous.weight(candidates.hash(position), key)
            guard best == nil || weight > heaviest else { continue }
            best = position
            heaviest = weight
        }
        return best
    }

    /// splitmix64: 64 bits of state, which a choice does not notice.
    private mutating func nextLot() -> UInt64 {
        self.lots &+= 0x9e37_79b9_7f4a_7c15
        return Rendezvous.weight(self.lots, 0)
    }
}
