package import RoostWire

/// The ways to the versions of one model that serve, or would if they were asked for.
struct ModelRoute: Sendable {
    let name: [UInt8]
    /// Where requests go that name neither version nor label: to the version labelled `stable`, else
    /// the highest.
    private let byDefault: Int
    /// Ascending; those without a place are loaded on demand.
    private let versions: [(version: UInt32, place: Int?)]
    private let labels: [(label: [UInt8], index: Int)]

    /// - Parameter versions: ascending, at least one.
    init(
        _ name: String,
        versions: [(version: UInt32, place: Int?)],
        labels: [String: UInt32]
    ) {
        func index(of version: UInt32) -> Int? { versions.firstIndex { $0.version == version } }
        self.name = Array(name.utf8)
        self.versions = versions
        self.labels = labels.sorted { $0.key < $1.key }.compactMap { label, version in
            index(of: version).map { (Array(label.utf8), $0) }
        }
        let stable = labels[ModelConfiguration.defaultLabel].flatMap(index(of:))
        self.byDefault = stable ?? versions.count - 1
    }

    /// The version that is meant, where it is executed if it is loaded.
    func version(
        _ version: UInt32,
        label: UnsafeRawBufferPointer
    ) -> (version: UInt32, place: Int?)? {
        if version != 0 { return self.versions.first { $0.version == version } }
        guard label.count > 0 else { return self.versions[self.byDefault] }
        return self.labels.first { $0.label.elementsEqual(label) }.map { self.versions[$0.index] }
    }
}

extension ModelTable {
    /// The place of the model that a request asks for: by version, or by label, or by neither (0 and
    /// empty); of both the version counts. `nil` if that does not serve.
    package func place(
        of name: UnsafeRawBufferPointer,
        version: UInt32,
        label: UnsafeRawBufferPointer
    ) -> Int? {
        self.version(of: name, version: version, label: label)?.place
    }

    /// The version that a request asks for, though it may not be loaded.
    func version(
        of name: UnsafeRawBufferPointer,
        version: UInt32,
        label: UnsafeRawBufferPointer
    ) -> (version: UInt32, place: Int?)? {
        for index in self.routes.indices where self.routes[index].name.count == name.count {
            guard self.routes[index].name.elementsEqual(name) else { continue }
            return self.routes[index].version(version, label: label)
        }
        return nil
    }

    /// The description of the version that is asked for: as it is, or was when it was loaded last.
    func description(_ describe: Describe) -> ModelDescription? {
        var (name, label) = (describe.model, describe.label)
        let meant = name.withUTF8 { name in
            label.withUTF8 { label in
                self.version(
                    of: UnsafeRawBufferPointer(name),
                    version: describe.version,
                    label: UnsafeRawBufferPointer(label)
                )
            }
        }
        guard let meant else { return nil }
        if let place = meant.place { return self.model(at: place).description }
        let entry = self[Key(name: name, version: meant.version)]
        guard let loaded = entry?.loaded, loaded.stamp == entry?.stamp else { return nil }
        return loaded.description
    }

    /// Why ``place(of:version:label:)`` found nothing.
    package func problem(
        with name: String,
        version: UInt32,
        label: String,
        worker: String
    ) -> String {
        let serving = (self.entries[name] ?? [:]).sorted { $0.key < $1.key }
            .filter { $0.value.place != nil || $0.value.isOffered }.map(\.key)
        guard !serving.isEmpty else {
            let reason = self.entries[name]?.sorted { $0.key < $1.key }
                .compactMap(\.value.lackOfRoom).last
            return "worker '\(worker)' does not serve model '\(name)'"
                + (reason.map { ": \($0)" } ?? "")
        }
        let known = serving.map(String.init).joined(separator: ", ")
        if version != 0 {
            return "model '\(name)' has no version \(version) here; it has \(known)"
        }
        guard let configured = self.configurations[name]?.labels[label] else {
            return "model '\(name)' has no label '\(label)' here; it has version \(known)"
        }
        return "label '\(label)' of model '\(name)' names version \(configured), which does not "
            + "serve here"
    }

    /// How far every version has come, by name and version.
    ///
    /// - Parameter name: of one model; empty: of all.
    package func states(of name: String = "") -> [ModelState] {
        let names = name.isEmpty ? self.entries.keys.sorted() : [name]
        return names.flatMap { name in
            (self.entries[name] ?? [:]).sorted { $0.key < $1.key }.map { version, entry in
                ModelState(
                    name: name,
                    version: version,
                    state: self.state(Key(name: name, version: version), entry),
                    labels: (self.labels[name] ?? [:]).filter { $0.value == version }.keys.sorted(),
                    reason: entry.place.flatMap { self.slots[$0].outage } ?? entry.reason ?? "",
                    engine: self.engine(entry)
                )
            }
        }
    }

    /// What executes it or, if it is loaded when it is asked for, executed it the last time.
    private func engine(_ entry: Entry) -> String {
        let description =
            entry.place.map { self.slots[$0].model?.description }
            ?? (entry.isOffered ? entry.loaded?.description : nil)
        return description?.engine ?? ""
    }

    private func state(_ key: Key, _ entry: Entry) -> ModelState.State {
        if let place = entry.place { return self.slots[place].outage == nil ? .ready : .failed }
        if entry.ticket != nil { return .loading }
        if self.isRetiring(key) { return .retiring }
        if entry.order == .unload { return .unloaded }
        if entry.reason != nil { return .failed }
        return entry.isSettled ? .available : .settling
    }
}
