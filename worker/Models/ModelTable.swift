package import RoostEngine
package import RoostWire

/// Every version of every model that a worker knows of, and how far each has come: which are to be
/// loaded, which serve, and which leave.
///
/// ```
/// settling -> loading -> ready -> retiring (requests under way) -> gone
///                     \-> failed, until its files change or somebody orders it to be tried again
/// ```
///
/// The rules:
/// - The ``VersionPolicy`` chooses among the versions that are there, complete, and not known to be
///   broken. A version that a label names, or that was ordered, is wanted beside those.
/// - What is no longer wanted serves until what is wanted instead is ready. If that turns out to be
///   broken, the old one goes on serving.
/// - A version whose files have changed is loaded again; the old session serves until then.
/// - A version whose directory has vanished is retired, be it the last of its model.
/// - An order holds as long as the version's files are what they were.
/// - With a ``MemoryBudget`` what has no room is listed and loaded when it is asked for: see
///   `ModelTable+Memory`.
///
/// A value without clock, thread or file system: events go in, actions come out, and looking a
/// request's model up costs a comparison of names.
package struct ModelTable: Sendable {
    /// What the owner is to do, in this order.
    package enum Action: Sendable {
        /// Load and warm it on a thread of its own, then tell ``loaded(_:_:)`` or ``failed(_:_:)``.
        case load(ModelSource, ModelConfiguration, ticket: UInt64)
        /// The model is executed from now on, at that place.
        case open(LoadedModel, place: Int)
        /// No request for it is left; let its session go.
        case close(LoadedModel, place: Int)
        /// It came too late to be executed; let its session go.
        case discard(LoadedModel)
        /// ``records`` is another.
        case recordChanged
    }

    /// Why an order cannot be carried out.
    package struct OrderProblem: Error, Sendable {
        package let message: String
    }

    /// Which version of which model.
    struct Key: Hashable, Comparable, Sendable {
        let name: String
        let version: UInt32

        static func < (left: Key, right: Key) -> Bool {
            (left.name, left.version) < (right.name, right.version)
        }
    }

    /// What was ordered of a version, against or beyond the policy.
    enum Order: Hashable, Sendable {
        case load
        case unload
    }

    /// One version.
    struct Entry: Sendable {
        /// `nil`: it was given to the worker as it is, and is not loaded from a repository.
        var source: ModelSource?
        /// Its directory is there.
        var isPresent = true
        /// Its copy is complete.
        var isSettled = true
        var stamp: UInt64 = 0
        /// Why its directory cannot be loaded as it is.
        var fault: String?
        var order: Order?
        /// It is to be loaded again though nothing has changed.
        var mustReload = false
        /// Where it is executed, and what it was loaded from.
        var place: Int?
        var placeStamp: UInt64 = 0
        /// It is being loaded.
        var ticket: UInt64?
        /// Why it could not be loaded, and with which files.
        var failure: (stamp: UInt64, reason: String)?
        /// What its files hold together.
        var fileBytes = 0
        /// What it was when it was loaded last, and from which files.
        var loaded: Loaded?
        /// It is to be served, and is loaded only when somebody asks for it.
        var isOnDemand = false
        /// Since when somebody waits for it to be loaded.
        var demanded: Moment?
        /// ``failure`` is that there is too little memory, and always will be.
        var isTooLarge = false
        /// How often it went for another.
        var evictions: UInt32 = 0
        /// What was done for its requests before it went for another the last time, and what became of
        /// those that waited for it to be loaded.
        var former = ModelStatistics()

        /// Why it does not work, if that is so.
        var reason: String? {
            if self.isSettled, let fault { return fault }
            guard let failure, failure.stamp == self.stamp else { return nil }
            return failure.reason
        }

        /// Whether the policy may choose it.
        var isCandidate: Bool {
            guard self.isPresent, self.order != .unload else { return false }
            return self.place != nil || self.ticket != nil || self.isSettled && self.reason == nil
        }

        /// Whether it would have to be loaded, were it wanted.
        var isDue: Bool {
            guard self.source != nil, self.isPresent, self.isSettled, self.ticket == nil,
                self.reason == nil
            else { return false }
            return self.place == nil || self.placeStamp != self.stamp || self.mustReload
        }
    }

    /// What is remembered of a version that was loaded.
    struct Loaded: Sendable {
        let stamp: UInt64
        /// What it held in memory; 0 without a budget.
        let bytes: Int
        let signatureDigest: UInt64
        let description: ModelDescription
    }

    /// A place among the executors.
    struct Slot: Sendable {
        var model: LoadedModel?
        /// Its requests that were accepted and not yet answered.
        var requests = 0
        var isRetiring = false
        /// Why it does not serve for now, in words: the process that runs it has ended.
        var outage: String?
        /// What it holds in memory. This and what follows is kept only if there is a budget.
        var bytes = 0
        var loaded = Moment(nanoseconds: 0)
        var lastUse = Moment(nanoseconds: 0)
    }

    /// A load that was asked for.
    struct Load: Sendable {
        let key: Key
        let stamp: UInt64
        /// What it is thought to need, and whether others may go for it.
        let bytes: Int
        let mayEvict: Bool
    }

    var entries: [String: [UInt32: Entry]] = [:]
    var configurations: [String: ModelConfiguration] = [:]
    /// The version that each label names now: the configured one once that serves.
    var labels: [String: [String: UInt32]] = [:]
    var slots: [Slot] = []
    private var freePlaces: [Int] = []
    var loading: [UInt64: Load] = [:]
    private var lastTicket: UInt64 = 0
    private var mayHaveEmptied = false
    /// What may be loaded together; `nil`: everything.
    package let memory: MemoryBudget?
    /// When the latest event was; without a budget it does not matter.
    var now = Moment(nanoseconds: 0)
    /// Room was made, or is known to be too little: what was decided of other models may be wrong.
    var mustDecideAgain = false
    /// Something that is wanted now waits for room.
    var isShort = false
    /// When it is worth looking for room again though nothing has ended; see ``retry(now:)``.
    package internal(set) var memoryDeadline = Moment.never
    private(set) var routes: [ModelRoute] = []
    /// What the worker tells brokers that it serves.
    package private(set) var records: [ModelRecord] = []

    /// A table that knows of nothing yet.
    package init(memory: MemoryBudget? = nil) { self.memory = memory }

    /// A table of models that were loaded by somebody else, all of them ready.
    ///
    /// - Parameter labels: by the models' names: which label names which version.
    package init(models: [LoadedModel], labels: [String: [String: UInt32]] = [:]) {
        self.memory = nil
        for model in models.sorted(by: { ($0.name, $0.version) < ($1.name, $1.version) }) {
            let key = Key(name: model.name, version: model.version)
            self[key] = Entry(source: nil)
            self.take(model, for: key, stamp: 0, bytes: 0)
        }
        for (name, labels) in labels where self.entries[name] != nil {
            self.configurations[name, default: ModelConfiguration()].labels = labels
            self.moveLabels(of: name)
        }
        _ = self.publish()
    }

    subscript(key: Key) -> Entry? {
        get { self.entries[key.name]?[key.version] }
        set { self.entries[key.name, default: [:]][key.version] = newValue }
    }

    // MARK: What is executed

    /// The models that serve, by place; those that retire are among them.
    package var open: [(model: LoadedModel, place: Int)] {
        self.slots.indices.compactMap { place in self.slots[place].model.map { ($0, place) } }
    }

    /// The models that serve, by name and version.
    package var models: [LoadedModel] {
        self.entries.values.flatMap(\.values)
            .compactMap { $0.place.flatMap { self.slots[$0].model } }
            .sorted { ($0.name, $0.version) < ($1.name, $1.version) }
    }

    /// The models that serve, for a log: `digits/1,digits/2`.
    package var names: String {
        self.models.map { "\($0.name)/\($0.version)" }.joined(separator: ",")
    }

    /// The model at a place that a request was just given.
    func model(at place: Int) -> LoadedModel {
        guard let model = self.slots[place].model else {
            preconditionFailure("place \(place) was given to a request and has no model")
        }
        return model
    }

    /// A request for the model at that place is under way.
    mutating func began(_ place: Int) { self.slots[place].requests += 1 }

    /// A request has been answered, or will not be executed.
    mutating func ended(_ place: Int) {
        self.slots[place].requests -= 1
        if self.slots[place].isRetiring || self.isShort, self.slots[place].requests == 0 {
            self.mayHaveEmptied = true
        }
    }

    /// Whether ``sweep(now:)`` has something to do.
    var isToBeSwept: Bool { self.mayHaveEmptied }

    /// Closes what has retired and has no request left; costs nothing if there is none.
    mutating func sweep(now: Moment = Moment(nanoseconds: 0)) -> [Action] {
        guard self.mayHaveEmptied else { return [] }
        self.mayHaveEmptied = false
        var actions: [Action] = []
        for place in self.slots.indices { self.closeIfEmpty(place, &actions) }
        self.forget()
        return self.isShort ? actions + self.retry(now: now) : actions
    }

    /// Gives a loaded model a place, that of an earlier one if there is one free.
    @discardableResult
    private mutating func take(
        _ model: LoadedModel,
        for key: Key,
        stamp: UInt64,
        bytes: Int
    ) -> Int {
        let place = self.freePlaces.popLast() ?? self.slots.count
        if place == self.slots.count { self.slots.append(Slot()) }
        self.slots[place] = Slot(
            model: model,
            bytes: bytes,
            loaded: self.now,
            lastUse: self.now
        )
        self[key]?.place = place
        self[key]?.placeStamp = stamp
        self[key]?.isOnDemand = false
        self[key]?.demanded = nil
        return place
    }

    /// Nothing new is executed there; it is closed when the last request has been answered.
    func isRetiring(_ key: Key) -> Bool {
        self.slots.contains {
            $0.isRetiring && $0.model?.version == key.version && $0.model?.name == key.name
        }
    }

    mutating func retire(_ place: Int, _ actions: inout [Action]) {
        self.slots[place].isRetiring = true
        self.closeIfEmpty(place, &actions)
    }

    private mutating func closeIfEmpty(_ place: Int, _ actions: inout [Action]) {
        guard self.slots[place].isRetiring, self.slots[place].requests == 0,
            let model = self.slots[place].model
        else { return }
        self.slots[place] = Slot()
        self.freePlaces.append(place)
        actions.append(.close(model, place: place))
    }

    // MARK: Events

    /// The repository was looked at.
    package mutating func scanned(
        _ view: RepositoryView,
        now: Moment = Moment(nanoseconds: 0)
    ) -> [Action] {
        self.now = now
        self.configurations.merge(view.configurations) { _, new in new }
        var found: Set<Key> = []
        for version in view.versions {
            let key = Key(name: version.source.name, version: version.source.version)
            found.insert(key)
            var entry = self[key] ?? Entry(source: version.source, stamp: version.stamp)
            if entry.stamp != version.stamp || !entry.isPresent {
                entry.order = nil
                entry.mustReload = false
                entry.stamp = version.stamp
                entry.isSettled = false
                entry.former = ModelStatistics()
            }
            entry.source = version.source
            entry.isPresent = true
            entry.isSettled = entry.isSettled && self[key] != nil || version.isSettled
            entry.fault = version.fault
            entry.fileBytes = version.byteCount
            self[key] = entry
        }
        for (name, versions) in self.entries where !view.unknown.contains(name) {
            for (version, entry) in versions where entry.source != nil {
                let key = Key(name: name, version: version)
                guard !found.contains(key) else { continue }
                self[key]?.isPresent = false
                self[key]?.order = nil
                self[key]?.mustReload = false
                self[key]?.failure = nil
            }
        }
        return self.decide()
    }

    /// A load that was asked for has ended well.
    package mutating func loaded(
        _ model: LoadedModel,
        ticket: UInt64,
        now: Moment = Moment(nanoseconds: 0)
    ) -> [Action] {
        self.now = now
        guard let load = self.loading.removeValue(forKey: ticket) else { return [] }
        let (key, stamp) = (load.key, load.stamp)
        self[key]?.ticket = nil
        guard let entry = self[key], entry.isPresent, entry.order != .unload else {
            return [.discard(model)] + self.decide()
        }
        var actions: [Action] = []
        guard let bytes = self.settle(model, load, &actions) else {
            return actions + self.decide()
        }
        // It may have gone for the new one.
        let old = self[key]?.place
        let place = self.take(model, for: key, stamp: stamp, bytes: bytes)
        actions.append(.open(model, place: place))
        if stamp == entry.stamp {
            self[key]?.mustReload = false
            self[key]?.failure = nil
        }
        if let old {
            self[key]?.former = ModelStatistics()
            self.retire(old, &actions)
        }
        return actions + self.decide()
    }

    /// A load that was asked for has failed.
    package mutating func failed(
        _ reason: String,
        ticket: UInt64,
        now: Moment = Moment(nanoseconds: 0)
    ) -> [Action] {
        self.now = now
        guard let load = self.loading.removeValue(forKey: ticket) else { return [] }
        self[load.key]?.ticket = nil
        self[load.key]?.mustReload = false
        self[load.key]?.failure = (load.stamp, reason)
        self[load.key]?.isTooLarge = false
        return self.decide()
    }

    /// The process that runs a model has ended, or another one serves it again. While there is none
    /// the version is not announced; requests that come for it are told so when their turn comes.
    package mutating func changed(_ status: IsolationStatus, of model: LoadedModel) -> [Action] {
        guard let place = self.slots.firstIndex(where: { $0.model === model }) else { return [] }
        self.slots[place].outage = status.outage
        return self.publish() ? [.recordChanged] : []
    }

    /// Somebody orders versions of a model to be loaded, unloaded or loaded again.
    ///
    /// - Parameter version: 0 for all: then loading means that the policy decides again.
    package mutating func order(
        _ action: Control.Action,
        model name: String,
        version: UInt32,
        now: Moment = Moment(nanoseconds: 0)
    ) throws(OrderProblem) -> [Action] {
        self.now = now
        let present = (self.entries[name] ?? [:]).filter(\.value.isPresent)
        guard !present.isEmpty else {
            throw OrderProblem(message: "the repository has no model '\(name)'")
        }
        for number in version == 0 ? present.keys.sorted() : [version] {
            let key = Key(name: name, version: number)
            guard var entry = present[number] else {
                throw OrderProblem(
                    message: "model '\(name)' has no version \(version) in the repository; it has "
                        + present.keys.sorted().map(String.init).joined(separator: ", ")
                )
            }
            switch action {
            case .load:
                entry.order = version == 0 ? nil : .load
            case .reload:
                entry.mustReload = entry.place != nil
                if version != 0, entry.place == nil { entry.order = .load }
            case .unload:
                entry.order = .unload
                entry.mustReload = false
            }
            if action != .unload {
                // Whoever orders it says that its copy is complete.
                entry.isSettled = true
                entry.failure = nil
            }
            self[key] = entry
        }
        if action != .unload { self.demandAll(of: name, version: version) }
        return self.decide()
    }

    /// Whether a version of the model is being loaded, or still has requests to finish.
    ///
    /// - Parameter version: 0 for any.
    package func isBusy(_ name: String, version: UInt32) -> Bool {
        (self.entries[name] ?? [:]).contains { number, entry in
            (version == 0 || version == number)
                && (entry.ticket != nil || self.isRetiring(Key(name: name, version: number)))
        }
    }

    // MARK: Deciding

    /// Compares what there is with what is wanted.
    mutating func decide() -> [Action] {
        var actions: [Action] = []
        var wantedCount = 0
        self.beginToFill(&actions)
        repeat {
            self.mustDecideAgain = false
            wantedCount = 0
            for name in self.namesInOrder {
                self.decide(name, &wantedCount, &actions)
            }
        } while self.mustDecideAgain
        self.forget()
        if self.publish() { actions.append(.recordChanged) }
        return actions
    }

    private mutating func decide(_ name: String, _ count: inout Int, _ actions: inout [Action]) {
        self.moveLabels(of: name)
        for version in self.wanted(name).sorted() {
            count += 1
            let key = Key(name: name, version: version)
            guard self[key]?.isDue == true else { continue }
            guard count <= WireLimits.modelsMax else {
                let stamp = self[key]?.stamp ?? 0
                self[key]?.failure = (
                    stamp,
                    "it is one version too many: a worker serves at most \(WireLimits.modelsMax)"
                )
                continue
            }
            self.load(key, &actions)
        }
        // Broken ones are none that could be waited for.
        let wanted = self.wanted(name)
        for (version, entry) in self.entries[name] ?? [:]
        where entry.isOnDemand && !wanted.contains(version) {
            self.entries[name]?[version]?.isOnDemand = false
            self.entries[name]?[version]?.demanded = nil
        }
        let isWaiting = wanted.contains { self.entries[name]?[$0]?.ticket != nil }
        let isServed = wanted.contains { self.entries[name]?[$0]?.place != nil }
        for (version, entry) in self.entries[name] ?? [:] {
            guard let place = entry.place, !wanted.contains(version) else { continue }
            let isReplaced = !isWaiting && (isServed || !entry.isPresent)
            guard entry.order == .unload || isReplaced else { continue }
            self.entries[name]?[version]?.place = nil
            self.retire(place, &actions)
        }
        self.moveLabels(of: name)
    }

    private mutating func load(_ key: Key, _ actions: inout [Action]) {
        guard let mayEvict = self.makeRoom(for: key, &actions), let entry = self[key],
            let source = entry.source
        else { return }
        self.lastTicket += 1
        self.loading[self.lastTicket] = Load(
            key: key,
            stamp: entry.stamp,
            bytes: self.bytes(of: key),
            mayEvict: mayEvict
        )
        let ticket = self.lastTicket
        self[key]?.ticket = ticket
        let configuration = self.configurations[key.name] ?? ModelConfiguration()
        actions.append(.load(source, configuration, ticket: ticket))
    }

    /// The versions of a model that are to serve, as far as they are there.
    func wanted(_ name: String) -> Set<UInt32> {
        let entries = self.entries[name] ?? [:]
        let configuration = self.configurations[name] ?? ModelConfiguration()
        let candidates = entries.filter(\.value.isCandidate)
        var wanted = Set(configuration.versions.served(of: candidates.keys))
        for (version, entry) in candidates where entry.order == .load || entry.source == nil {
            wanted.insert(version)
        }
        // The version that a label named until now serves until the new one does.
        let named = Array(configuration.labels.values) + Array((self.labels[name] ?? [:]).values)
        for version in named where candidates[version] != nil { wanted.insert(version) }
        return wanted
    }

    /// Has each label name its configured version once that serves; until then it stays where it
    /// was.
    private mutating func moveLabels(of name: String) {
        let configured = self.configurations[name]?.labels ?? [:]
        guard !configured.isEmpty || self.labels[name] != nil else { return }
        func serves(_ version: UInt32) -> Bool {
            guard let entry = self.entries[name]?[version] else { return false }
            return entry.place != nil || entry.isOffered
        }
        var labels = (self.labels[name] ?? [:]).filter { label, version in
            configured[label] != nil && serves(version)
        }
        for (label, version) in configured where serves(version) { labels[label] = version }
        self.labels[name] = labels.isEmpty ? nil : labels
    }

    /// Forgets versions of which nothing is left.
    private mutating func forget() {
        for (name, versions) in self.entries {
            for (version, entry) in versions
            where !entry.isPresent && entry.place == nil && entry.ticket == nil {
                let key = Key(name: name, version: version)
                if !self.isRetiring(key) { self.entries[name]?[version] = nil }
            }
            guard self.entries[name]?.isEmpty == true else { continue }
            self.entries[name] = nil
            self.configurations[name] = nil
            self.labels[name] = nil
        }
    }

    /// Makes the routes and records anew, and says whether the records have changed.
    private mutating func publish() -> Bool {
        var routes: [ModelRoute] = []
        var records: [ModelRecord] = []
        for name in self.entries.keys.sorted() {
            let serving = (self.entries[name] ?? [:]).sorted { $0.key < $1.key }
                .filter { $0.value.place != nil || $0.value.isOffered }
                .map { (version: $0.key, place: $0.value.place) }
            guard !serving.isEmpty else { continue }
            let labels = self.labels[name] ?? [:]
            routes.append(ModelRoute(name, versions: serving, labels: labels))
            for (version, place) in serving where place.flatMap({ self.slots[$0].outage }) == nil {
                let named = labels.filter { $0.value == version }.keys.sorted()
                records.append(
                    ModelRecord(
                        name: name,
                        version: version,
                        signatureDigest: place.map { self.model(at: $0).signatureDigest }
                            ?? self.entries[name]?[version]?.loaded?.signatureDigest ?? 0,
                        labels: Array(named.prefix(WireLimits.labelsMax))
                    )
                )
            }
        }
        self.routes = routes
        guard records != self.records else { return false }
        self.records = records
        return true
    }
}
