package import RoostEngine
internal import RoostWire

/// What is configured of one model; the defaults are those of a model without configuration.
package struct ModelSettings: Hashable, Sendable {
    /// Which of its versions are served.
    package var versions = VersionPolicy.latest(1)
    /// Names for versions: `stable`, `canary`. A version that has one is served whatever the policy.
    package var labels: [String: UInt32] = [:]
    /// How its sessions are loaded.
    package var session: SessionOptions
    /// How its requests are executed.
    package var execution = ExecutionPolicy()

    package init(session: SessionOptions = SessionOptions()) { self.session = session }

    /// The label of the version that is asked for when a request names neither version nor label.
    package static let defaultLabel = "stable"

    /// Every problem of the settings, in words; empty if there is none.
    package func problems() -> [String] {
        var problems = self.versions.problems() + self.execution.problems()
        for label in self.labels.keys.sorted() {
            if label.isEmpty || label.utf8.count > WireLimits.labelBytesMax {
                problems.append("label '\(label)' must have 1 to \(WireLimits.labelBytesMax) bytes")
            }
        }
        for (version, labels) in Dictionary(grouping: self.labels.keys, by: { self.labels[$0] })
        where labels.count > WireLimits.labelsMax {
            problems.append(
                "version \(version ?? 0) has \(labels.count) labels; one has at most "
                    + "\(WireLimits.labelsMax)"
            )
        }
        return problems
    }

    /// Another whenever a loaded version would have to be loaded again to obey the settings.
    var loadingHash: UInt64 {
        var hasher = Hasher()
        hasher.combine(self.session)
        hasher.combine(self.execution)
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }
}

/// A model's configuration cannot be used.
package struct ModelSettingsProblem: Error, Sendable {
    /// One sentence, with file and line if there are any.
    package let message: String
    package init(_ message: String) { self.message = message }
}

/// Says what is configured of a model, given its name and its directory in the repository. It is
/// asked again at every scan, on a thread that may block.
package typealias ModelSettingsProvider =
    @Sendable (_ name: String, _ directory: String) throws(ModelSettingsProblem) -> ModelSettings
