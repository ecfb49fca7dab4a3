package import RoostEngine
internal import RoostWire

/// What a worker's ``ModelTable`` is told of a repository: a scan, which of its copies are complete,
/// and what is configured.
package struct RepositoryView: Hashable, Sendable {
    package struct Version: Hashable, Sendable {
        package let source: ModelSource
        package let stamp: UInt64
        package let isSettled: Bool
        package let fault: String?
        /// What its files hold together.
        package let byteCount: Int

        package init(
            _ source: ModelSource,
            stamp: UInt64 = 0,
            isSettled: Bool = true,
            fault: String? = nil,
            byteCount: Int = 0
        ) {
            self.byteCount = byteCount
            self.source = source
            self.stamp = stamp
            self.isSettled = isSettled
            self.fault = fault
        }
    }

    package var versions: [Version] = []
    package var configurations: [String: ModelConfiguration] = [:]
    /// Models of which nothing can be said this time: they stay as they are.
    package var unknown: Set<String> = []
    /// What people should hear of; faults of copies that are under way are not among it.
    package var problems: [String] = []

    package init() {}
}

extension RepositoryView {
    /// A scan with what is configured of the models that it found. Blocks on the file system.
    static func make(
        _ listing: ModelListing,
        isSettled: [Bool],
        in repository: ModelRepository,
        configuration provide: ModelConfigurationProvider
    ) -> RepositoryView {
        var view = RepositoryView()
        view.unknown = listing.unreadable
        var copying: Set<String> = []
        var misconfigured: [String: String] = [:]
        for name in Set(listing.versions.map(\.source.name)).sorted() {
            do throws(ModelProblems) {
                let configuration = try provide("\(repository.directory)/\(name)")
                let present = listing.versions.filter { $0.source.name == name }
                view.problems += configuration.problems(versions: present.map(\.source.version))
                view.configurations[name] = configuration
            } catch {
                misconfigured[name] = error.message
                view.problems += error.problems
            }
        }
        for (found, isSettled) in zip(listing.versions, isSettled) {
            if !isSettled, let fault = found.fault { copying.insert(fault) }
            let name = found.source.name
            let configured =
                view.configurations[name]?.loadingHash ?? FNV1a(misconfigured[name] ?? "").value
            view.versions.append(
                Version(
                    found.source,
                    stamp: found.stamp ^ configured &* 0x9e37_79b9_7f4a_7c15,
                    isSettled: isSettled,
                    fault: found.fault ?? misconfigured[name],
                    byteCount: found.byteCount
                )
            )
        }
        view.problems = listing.problems.filter { !copying.contains($0) } + view.problems
        return view
    }
}
