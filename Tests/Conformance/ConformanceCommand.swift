import ArgumentParser
import Foundation
import RoostEngine
import RoostOps

/// `roost-conformance`: ONNX's own tests, in the engine and through a fleet; `make conformance`.
@main
struct ConformanceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "roost-conformance",
        abstract: "Runs ONNX's tests in the engine and through a fleet, and compares.",
        discussion: """
            Whatever passes in the engine must pass in the fleet: the exit code is 70 if anything does \
            not, or if nothing passes.
            """
    )

    @Argument(help: "The directory that has sets of tests.", completion: .directory)
    var tests = "/usr/share/libonnx-testdata/data"

    @Option(help: "A document to write the table into.", completion: .file())
    var write: String?

    @Option(help: "What executes the models: onnxruntime or openvino.")
    var engine = ONNXRuntime.name

    @Option(help: "Only tests whose names have this in them.")
    var only: String?

    @Option(help: "Leave out the test of this name; may be repeated.")
    var skip: [String] = []

    @Flag(help: "Print every failure.") var details = false

    func run() throws {
        let (directory, write, only, details) = (self.tests, self.write, self.only, self.details)
        let (name, skipped) = (self.engine, self.skip)
        try Program.run {
            let models = TestModel.all(in: directory).filter { model in
                only.map { model.name.contains($0) } ?? true && !skipped.contains(model.name)
            }
            guard let first = models.first else {
                throw TensorFile.Unreadable(description: "there is no such test in \(directory)")
            }
            let engine = try Engines().engine(for: first.source, asked: name)
            let bare = Bare(engine: engine)
            var report = ConformanceReport(engine: "\(engine.name) \(engine.version)")
            let fleet = try await TestFleet(engine: name)
            var rest = models[...]
            while !rest.isEmpty {
                let some = Array(rest.prefix(TestFleet.modelsMax))
                rest = rest.dropFirst(some.count)
                let own = await OffPool.run { some.map(bare.run) }
                let served = zip(some, own).filter { !$1.isRefused }.map(\.0)
                var through = try await fleet.run(served).makeIterator()
                for (model, own) in zip(some, own) {
                    // What the engine refuses cannot be served.
                    let outcome = own.isRefused ? own : through.next() ?? own
                    report.results.append(.init(model: model, bare: own, fleet: outcome))
                }
                Output.error.write("\(report.results.count) of \(models.count)\n")
            }
            if details { Output.standard.line(report.details) }
            Output.standard.line(report.table)
            for lost in report.lost {
                Output.error.write("lost: \(lost.model.name): \(lost.fleet)\n")
            }
            if let write { try report.write(to: write, name: engine.name) }
            let passed = report.results.contains { $0.fleet.isPassed }
            return report.lost.isEmpty && passed ? .ok : .failed
        }
    }
}
