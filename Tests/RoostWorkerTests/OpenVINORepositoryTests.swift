import RoostClient
import RoostEngine
import RoostTestKit
import RoostWire
import Testing

@testable import RoostWorker

/// Workers whose models run in different engines. Needs both: `make engines`.
@Suite(
    .timeLimit(.minutes(2)),
    .enabled(
        if: Repository.hasEngine && Repository.hasOpenVINO,
        "ONNX Runtime or OpenVINO is not installed: make engines"
    )
)
struct OpenVINORepositoryTests {
    private let directory = ModelDirectory()
    private let digits = "\(Repository.exampleModels)/digits/1/model.onnx"

    private func supply() -> ModelSupply {
        ModelSupply(
            repository: ModelRepository(directory: self.directory.path),
            loader: ModelLoader(engines: Engines())
        )
    }

    @Test("a model is answered alike by both engines of one worker, alone and in batches")
    func alike() async throws {
        self.directory.copy(self.digits, to: "plain/1/model.onnx")
        self.directory.copy(self.digits, to: "fast/1/model.onnx")
        self.directory.write("fast/model.toml", "engine = \"openvino\"\n")
        try await InProcessFleet.with { fleet in
            let worker = try await fleet.addWorker("w", supply: self.supply())
            try await fleet.waitForWorkers(1)
            let client = try fleet.client()
            let engines = await worker.table.models.map(\.description.engine).sorted()
            #expect(engines.count == 2)
            #expect(engines.first?.hasPrefix("onnxruntime 1.") == true)
            #expect(engines.last?.hasPrefix("openvino 2026.") == true)
            #expect(engines.last?.hasSuffix(" f32") == true)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<24 {
                    group.addTask {
                        let rows = number % 3 + 1
                        let pixels = (0..<(64 * rows)).map { Float(($0 * (number + 3)) % 17) / 16 }
                        let image: NamedTensors = ["image": Tensor(pixels, shape: [rows, 1, 8, 8])]
                        async let plain = client.infer(model: "plain", inputs: image)
                        async let fast = client.infer(model: "fast", inputs: image)
                        let left = try await plain.outputs["probabilities"]?.elements() as [Float]?
                        let right = try await fast.outputs["probabilities"]?.elements() as [Float]?
                        #expect(left?.count == 10 * rows)
                        #expect(left?.count == right?.count)
                        for (left, right) in zip(left ?? [], right ?? []) {
                            #expect(abs(left - right) < 1e-5)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("a file that its engine does not read is one sentence, and the others serve")
    func wrongEngine() throws {
        self.directory.copy(self.digits, to: "digits/1/model.onnx")
        self.directory.write("ir/1/model.xml", "<net/>")
        self.directory.write("ir/model.toml", "engine = \"onnxruntime\"\n")
        self.directory.write("lite/1/model.tflite", "no model")
        let stock = self.supply().stock()
        #expect(stock.table.models.map(\.name) == ["digits"])
        #expect(stock.problems.count == 2)
        #expect(
            stock.problems.first
                == "model 'ir/1' is a model.xml, which engine onnxruntime does not read; openvino "
                + "does"
        )
        #expect(stock.problems.last?.hasPrefix("model 'lite/1' cannot be loaded from ") == true)
    }
}
