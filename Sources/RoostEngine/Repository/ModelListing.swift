/// What a scan of a repository found.
package struct ModelListing: Sendable, Hashable {
    /// One version's directory.
    package struct Version: Sendable, Hashable {
        package let source: ModelSource
        /// Another whenever the version's files are; see ``VersionStamp``.
        package let stamp: UInt64
        /// Why it cannot be loaded, one sentence; `nil` if it can be tried.
        package let fault: String?
        /// What its files hold together.
        package let byteCount: Int

        package init(
            source: ModelSource,
            stamp: UInt64,
            fault: String? = nil,
            byteCount: Int = 0
        ) {
            self.byteCount = byteCount
            self.source = source
            self.stamp = stamp
            self.fault = fault
        }
    }

    /// Every version of every model, sorted by name, then version.
    package var versions: [Version]
    /// Everything that is not as it should be, one sentence each, in the order of the paths. The
    /// versions' faults are among them.
    package var problems: [String]
    /// Models whose directories could not be read this time: what they have is not known.
    package var unreadable: Set<String> = []
    /// Whether the repository itself could be read.
    package var isReadable = true

    package init(versions: [Version] = [], problems: [String] = []) {
        self.versions = versions
        self.problems = problems
    }

    /// Every version that can be tried.
    package var sources: [ModelSource] {
        self.versions.filter { $0.fault == nil }.map(\.source)
    }
}
