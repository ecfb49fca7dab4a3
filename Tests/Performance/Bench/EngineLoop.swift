import Glibc
import RoostEngine
import RoostWire
import RoostWorker
import Synchronization
import ZeroMQ

/// What the engine does on these cores when nobody asks over a network.
enum EngineLoop {
    /// Runs the digits model on one image in a loop, on that many threads with a lane each.
    ///
    /// - Returns: executions per second, and the median in microseconds twice, in the same form as
    ///   the other loops.
    static func run(_ model: LoadedModel, threads: Int, seconds: Double) throws -> String {
        let total = Mutex(0)
        let end = Reactor.monotonicNanoseconds() + Int64(seconds * 1e9)
        let start = Reactor.monotonicNanoseconds()
        let handles = (0..<threads).compactMap { _ in
            Self.start {
                let image = Tensor([Float](repeating: 0.5, count: 64), shape: [1, 1, 8, 8])
                var count = 0
                do {
                    let lane = try model.session.makeLane()
                    while Reactor.monotonicNanoseconds() < end {
                        _ = try lane.run([image])
                        count += 1
                    }
                } catch {
                    Bench.fail("\(error)")
                }
                total.withLock { $0 += count }
            }
        }
        for handle in handles { pthread_join(handle, nil) }
        let elapsed = Double(Reactor.monotonicNanoseconds() - start) / 1e9
        let rate = Double(total.withLock { $0 }) / elapsed
        let each = 1e6 * Double(threads) / rate
        return "\(Int(rate)) \(each) \(each)"
    }

    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private static func start(_ body: @escaping @Sendable () -> Void) -> pthread_t? {
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(Body(body)).toOpaque()
        let status = pthread_create(
            &thread,
            nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            },
            argument
        )
        return status == 0 ? thread : nil
    }
}
