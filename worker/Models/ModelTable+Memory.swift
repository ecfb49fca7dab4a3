internal import RoostWire

// What a memory budget adds. Versions that are to be served are in one of three states: loaded;
// being loaded; or on demand, which is: listed like those that are loaded, and loaded when somebody
// asks for them. At first everything is loaded that has room, pinned models before the others; after
// that only what is asked for, by a request, by an order, or because it replaces what serves. For
// such the least recently used go (MemoryBudget), and are on demand from then on.
//
// What a version needs is known when it has been loaded. Before, the size of its files stands for it.
// So versions are loaded one at a time, and one that turns out to have no room is let go again, and is
// known from then on.

extension ModelTable.Entry {
    /// Whether it is listed though it is not loaded.
    var isOffered: Bool { self.isOnDemand && self.place == nil && self.isCandidate }

    /// Why it can never be loaded, if that is for want of memory.
    var lackOfRoom: String? { self.isTooLarge ? self.reason : nil }
}

extension ModelTable {
    /// What became of a version that somebody waits for.
    enum DemandOutcome: Hashable, Sendable {
        case ready
        /// It is being loaded, or waits for room.
        case pending
        /// It will not be loaded; why, in words.
        case failed(String)
    }

    // MARK: Events

    /// A request came for a version that is listed and not loaded: it is loaded now, or as soon as
    /// there is room.
    ///
    /// - Returns: which version that is; `nil`: the request asks for none that is on demand.
    mutating func demand(
        _ name: UnsafeRawBufferPointer,
        version: UInt32,
        label: UnsafeRawBufferPointer,
        now: Moment
    ) -> (key: Key, actions: [Action])? {
        guard let meant = self.version(of: name, version: version, label: label),
            meant.place == nil
        else { return nil }
        let key = Key(name: String(decoding: name, as: UTF8.self), version: meant.version)
        guard let entry = self[key], entry.demanded == nil else { return (key, []) }
        self[key]?.demanded = now
        return (key, self.retry(now: now))
    }

    /// Nobody waits for the version any more: nothing goes for it.
    mutating func withdraw(_ key: Key) { self[key]?.demanded = nil }

    func outcome(of key: Key) -> DemandOutcome {
        guard let entry = self[key] else { return .failed("it is no longer in the repository") }
        if entry.place != nil { return .ready }
        if entry.isOffered || entry.ticket != nil { return .pending }
        return .failed(entry.reason ?? "it is no longer served")
    }

    /// Something has ended, or ``memoryDeadline`` has come: what waits for room may have it.
    mutating func retry(now: Moment) -> [Action] {
        self.now = now
        return self.decide()
    }

    /// A request for the model at that place has come.
    mutating func used(_ place: Int, now: Moment) { self.slots[place].lastUse = now }

    /// Versions of a model were ordered to be loaded: as if requests asked for them.
    mutating func demandAll(of name: String, version: UInt32) {
        guard self.memory != nil else { return }
        for wanted in self.wanted(name) where version == 0 || wanted == version {
            let key = Key(name: name, version: wanted)
            guard self[key]?.place == nil, self[key]?.demanded == nil else { continue }
            let now = self.now
            self[key]?.demanded = now
        }
    }

    // MARK: Statistics

    /// A version was closed that is still served, on demand: what was done for it is not forgotten.
    mutating func keep(_ statistics: ModelStatistics, of model: LoadedModel) {
        let key = Key(name: model.name, version: model.version)
        guard self[key]?.isOffered == true else { return }
        self[key]?.former.add(statistics)
    }

    /// A request that waited for a version was refused.
    mutating func refused(
        _ key: Key,
        _ reason: WritableKeyPath<ModelStatistics.Refusals, UInt64>
    ) {
        guard self[key] != nil else { return }
        self[key]?.former.refusals[keyPath: reason] += 1
    }

    /// The versions that are on demand, by name and version, and what was done for them.
    var offered: [(key: Key, statistics: ModelStatistics)] {
        guard self.memory != nil else { return [] }
        return self.entries.flatMap { name, versions in
            versions.filter(\.value.isOffered).map { version, entry in
                (Key(name: name, version: version), entry.former)
            }
        }
        .sorted { $0.0 < $1.0 }
    }

    /// What was done for a version before it was loaded the last time.
    func formerStatistics(of key: Key) -> ModelStatistics { self[key]?.former ?? ModelStatistics() }

    /// What a client is told of every version, in the order of ``states(of:)``.
    func answer(_ name: String) -> ModelStates {
        let states = self.states(of: name)
        guard self.memory != nil else { return ModelStates(states) }
        return ModelStates(
            states,
            memory: states.map { state in
                let key = Key(name: state.name, version: state.version)
                guard let entry = self[key] else { return ModelMemory() }
                var flags: ModelMemory.Flags = entry.isOffered ? .onDemand : []
                if self.isPinned(state.name) { flags.insert(.pinned) }
                return ModelMemory(
                    bytes: UInt64(self.bytes(of: key)),
                    evictions: entry.evictions,
                    flags: flags
                )
            }
        )
    }

    // MARK: Deciding

    /// The order in which models are given room: pinned ones, then what has been waited for the
    /// longest.
    var namesInOrder: [String] {
        let names = self.entries.keys.sorted()
        guard self.memory != nil else { return names }
        let order = names.map { name in
            (
                self.isPinned(name) ? 0 : 1,
                (self.entries[name] ?? [:]).values.compactMap(\.demanded).min() ?? .never, name
            )
        }
        return order.sorted { $0 < $1 }.map(\.2)
    }

    /// Before room is given: if there is less than before, as when a configuration has changed, some
    /// may have to go.
    mutating func beginToFill(_ actions: inout [Action]) {
        guard let memory else { return }
        self.isShort = false
        self.memoryDeadline = .never
        self.mustDecideAgain = false
        let room = memory.room(
            for: 0,
            among: self.holdings(),
            mayEvict: true,
            isLoaded: true,
            now: self.now
        )
        if case .afterEviction(let places) = room {
            for place in places { self.evict(place, &actions) }
        }
    }

    /// Makes room for a version that is to be loaded.
    ///
    /// - Returns: whether others may go for it; `nil`: it cannot be loaded now.
    mutating func makeRoom(for key: Key, _ actions: inout [Action]) -> Bool? {
        guard let memory, let entry = self[key] else { return false }
        let isReplacement = self.isServed(insteadOf: key)
        let mayEvict = entry.demanded != nil || isReplacement || self.isPinned(key.name)
        guard mayEvict || !entry.isOnDemand else { return nil }
        // When that load has ended it is decided again.
        guard self.loading.isEmpty else { return nil }
        let needed = self.bytes(of: key)
        let room = memory.room(
            for: needed,
            among: self.holdings(for: key),
            mayEvict: mayEvict,
            now: self.now
        )
        switch room {
        case .free: return mayEvict
        case .afterEviction(let places):
            for place in places { self.evict(place, &actions) }
            // What it is to replace may be among those: from now on requests wait for this one.
            if isReplacement, !self.isServed(insteadOf: key) { self[key]?.isOnDemand = true }
            return mayEvict
        case .later(let moment):
            self[key]?.isOnDemand = !isReplacement
            guard mayEvict else { return nil }
            self.isShort = true
            self.memoryDeadline = min(self.memoryDeadline, moment)
        case .never(let left): self.giveUp(key, needed, left: left)
        }
        return nil
    }

    /// A version is loaded, and what it holds is known: it stays if there is room for that.
    ///
    /// - Returns: what it holds; `nil`: it is let go.
    mutating func settle(_ model: LoadedModel, _ load: Load, _ actions: inout [Action]) -> Int? {
        guard let memory else { return 0 }
        let key = load.key
        let measured = max(model.memoryBytes ?? 0, self[key]?.fileBytes ?? 0)
        self[key]?.loaded = Loaded(
            stamp: load.stamp,
            bytes: measured,
            signatureDigest: model.signatureDigest,
            description: model.description
        )
        let needed = self.configurations[key.name]?.memoryBytes ?? measured
        // Loaded it is already: whatever may go for it goes now.
        let room = memory.room(
            for: needed,
            among: self.holdings(for: key),
            mayEvict: load.mayEvict,
            isLoaded: true,
            now: self.now
        )
        switch room {
        case .free: return needed
        case .afterEviction(let places):
            for place in places { self.evict(place, &actions) }
            return needed
        case .later:
            let isReplacement = self.isServed(insteadOf: key)
            self[key]?.isOnDemand = !isReplacement
        case .never(let left): self.giveUp(key, needed, left: left)
        }
        actions.append(.discard(model))
        return nil
    }

    private mutating func giveUp(_ key: Key, _ needed: Int, left: Int) {
        guard let memory, let stamp = self[key]?.stamp else { return }
        let pinned = left < memory.bytes ? ", of which pinned models leave \(ByteCount(left))" : ""
        self[key]?.failure = (
            stamp,
            "it needs \(ByteCount(needed)) of memory, and the budget is \(ByteCount(memory.bytes))"
                + pinned
        )
        self[key]?.isTooLarge = true
        self[key]?.mustReload = false
        self[key]?.demanded = nil
        self.mustDecideAgain = true
    }

    /// A version that is not in use goes.
    private mutating func evict(_ place: Int, _ actions: inout [Action]) {
        guard let model = self.slots[place].model else { return }
        let key = Key(name: model.name, version: model.version)
        if self[key]?.place == place {
            self[key]?.place = nil
            self[key]?.isOnDemand = true
            self[key]?.evictions += 1
            // What waits for room in its stead is asked for from now on.
            for version in self.wanted(model.name) {
                let successor = Key(name: model.name, version: version)
                if self[successor]?.place == nil, self[successor]?.ticket == nil {
                    self[successor]?.isOnDemand = true
                }
            }
        }
        self.retire(place, &actions)
        self.mustDecideAgain = true
    }

    /// Whether requests for a version go to another one, or to what it was loaded from before.
    private func isServed(insteadOf key: Key) -> Bool {
        if self[key]?.place != nil { return true }
        let wanted = self.wanted(key.name)
        return (self.entries[key.name] ?? [:]).contains { version, entry in
            entry.place != nil && !wanted.contains(version)
        }
    }

    private func isPinned(_ name: String) -> Bool {
        self.configurations[name]?.isPinned ?? false
    }

    /// What a version needs, as far as is known.
    func bytes(of key: Key) -> Int {
        guard let entry = self[key] else { return 0 }
        if let configured = self.configurations[key.name]?.memoryBytes { return configured }
        if let loaded = entry.loaded, loaded.stamp == entry.stamp { return loaded.bytes }
        return entry.fileBytes
    }

    /// What holds memory. What a version is to replace may go for it, though pinned, and last.
    func holdings(for key: Key? = nil) -> [MemoryBudget.Holding] {
        let loading = self.loading.values.map {
            MemoryBudget.Holding(
                bytes: self.configurations[$0.key.name]?.memoryBytes ?? $0.bytes,
                isPinned: self.isPinned($0.key.name)
            )
        }
        return loading
            + self.slots.enumerated().compactMap { place, slot in
                guard let model = slot.model else { return nil }
                let isOwn = model.name == key?.name
                return MemoryBudget.Holding(
                    place: place,
                    bytes: self.configurations[model.name]?.memoryBytes ?? slot.bytes,
                    loaded: slot.loaded,
                    lastUse: isOwn ? .never : slot.lastUse,
                    isInUse: slot.requests > 0,
                    isPinned: self.isPinned(model.name) && !isOwn
                )
            }
    }
}
