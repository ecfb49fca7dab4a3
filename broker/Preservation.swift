internal import RoostWire

/// Doubts its own ears when too many workers fall silent at once: then it is more likely that the
/// broker's network is cut than that they all died, and none is removed.
///
/// **When.** A lease whose time is up goes only if those that were silent for long enough to be
/// suspects now, and those that expired within the last ``Limits/window``, are together at most
/// ``Limits/share`` of the fleet, or ``Limits/floor``. With three workers one death is a third: the
/// floor lets it pass. Suspects count before their own time is up, so that when a network is cut the
/// first to run out is kept, too. The fleet is every lease that is held, suspects included, and what
/// expired within the window; what counts is the share of *that*, not of those that still beat, or
/// the silent ones would lower the bound by being silent.
///
/// **Until.** It ends when ``Limits/recovered`` of the leases held beat, and what is silent is no
/// longer too much; or after ``Limits/limit``. Leases held are those at that moment: a worker that
/// says good-bye is no longer among them, so a fleet that is shrunk on purpose neither begins it nor
/// keeps it up. A worker that drains is leaving on purpose as well: it is counted nowhere, and
/// expires as always.
///
/// **Then.** After a recovery those who are silent still have the time from suspect to expired once
/// more: when a network heals, not all beat in the same instant. The dead among them go when it has
/// passed. After the limit silence is taken for the truth, and they go at once, uncounted.
package struct Preservation: Sendable {
    package struct Limits: Hashable, Sendable {
        /// Which share of the fleet may expire within the window. 1: it never doubts.
        package var share = 0.15
        /// How many may in any case.
        package var floor = 2
        package var window: Duration = .seconds(30)
        /// Which share of the leases must beat for it to end.
        package var recovered = 0.85
        /// After this long it ends in any case. Zero: never.
        package var limit: Duration = .seconds(600)
        package init() {}

        /// Every problem of the limits, in words; empty if there is none.
        package func problems() -> [String] {
            var problems: [String] = []
            if !(0...1).contains(self.share) || !(0...1).contains(self.recovered) {
                problems.append("preserve-share and preserve-recovered must be 0 to 1")
            }
            if self.floor < 0 || self.window < .zero || self.limit < .zero {
                problems.append("preserve-floor, -window and -limit must not be negative")
            }
            return problems
        }
    }

    /// What is to be done with the leases whose time is up.
    enum Verdict: Hashable, Sendable {
        /// They expire.
        case expire
        /// They stay listed, as suspects.
        case keep
        /// So many beat again that all may be trusted: who is silent still has some time more.
        case recovered
        /// It has lasted long enough: who is silent is gone.
        case exhausted
    }

    private let limits: Limits
    /// Since when none is removed.
    private(set) var since: Moment?
    /// How many expired, and when, within the window; oldest first, one for each sweep at most.
    private var expired: [(at: Moment, count: Int)] = []

    init(limits: Limits) { self.limits = limits }

    /// Judges the leases whose time is up.
    ///
    /// - Parameters:
    ///   - due: how many there are, draining ones not counted, as below.
    ///   - silent: how many have been silent for long enough to be suspects, those due included.
    ///   - held: how many leases there are.
    mutating func judge(due: Int, silent: Int, held: Int, now: Moment) -> Verdict {
        self.expired.removeAll { now - $0.at >= self.limits.window }
        let gone = self.expired.reduce(0) { $0 + $1.count }
        let bound = max(Double(self.limits.floor), self.limits.share * Double(held + gone))
        let isTooMuch = Double(silent + gone) > bound
        guard let since else {
            guard due > 0, isTooMuch else { return .expire }
            self.since = now
            return .keep
        }
        if !isTooMuch, Double(held - silent) >= self.limits.recovered * Double(held) {
            self.since = nil
            return .recovered
        }
        guard self.limits.limit > .zero, now - since >= self.limits.limit else { return .keep }
        self.since = nil
        return .exhausted
    }

    /// That many leases expired.
    mutating func expired(_ count: Int, now: Moment) {
        if count > 0 { self.expired.append((now, count)) }
    }

    /// The broker itself slept that long: nothing is to run out by it.
    mutating func extend(by pause: Duration) {
        self.since = self.since.map { $0 + pause }
        self.expired = self.expired.map { ($0.at + pause, $0.count) }
    }
}
