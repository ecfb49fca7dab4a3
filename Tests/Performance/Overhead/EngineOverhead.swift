import CEngineLoop
import CMallocCount
import Glibc
import RoostBenchKit
import RoostEngine
import RoostWire

/// `roost-engine-overhead`: what Roost's layer over ONNX Runtime costs, against the engine's own C
/// loop: time and allocations of one run of a tiny model.
@main
struct EngineOverhead {
    struct Cost {
        /// Of one run, in nanoseconds.
        var time: Double
        /// In one run.
        var allocations: Double

        /// The least of several rounds: what a busy machine adds is in none of them.
        static func least(_ costs: [Cost]) -> Cost {
            Cost(
                time: costs.map(\.time).min() ?? 0,
                allocations: costs.map(\.allocations).min() ?? 0
            )
        }

        var text: String {
            "\(Int(self.time)) ns, \((self.allocations * 100).rounded() / 100) allocations a run"
        }
    }

    /// The figures to reach: a run may take 2 us longer, and allocate the list of outputs and the
    /// object that holds the memory of each.
    private static let overhead = Cost(time: 2_000, allocations: 2)

    private static let model = "Tests/Fixtures/models/identity/1/model.onnx"
    private static let elements = [Float](repeating: 0.5, count: 16)
    private static let count = 200_000
    private static let rounds = 5

    static func main() throws {
        let engine = try ONNXRuntime()
        let source = ModelSource(name: "identity", version: 1, directory: "", file: self.model)
        let session = try engine.load(source, options: SessionOptions())
        let lane = try session.makeLane()
        var own: [Cost] = []
        var bare: [Cost] = []
        for _ in 0..<self.rounds {
            bare.append(self.loop(engine.libraryPath))
            own.append(try self.run(lane))
        }
        let (least, bareLeast) = (Cost.least(own), Cost.least(bare))
        let overhead = Cost(
            time: least.time - bareLeast.time,
            allocations: least.allocations - bareLeast.allocations
        )
        print("engine's own loop: \(bareLeast.text)")
        print("Roost's layer:     \(least.text)")
        print("overhead:          \(overhead.text)")
        guard bareLeast.time > 0, overhead.time <= self.overhead.time,
            overhead.allocations <= self.overhead.allocations + 0.01
        else { exit(1) }
    }

    private static func run(_ lane: any Lane) throws -> Cost {
        let inputs = [Tensor(self.elements, shape: [self.elements.count])]
        for _ in 0..<self.count / 10 { _ = try lane.run(inputs) }
        let allocations = malloc_count()
        let begun = MonotonicClock.now
        for _ in 0..<self.count { _ = try lane.run(inputs) }
        let time = Double(MonotonicClock.now - begun)
        return Cost(
            time: time / Double(self.count),
            allocations: Double(malloc_count() - allocations) / Double(self.count)
        )
    }

    private static func loop(_ library: String) -> Cost {
        var elements = self.elements
        var dimensions = [Int64(elements.count)]
        func once(_ count: Int) -> Cost {
            let before = malloc_count()
            let time = engine_loop(
                library,
                self.model,
                "x",
                "y",
                &dimensions,
                1,
                &elements,
                UInt(elements.count),
                count
            )
            return Cost(time: time, allocations: Double(malloc_count() - before))
        }
        // What is allocated to load the model is in both; a tenth more is run to warm up.
        let (short, long) = (once(1_000), once(self.count))
        let runs = 1.1 * Double(self.count - 1_000)
        return Cost(time: long.time, allocations: (long.allocations - short.allocations) / runs)
    }
}
