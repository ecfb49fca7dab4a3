internal import Glibc
package import Logging

/// How many files and connections this process may have open (`RLIMIT_NOFILE`).
package enum FileLimit {
    /// What a fleet of some size needs; libzmq spins when it can take no further connection.
    private static let comfortable = 2048

    /// Raises it to what the system allows, and warns if that is little.
    package static func raise(warning logger: Logger) {
        guard var limit = Self.limit else { return }
        if limit.rlim_cur < limit.rlim_max {
            var raised = limit
            raised.rlim_cur = limit.rlim_max
            if setrlimit(Self.resource, &raised) == 0 { limit = raised }
        }
        guard limit.rlim_cur < Self.comfortable else { return }
        logger.warning(
            "few connections allowed: raise 'ulimit -n' to twice the number of workers and clients",
            metadata: ["limit": "\(limit.rlim_cur)"]
        )
    }

    /// From now on warns whenever what is open comes near the limit.
    ///
    /// On a thread of its own that only sleeps and counts: Dispatch, and with it `Task.sleep`, ends
    /// the process when it wants a descriptor for its timers and there is none.
    package static func watch(warning logger: Logger) {
        guard let limit = Self.limit else { return }
        let watch = Unmanaged.passRetained(
            Watch(alarm: FileAlarm(limit: Int(clamping: limit.rlim_cur)), logger: logger)
        )
        var thread = pthread_t()
        let status = pthread_create(
            &thread,
            nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Watch>.fromOpaque(argument).takeRetainedValue().run()
            },
            watch.toOpaque()
        )
        // Without the thread there is no warning; the program works.
        if status == 0 { pthread_detach(thread) } else { watch.release() }
    }

    /// What the watching thread has to itself.
    private final class Watch {
        private var alarm: FileAlarm
        private let logger: Logger

        init(alarm: FileAlarm, logger: Logger) {
            self.alarm = alarm
            self.logger = logger
        }

        func run() -> Never {
            while true {
                if self.alarm.isRaised(by: FileLimit.open) {
                    self.logger.warning(
                        "few descriptors left: raise 'ulimit -n', or find out who connects",
                        metadata: ["limit": "\(self.alarm.limit)"]
                    )
                }
                sleep(1)
            }
        }
    }

    private static let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)

    private static var limit: rlimit? {
        var limit = rlimit()
        return getrlimit(Self.resource, &limit) == 0 ? limit : nil
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
