package import RoostWire

/// The ways to the versions of one model that serve.
struct ModelRoute: Sendable {
    let name: [UInt8]
    /// Where requests go that name neither version nor label: to the version labelled `stable`, else
    /// the highest.
    private let byDefault: Int
    /// Ascending.
    private let versions: [(version: UInt32, place: Int)]
    private let labels: [(label: [UInt8], place: Int)]

    /// - Parameter versions: ascending, at least one.
    init(_ name: String, versions: [(UInt32, place: Int)], labels: [String: UInt32]) {
        self.name = Array(name.utf8)
        self.versions = versions.map { ($0.0, $0.place) }
        let places = Dictionary(uniqueKeysWithValues: versions.map { ($0.0, $0.place) })
        self.labels = labels.sorted { $0.key < $1.key }.compactMap { label, version in
            places[version].map { (Array(label.utf8), $0) }
        }
        let stable = labels[ModelConfiguration.defaultLabel].flatMap { places[$0] }
        self.byDefault = stable ?? versions[versions.count - 1].place
    }

    func place(version: UInt32, label: UnsafeRawBufferPointer) -> Int? {
        if version != 0 { return self.versions.first { $0.version == version }?.place }
        guard label.count > 0 else { return self.byDefault }
        return self.labels.first { $0.label.elementsEqual(label) }?.place
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
        for index in self.routes.indices where self.routes[index].name.count == name.count {
            guard self.routes[index].name.elementsEqual(name) else { continue }
            return self.routes[index].place(version: version, label: label)
        }
        return nil
    }

    /// Why ``place(of:version:label:)`` found nothing.
    package func problem(
        with name: String,
        version: UInt32,
        label: String,
        worker: String
    ) -> String {
        let serving = self.models.filter { $0.name == name }.map(\.version)
        guard !serving.isEmpty else { return "worker '\(worker)' does not serve model '\(name)'" }
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
                    reason: entry.reason ?? ""
                )
            }
        }
    }

    private func state(_ key: Key, _ entry: Entry) -> ModelState.State {
        if entry.place != nil { return .ready }
        if entry.ticket != nil { return .loading }
        if self.isRetiring(key) { return .retiring }
        if entry.order == .unload { return .unloaded }
        if entry.reason != nil { return .failed }
        return entry.isSettled ? .available : .settling
    }
}
