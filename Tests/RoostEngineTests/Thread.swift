import Glibc
import Synchronization

/// Threads of our own: engines must not block those that Swift's tasks run on.
enum Thread {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Runs `body` on that many threads, each with its number, and waits for all of them.
    static func runAll(count: Int, _ body: @escaping @Sendable (Int) -> Void) {
        let threads = (0..<count).map { number in
            let context = Unmanaged.passRetained(Body { body(number) }).toOpaque()
            var thread = pthread_t()
            let result = pthread_create(
                &thread,
                nil,
                { context in
                    Unmanaged<Body>.fromOpaque(context!).takeRetainedValue().run()
                    return nil
                },
                context
            )
            precondition(result == 0, "no thread: \(result)")
            return thread
        }
        for thread in threads { pthread_join(thread, nil) }
    }
}

/// A number that several threads add to.
final class Counter: Sendable {
    private let value = Atomic(0)
    var count: Int { self.value.load(ordering: .sequentiallyConsistent) }
    func add() { self.value.add(1, ordering: .sequentiallyConsistent) }
}
