/// Which of a model's versions are to be served, of those that are there.
///
/// A value; it knows nothing of how far their loading has come. Versions that are known to be broken
/// are not shown to it: with `.latest(1)` the highest version that works is served.
package enum VersionPolicy: Hashable, Sendable {
    /// The highest so many. `.latest(1)` is the default, as TensorFlow Serving and Triton have it.
    case latest(Int)
    /// Every one.
    case all
    /// Those, as far as they are there.
    case specific([UInt32])

    /// The versions to serve, ascending and each once, of those present, in whatever order.
    package func served(of present: some Collection<UInt32>) -> [UInt32] {
        let sorted = Set(present).sorted()
        switch self {
        case .latest(let count): return sorted.suffix(max(count, 0))
        case .all: return sorted
        case .specific(let versions): return sorted.filter(Set(versions).contains)
        }
    }

    /// Every problem of the policy, in words; empty if there is none.
    package func problems() -> [String] {
        let versionsMax = ModelRepository.versionsMax
        switch self {
        case .latest(let count):
            return (1...versionsMax).contains(count)
                ? [] : ["the number of latest versions must be 1 to \(versionsMax), not \(count)"]
        case .all:
            return []
        case .specific(let versions):
            var problems: [String] = []
            if versions.isEmpty { problems.append("no version is named") }
            if versions.count > versionsMax {
                problems.append(
                    "\(versions.count) versions are named; a model has at most \(versionsMax)"
                )
            }
            if versions.contains(0) {
                problems.append("version 0 is named; a version is 1 or more")
            }
            if Set(versions).count < versions.count {
                problems.append("a version is named more than once")
            }
            return problems
        }
    }
}
