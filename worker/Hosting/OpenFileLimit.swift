internal import Glibc

/// How many files and connections the process may have open (`RLIMIT_NOFILE`).
enum OpenFileLimit {
    /// What a fleet of some size needs; libzmq spins when it can take no further connection.
    static let comfortable = 2_048

    /// Raises it to what the system allows.
    ///
    /// - Returns: what it is then.
    static func raise() -> Int {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return .max }
        if limit.rlim_cur < limit.rlim_max {
            var raised = limit
            raised.rlim_cur = limit.rlim_max
            if setrlimit(resource, &raised) == 0 { limit = raised }
        }
        return Int(clamping: limit.rlim_cur)
    }
}
