/// What a scan of a repository found.
package struct ModelListing: Sendable, Hashable {
    /// Every version of every model that can be tried, sorted by name, then version.
    package var sources: [ModelSource]
    /// Everything that is not as it should be, one sentence each, in the order of the paths.
    package var problems: [String]

    package init(sources: [ModelSource] = [], problems: [String] = []) {
        self.sources = sources
        self.problems = problems
    }
}
