import Glibc
import RoostClient
import RoostEngine
import RoostTestKit
import RoostWire
import Testing

@testable import RoostWorker

/// Workers whose models run in TensorFlow. Skipped where it is not installed: `make test` does so.
@Suite(
    .timeLimit(.minutes(2)),
    .enabled(if: Repository.hasTensorFlow, "TensorFlow is not installed: worker/engines/install")
)
struct TensorFlowRepositoryTests {
    private let directory = ModelDirectory()
    private static let files = [
        "saved_model.pb", "model.pb", "variables/variables.index",
        "variables/variables.data-00000-of-00001", "assets/vocabulary.txt",
    ]

    /// Copies one of the models of the tests into the repository.
    private func add(_ name: String, toml: String? = nil, without missing: String? = nil) {
        for file in Self.files where file != missing {
            let path = "\(Repository.fixtures)/tensorflow-models/\(name)/1/\(file)"
            if access(path, R_OK) == 0 { self.directory.copy(path, to: "\(name)/1/\(file)") }
        }
        if let toml { self.directory.write("\(name)/model.toml", toml) }
    }

    private func supply() -> ModelSupply {
        ModelSupply(
            repository: ModelRepository(directory: self.directory.path),
            loader: ModelLoader(engines: Engines())
        )
    }

    private func with(_ body: (FleetClient, Worker) async throws -> Void) async throws {
        try await InProcessFleet.with { fleet in
            let worker = try await fleet.addWorker("w", supply: self.supply())
            try await fleet.waitForWorkers(1)
            try await body(try fleet.client(), worker)
        }
    }

    @Test("words go to a SavedModel and come back, through a worker and a client")
    func words() async throws {
        self.add("words")
        try await self.with { client, worker in
            let engines = await worker.table.models.map(\.description.engine)
            #expect(engines.count == 1 && engines[0].hasPrefix("tensorflow 2."))
            let words = ["two", "", "zero\u{0}", "one"]
            let inputs: NamedTensors = ["word": Tensor(words, shape: [4])]
            let result = try await client.infer(model: "words", inputs: inputs)
            #expect(result.outputs["echo"]?.strings() == words)
            #expect(result.outputs["number"]?.elements() == [2, -1, -1, 1] as [Int64])
        }
    }

    @Test("pictures go to a SavedModel as they are, and only who sends a broken one is told so")
    func pictures() async throws {
        self.add("picture", toml: "[batching]\nmax-size = 8\nmax-delay = \"20ms\"\n")
        let jpeg = try Repository.bytes(of: "\(Repository.fixtures)/pictures/photo.jpg")
        try await self.with { client, _ in
            try await withThrowingTaskGroup(of: String?.self) { group in
                for number in 0..<12 {
                    group.addTask {
                        let bytes = number % 4 == 3 ? Array(jpeg.prefix(30)) : jpeg
                        let inputs: NamedTensors = ["jpeg": Tensor([bytes], shape: [1])]
                        do {
                            let result = try await client.infer(model: "picture", inputs: inputs)
                            #expect(number % 4 != 3)
                            return result.outputs["name"]?.strings()?.first
                        } catch let error as InferenceError {
                            #expect(number % 4 == 3)
                            #expect(error.code == .invalidInput)
                            #expect(error.message.contains("model 'picture/1' failed: "))
                            return nil
                        }
                    }
                }
                var names: Set<String> = []
                for try await name in group { if let name { names.insert(name) } }
                #expect(names.count == 1)
            }
        }
    }

    @Test("a classic frozen graph takes a picture and gives labels, by its layers and its file")
    func retrained() async throws {
        self.add(
            "retrained",
            toml: """
                [engine-options]
                inputs = ["image=DecodeJpeg/contents:0"]
                outputs = ["final_result:0"]
                [post-processing]
                labels = "labels.txt"
                top = 3
                """
        )
        self.directory.copy(
            "\(Repository.fixtures)/tensorflow-models/retrained/labels.txt",
            to: "retrained/labels.txt"
        )
        let jpeg = try Repository.bytes(of: "\(Repository.fixtures)/pictures/photo.jpg")
        try await self.with { client, _ in
            let inputs: NamedTensors = ["image": Tensor([jpeg], shape: [])]
            let result = try await client.infer(model: "retrained", inputs: inputs)
            let labels = try #require(result.outputs["label"]?.strings())
            #expect(Set(labels) == ["red", "green", "blue"])
            let confidence = try #require(result.outputs["confidence"]?.elements() as [Float]?)
            #expect(abs(confidence.reduce(0, +) - 1) < 1e-5)
        }
    }

    @Test("models that cannot be loaded are one sentence each, and the others serve")
    func broken() throws {
        self.add("words")
        self.add("arithmetic", without: "variables/variables.index")
        self.add("complex")
        self.add("plain", toml: "[engine-options]\noutputs = [\"z\"]\n")
        self.add("training")
        self.add("types", toml: "[engine-options]\nprecision = \"f32\"\n")
        self.directory.write("cut/1/saved_model.pb", [0x0A, 0xFF, 0xFF, 0xFF, 0x7F])
        let stock = self.supply().stock()
        #expect(stock.table.models.map(\.name) == ["words"])
        let reasons = [
            "but no file", "complex numbers", "is cut off", "outputs names 'z'", "the tag 'serve'",
            "no option 'precision'",
        ]
        #expect(stock.problems.count == reasons.count)
        for reason in reasons {
            #expect(stock.problems.count { $0.contains(reason) } == 1, "\(reason)")
        }
        #expect(stock.problems.allSatisfy { !$0.contains("\n") })
    }
}
