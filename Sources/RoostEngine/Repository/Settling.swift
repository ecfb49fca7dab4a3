package import RoostWire

/// Tells versions whose copy is complete from those that are still being written.
///
/// A copy is complete when none of its files has changed for ``settleTime``, or when it was renamed
/// into place in one step. What is there when the worker starts counts as complete: a copy that was
/// not fails to load, and is tried again when it has changed and settled.
///
/// A value: it is shown scans and told the time.
package struct Settling: Sendable {
    private struct Version: Sendable {
        var stamp: UInt64
        var since: Moment
        var isSettled: Bool
    }

    private struct Key: Hashable {
        let name: String
        let version: UInt32

        init(_ source: ModelSource) {
            self.name = source.name
            self.version = source.version
        }
    }

    package let settleTime: Duration
    private var versions: [Key: Version] = [:]
    private var hasScanned = false

    package init(settleTime: Duration) { self.settleTime = settleTime }

    /// When the next version may have settled; never if none is waited for.
    package var deadline: Moment {
        self.versions.values.filter { !$0.isSettled }.map { $0.since + self.settleTime }.min()
            ?? .never
    }

    /// A scan has been made.
    ///
    /// - Parameter isRenamed: whether that version, or the whole model, was renamed into place since
    ///   the last scan.
    /// - Returns: for each of the scan's versions whether it has settled.
    package mutating func observe(
        _ found: [ModelListing.Version],
        now: Moment,
        isRenamed: (ModelSource) -> Bool = { _ in false }
    ) -> [Bool] {
        var seen: [Key: Version] = [:]
        let settled = found.map { found in
            let key = Key(found.source)
            var version =
                self.versions[key]
                ?? Version(stamp: found.stamp, since: now, isSettled: !self.hasScanned)
            if version.stamp != found.stamp {
                version = Version(stamp: found.stamp, since: now, isSettled: false)
            }
            if isRenamed(found.source) || now - version.since >= self.settleTime {
                version.isSettled = true
            }
            seen[key] = version
            return version.isSettled
        }
        self.versions = seen
        self.hasScanned = true
        return settled
    }
}
