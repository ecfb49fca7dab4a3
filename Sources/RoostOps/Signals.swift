internal import Glibc
internal import Synchronization

/// Waits for signals on the main thread while a program's asynchronous part runs elsewhere.
///
/// No handler is installed, so nothing runs in the middle of something else: the signals are
/// blocked in every thread, and the main thread takes them with `sigwait(3)`.
enum Signals {
    /// How the asynchronous part wakes the main thread when it is done.
    private static let done = SIGUSR1

    static func wait(
        for body: @escaping @Sendable () async throws -> ExitStatus
    ) -> Result<ExitStatus, any Error> {
        self.wait(stopSignals: []) { _ in try await body() }
    }

    static func wait(
        forStoppable body: @escaping @Sendable (StopRequests) async throws -> ExitStatus
    ) -> Result<ExitStatus, any Error> {
        self.wait(stopSignals: [SIGINT, SIGTERM], body)
    }

    private static func wait(
        stopSignals: [Int32],
        _ body: @escaping @Sendable (StopRequests) async throws -> ExitStatus
    ) -> Result<ExitStatus, any Error> {
        var signals = sigset_t()
        sigemptyset(&signals)
        for signal in stopSignals + [self.done] { sigaddset(&signals, signal) }
        pthread_sigmask(SIG_BLOCK, &signals, nil)

        let requests = StopRequests()
        let outcome = Outcome()
        let mainThread = pthread_self()
        Task.detached {
            do {
                outcome.set(.success(try await body(requests)))
            } catch {
                outcome.set(.failure(error))
            }
            pthread_kill(mainThread, Self.done)
        }
        while true {
            var signal: Int32 = 0
            guard sigwait(&signals, &signal) == 0 else { continue }
            if signal == self.done {
                // Others may send that signal too.
                if let outcome = outcome.value { return outcome }
            } else if !requests.add() {
                self.die(of: signal)
            }
        }
    }

    /// Ends the process as the signal would have, had it not been blocked.
    private static func die(of signal: Int32) -> Never {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, signal)
        Glibc.signal(signal, SIG_DFL)
        pthread_sigmask(SIG_UNBLOCK, &set, nil)
        raise(signal)
        _exit(128 + signal)
    }
}

/// What a program's asynchronous part came to.
private final class Outcome: Sendable {
    private let state = Mutex<Result<ExitStatus, any Error>?>(nil)
    var value: Result<ExitStatus, any Error>? { self.state.withLock { $0 } }
    func set(_ value: Result<ExitStatus, any Error>) { self.state.withLock { $0 = value } }
}
