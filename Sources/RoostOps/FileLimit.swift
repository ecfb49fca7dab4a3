internal import Glibc
package import Logging

/// How many files and connections this process may have open (`RLIMIT_NOFILE`).
package enum FileLimit {
    /// What a fleet of some size needs; libzmq spins when it can take no further connection.
    private static let comfortable = 2048

    /// Raises it to what the system allows, and warns if that is little.
    package static func raise(warning logger: Logger) {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return }
        if limit.rlim_cur < limit.rlim_max {
            var raised = limit
            raised.rlim_cur = limit.rlim_max
            if setrlimit(resource, &raised) == 0 { limit = raised }
        }
        guard limit.rlim_cur < Self.comfortable else { return }
        logger.warning(
            "few connections allowed: raise 'ulimit -n' to twice the number of workers and clients",
            metadata: ["limit": "\(limit.rlim_cur)"]
        )
    }
}
