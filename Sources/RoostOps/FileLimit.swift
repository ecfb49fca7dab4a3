internal import Glibc
package import Logging

/// How many files and connections this process may have open (`RLIMIT_NOFILE`).
package enum FileLimit {
    /// How often what is open is counted.
    private static let interval: Duration = .seconds(1)
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

    /// Warns whenever what is open comes near the limit, until the task is cancelled.
    package static func watch(warning logger: Logger) async {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return }
        var alarm = FileAlarm(limit: Int(clamping: limit.rlim_cur))
        while !Task.isCancelled {
            if alarm.isRaised(by: self.open) {
                logger.warning(
                    "few descriptors left: raise 'ulimit -n', or find out who connects",
                    metadata: ["limit": "\(limit.rlim_cur)"]
                )
            }
            // Cancelled: the loop ends.
            try? await Task.sleep(for: Self.interval)
        }
    }

    /// How many files and connections are open; `nil` if there are too many to find out.
    private static var open: Int? {
        guard let directory = opendir("/proc/self/fd") else { return nil }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        // Less `.`, `..` and the one that was opened for this.
        return count - 3
    }
}
