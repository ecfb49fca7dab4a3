import ArgumentParser
import Glibc
import RoostBenchKit
import RoostEngine
import RoostWire

/// `roost-engine-bench`: what the engine does when nobody asks over a network.
@main
struct EngineBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "roost-engine-bench",
        abstract: "Runs a model on the bare engine in a loop; a line of JSON for each setting.",
        discussion: """
            It has the engine as a worker has it, one session with a lane for each thread, and gives \
            it the same inputs again and again. Pin it to cores with taskset.
            """
    )

    @Argument(help: "The model's file.") var model: String

    @Option(help: "Rows of one run, one setting for each: 1,2,4.")
    var rows = "1"

    @Option(help: "How many threads run the model at once, each with a lane of its own.")
    var lanes = 1

    @Option(help: "Threads for a single step of one run.")
    var intraOpThreads = 1

    @Option(help: "How long to measure each setting.")
    var seconds = 1.0

    @Option(help: "Microseconds without work before each run.")
    var pause: UInt32 = 0

    @Option(help: "What executes the model: onnxruntime, openvino or tensorflow.")
    var engine = "onnxruntime"

    @Option(help: "An option of the engine, KEY=VALUE; may be repeated.")
    var engineOption: [String] = []

    @Option(help: "The size of an open dimension, NAME=SIZE or =SIZE; may be repeated.")
    var dimension: [String] = []

    func validate() throws {
        guard self.lanes >= 1, self.intraOpThreads >= 1, self.seconds > 0 else {
            throw ValidationError("--lanes, --intra-op-threads and --seconds must be positive")
        }
    }

    func run() throws {
        let settings = try self.rows.split(separator: ",").map { text in
            guard let rows = Int(text), rows >= 1 else {
                throw ValidationError("'\(text)' is no number of rows")
            }
            return rows
        }
        let sizes = try dimensionSizes(self.dimension)
        let slash = self.model.lastIndex(of: "/")
        let source = ModelSource(
            name: "model",
            version: 1,
            directory: slash.map { String(self.model[..<$0]) } ?? ".",
            file: self.model
        )
        let engine = try Engines().engine(for: source, asked: self.engine)
        var options = SessionOptions(intraOpThreads: self.intraOpThreads)
        options.lanes = self.lanes
        for option in self.engineOption {
            let parts = option.split(separator: "=", maxSplits: 1)
            guard parts.count == 2 else { throw ValidationError("'\(option)' is not KEY=VALUE") }
            options.engineOptions[String(parts[0])] = String(parts[1])
        }
        let begun = MonotonicClock.now
        let session = try engine.load(source, options: options)
        let load = Double(MonotonicClock.now - begun) / 1e9
        for rows in settings {
            let inputs = try session.signature.madeUpInputs(rows: rows, sizes: sizes)
            let loop = EngineLoop(
                session: session,
                inputs: inputs.map(\.tensor),
                seconds: self.seconds,
                pause: self.pause
            )
            let outcome = try loop.run(lanes: self.lanes)
            let quantiles = outcome.samples.quantiles(0.5, 0.99)
            print(
                "{\"rows\": \(rows), \"lanes\": \(self.lanes), "
                    + "\"intra_op_threads\": \(self.intraOpThreads), "
                    + "\"runs_per_s\": \(outcome.rate), "
                    + "\"rows_per_s\": \(outcome.rate * Double(rows)), "
                    + "\"p50_us\": \(quantiles[0]), \"p99_us\": \(quantiles[1]), "
                    + "\"load_s\": \(load)}"
            )
            fflush(nil)
        }
    }
}
