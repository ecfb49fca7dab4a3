package import RoostWire

// Time: silence, and what it means.

extension WorkerRegistry {
    /// Suspects and expires those who were silent. Call it after everything received was handled:
    /// a message that waits in the queue is a sign of life.
    ///
    /// At most ``Limits/suspectsPerSweep`` become suspects at once: when a large fleet is cut off,
    /// its broker goes on to answer others meanwhile.
    package mutating func sweep(now: Moment) -> [Change] {
        var changes: [Change] = []
        let due = self.overdue(now: now)
        let fallen = due.filter { self.leases[$0]?.isSilent == false }
        for slot in fallen.prefix(self.limits.suspectsPerSweep) {
            self.fallSilent(slot, now: now).map { changes.append($0) }
        }
        changes += self.endHolds(now: now)
        // How many have fallen silent decides whether any may expire, so none does before all of
        // them are counted. Whoever does so in the sweep in which it fell silent is told of once.
        if fallen.count <= self.limits.suspectsPerSweep {
            changes += self.expire(due.filter { self.pulses[$0].due <= now }, now: now)
        }
        self.prune(now: now)
        return changes.coalesced()
    }

    /// The broker itself slept that long: nobody's silence in that time counts.
    package mutating func extend(by pause: Duration, now: Moment) {
        let fresh = now + self.limits.suspectAfter
        let suspect = now + (self.limits.expireAfter - self.limits.suspectAfter)
        for slot in self.pulses.indices where self.pulses[slot].due != .never {
            // Who was heard since the broker woke has no silence to make up for.
            let isSilent = self.leases[slot]?.isSilent == true
            self.pulses[slot].due = min(self.pulses[slot].due + pause, isSilent ? suspect : fresh)
        }
        self.preservation.extend(by: pause)
    }

    private func overdue(now: Moment) -> [Int] {
        self.pulses.withUnsafeBufferPointer { pulses in
            var slots: [Int] = []
            for slot in pulses.indices where pulses[slot].due <= now { slots.append(slot) }
            return slots
        }
    }

    private mutating func fallSilent(_ slot: Int, now: Moment) -> Change? {
        let heard = self.pulses[slot].due + (.zero - self.limits.suspectAfter)
        self.pulses[slot].due = heard + self.limits.expireAfter
        return self.update(slot, now: now) { $0.isSilent = true }
    }

    private mutating func endHolds(now: Moment) -> [Change] {
        guard !self.held.isEmpty else { return [] }
        let over = self.held.filter { slot in
            self.leases[slot]?.heldUntil.map { $0 <= now } ?? true
        }
        self.held.removeAll(where: over.contains)
        return over.compactMap { slot in
            self.update(slot, now: now, endsHold: true) { $0.heldUntil = nil }
        }
    }

    /// Lets those go whose time is up, unless too many are silent.
    private mutating func expire(_ slots: [Int], now: Moment) -> [Change] {
        let draining = slots.filter { self.leases[$0]?.isDraining == true }
        let others = slots.filter { self.leases[$0]?.isDraining == false }
        var gone = draining
        switch self.preservation.judge(
            due: others.count,
            silent: self.silentCount,
            held: self.fleetCount,
            now: now
        ) {
        case .expire:
            gone += others
            self.preservation.expired(others.count, now: now)
        case .keep:
            for slot in others { self.pulses[slot].due = .never }
        case .recovered:
            let until = now + (self.limits.expireAfter - self.limits.suspectAfter)
            for slot in self.kept(or: others) { self.pulses[slot].due = until }
        case .exhausted:
            gone += self.kept(or: others)
        }
        return gone.compactMap { self.remove($0, why: .expired, now: now) }
    }

    /// The leases that were kept beyond their time, and those whose time is up now.
    private func kept(or due: [Int]) -> [Int] {
        self.leases.indices.filter { slot in
            self.leases[slot]?.isSilent == true && self.pulses[slot].due == .never
        } + due
    }
}
