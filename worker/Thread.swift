internal import CIsolation
package import Glibc

/// Starts threads of our own.
package enum Thread {
    /// The stack of a thread that executes models, in bytes. The engines' kernels want more than the
    /// 2 MiB that some systems give a thread.
    package static let executorStackBytes = 8 << 20

    private final class Body {
        let name: String
        let run: @Sendable () -> Void
        init(_ name: String, _ run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// Runs `body` on a new thread, to be joined with `pthread_join`; `nil` if the system refuses.
    ///
    /// Signals are blocked on it: they are for the main thread.
    ///
    /// - Parameters:
    ///   - name: what `top -H` and `perf` call it, in at most 15 bytes.
    ///   - stack: in bytes.
    package static func start(
        _ name: String,
        stack: Int,
        _ body: @escaping @Sendable () -> Void
    ) -> pthread_t? {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, stack)
        var blocked = sigset_t()
        var before = sigset_t()
        sigfillset(&blocked)
        // A new thread inherits the mask of the one that starts it.
        pthread_sigmask(SIG_BLOCK, &blocked, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(Body(name, body))
        let status = pthread_create(
            &thread,
            &attributes,
            { argument in
                guard let argument else { return nil }
                let body = Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
                _ = roost_thread_name(body.name)
                body.run()
                return nil
            },
            argument.toOpaque()
        )
        guard status == 0 else {
            argument.release()
            return nil
        }
        return thread
    }
}
