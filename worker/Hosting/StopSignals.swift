internal import Glibc
internal import Synchronization

/// SIGTERM and SIGINT as requests to stop, in a program that may have done anything before: handlers
/// are installed, and taken away again.
///
/// Two are requests; a third ends the process as usual. There is one such object at a time, or the last
/// one gets the signals.
final class StopSignals: Sendable {
    private static let signals = [SIGTERM, SIGINT]

    /// What a handler may touch (signal-safety(7)). It lives as long as the process.
    private static let pending: Pending = Pending()

    /// `sem_post` may be called from anywhere: that is the promise behind `@unchecked Sendable`.
    private final class Pending: @unchecked Sendable {
        let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
        init() { sem_init(self.semaphore, 0, 0) }
    }

    private struct State {
        var before: [sigaction] = []
        var count = 0
        var isFinished = false
    }

    private let state = Mutex(State())
    private let requests: AsyncStream<Void>
    private let request: AsyncStream<Void>.Continuation

    /// From now on a signal is a request.
    init() {
        (self.requests, self.request) = AsyncStream.makeStream()
        // The handler finds it made.
        _ = Self.pending
        let thread = Thread.start("roost-signals", stack: 256 << 10) { self.watch() }
        guard let thread else { return }
        pthread_detach(thread)
        self.state.withLock { state in
            for signal in Self.signals {
                var action = sigaction()
                action.__sigaction_handler.sa_handler = { _ in
                    let error = errno
                    sem_post(StopSignals.pending.semaphore)
                    errno = error
                }
                action.sa_flags = SA_RESTART
                var before = sigaction()
                sigaction(signal, &action, &before)
                state.before.append(before)
            }
        }
    }

    /// Waits for the next request; returns at cancellation too.
    func next() async {
        var iterator = self.requests.makeAsyncIterator()
        _ = await iterator.next()
    }

    /// Signals are handled as they were before.
    func finish() {
        self.state.withLock { state in
            Self.restore(&state)
            state.isFinished = true
        }
        sem_post(Self.pending.semaphore)
        self.request.finish()
    }

    private func watch() {
        while true {
            while sem_wait(Self.pending.semaphore) != 0 {}
            let isFinished = self.state.withLock { state in
                if state.isFinished { return true }
                state.count += 1
                if state.count == 2 { Self.restore(&state) }
                return false
            }
            if isFinished { return }
            self.request.yield()
        }
    }

    private static func restore(_ state: inout State) {
        for (signal, before) in zip(Self.signals, state.before) {
            var before = before
            sigaction(signal, &before, nil)
        }
        state.before = []
    }
}
