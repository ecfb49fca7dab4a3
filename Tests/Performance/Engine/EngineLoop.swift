import Glibc
import RoostBenchKit
import RoostEngine
import RoostWire
import Synchronization

/// Runs a session in a loop on threads of its own.
final class EngineLoop: Sendable {
    struct Outcome {
        /// Runs per second, of all lanes together.
        var rate = 0.0
        var samples = Samples()
        var failure: EngineError?
    }

    private let session: any Session
    private let inputs: [Tensor]
    private let warmUp: Int64
    private let length: Int64
    /// Microseconds.
    private let pause: UInt32
    private let outcome = Mutex(Outcome())

    /// A lane counts as warm after so many runs at least, and a fifth of a second.
    private static let warmRuns = 2
    /// Even if one run takes longer than all was to take.
    private static let runsMin = 3
    /// As an executor's: the engine's kernels want more than some systems give a thread.
    private static let stackBytes = 8 << 20

    init(session: any Session, inputs: [Tensor], seconds: Double, pause: UInt32) {
        self.session = session
        self.inputs = inputs
        self.warmUp = 200_000_000
        self.length = Int64(seconds * 1e9)
        self.pause = pause
    }

    /// Blocks until all lanes are done.
    func run(lanes: Int) throws -> Outcome {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, Self.stackBytes)
        let threads = (0..<lanes).map { _ in
            var thread = pthread_t()
            let status = pthread_create(
                &thread,
                &attributes,
                { argument in
                    guard let argument else { return nil }
                    Unmanaged<EngineLoop>.fromOpaque(argument).takeRetainedValue().runLane()
                    return nil
                },
                Unmanaged.passRetained(self).toOpaque()
            )
            precondition(status == 0, "pthread_create: \(status)")
            return thread
        }
        for thread in threads { pthread_join(thread, nil) }
        let outcome = self.outcome.withLock { $0 }
        if let failure = outcome.failure { throw failure }
        return outcome
    }

    private func runLane() {
        do throws(EngineError) {
            let lane = try self.session.makeLane()
            let warm = MonotonicClock.now + self.warmUp
            var runs = 0
            while runs < Self.warmRuns || MonotonicClock.now < warm {
                _ = try lane.run(self.inputs)
                runs += 1
            }
            var samples = Samples()
            samples.reserve(1 << 20)
            let start = MonotonicClock.now
            var now = start
            while now < start + self.length || samples.count < Self.runsMin {
                if self.pause > 0 {
                    usleep(self.pause)
                    now = MonotonicClock.now
                }
                let begun = now
                _ = try lane.run(self.inputs)
                now = MonotonicClock.now
                samples.append(now - begun)
            }
            let rate = Double(samples.count) * 1e9 / Double(now - start)
            self.outcome.withLock { outcome in
                outcome.rate += rate
                outcome.samples.append(samples)
            }
        } catch {
            self.outcome.withLock { $0.failure = error }
        }
    }
}
