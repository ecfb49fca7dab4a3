internal import Glibc
internal import Synchronization

/// A thread on which models are loaded, warmed and let go, one after the other: none of that may
/// hold up the reactor or an executor. What may be done behind those is done on a
/// ``BackgroundThread`` meanwhile.
final class LoadingThread: Sendable {
    private struct State {
        var work: [@Sendable () -> Void] = []
        var isStopping = false
        var thread: pthread_t?
    }

    private let state = Mutex(State())
    private let wakeups = Semaphore()
    /// As an executor's: a model is run here once.
    private static let stackBytes = 8 << 20

    /// Starts the thread; false if the system refuses.
    func start() -> Bool {
        guard let thread = Thread.start("roost-load", stack: Self.stackBytes, { self.run() }) else {
            return false
        }
        self.state.withLock { $0.thread = thread }
        return true
    }

    /// Has the thread do something when it has done all that came before.
    func perform(_ body: @escaping @Sendable () -> Void) {
        self.state.withLock { $0.work.append(body) }
        self.wakeups.signal()
    }

    /// Ends the thread; what it has not begun is dropped. Blocks while it loads.
    func stop() {
        let thread = self.state.withLock { state in
            state.isStopping = true
            state.work = []
            return state.thread.take()
        }
        guard let thread else { return }
        self.wakeups.signal()
        pthread_join(thread, nil)
    }

    private func run() {
        while true {
            self.wakeups.wait()
            let (body, isStopping) = self.state.withLock { state in
                (state.work.isEmpty ? nil : state.work.removeFirst(), state.isStopping)
            }
            if isStopping { return }
            body?()
        }
    }
}
