import Glibc
import RoostBenchKit
import RoostEngine
import RoostWire
import RoostWorker

/// `roost-isolation-bench`: what it costs to run a model in a process of its own, against running it
/// here: the time of one run, one after the other, in turns.
@main
struct IsolationBench {
    private static let rounds = 10

    static func main() throws {
        // This program is that of the models' processes, too.
        IsolatedProgram.runIfAsked()
        let digits = Tensor([Float](repeating: 0.5, count: 64), shape: [1, 1, 8, 8])
        try self.compare("digits, 256 B in, 40 B out", "examples/models/digits/1", digits, 2_000)
        for count in [16, 150_528] {
            let tensor = Tensor([Float](repeating: 0.5, count: count), shape: [count])
            try self.compare(
                "identity, \(4 * count) B in and out",
                "Tests/Fixtures/models/identity/1",
                tensor,
                count > 1_000 ? 300 : 2_000
            )
        }
    }

    private static func compare(
        _ name: String,
        _ directory: String,
        _ input: Tensor,
        _ count: Int
    ) throws {
        let here = try self.lane(directory, isIsolated: false)
        let isolated = try self.lane(directory, isIsolated: true)
        var (own, other) = (Samples(), Samples())
        for round in 0...self.rounds {
            let (left, right) = (
                try self.run(here, input, count), try self.run(isolated, input, count)
            )
            // The first round is to warm up.
            guard round > 0 else { continue }
            own.append(left)
            other.append(right)
        }
        let (left, right) = (own.quantiles(0.5, 0.99), other.quantiles(0.5, 0.99))
        print(
            "\(name): here \(self.text(left)), isolated \(self.text(right)); "
                + "\(self.number(right[0] - left[0])) us more"
        )
    }

    private static func lane(_ directory: String, isIsolated: Bool) throws -> any Lane {
        var loader = ModelLoader(engines: Engines())
        loader.isolation = IsolationOptions()
        var configuration = ModelConfiguration()
        configuration.isIsolated = isIsolated
        let source = ModelSource(
            name: "m",
            version: 1,
            directory: directory,
            file: "\(directory)/model.onnx"
        )
        return try loader.load(source, configuration).session.makeLane()
    }

    private static func run(_ lane: any Lane, _ input: Tensor, _ count: Int) throws -> Samples {
        var samples = Samples()
        for _ in 0..<count {
            let start = MonotonicClock.now
            _ = try lane.run([input])
            samples.append(MonotonicClock.now - start)
        }
        return samples
    }

    private static func text(_ quantiles: [Double]) -> String {
        "p50 \(self.number(quantiles[0])) us, p99 \(self.number(quantiles[1])) us"
    }

    private static func number(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }
}
