import RoostClient
import RoostEngine
import RoostTestKit
import RoostWire
import Synchronization
import Testing

@testable import RoostWorker

/// The model `digits`, given files of pictures and answering with words.
@Suite(.timeLimit(.minutes(2)))
struct PreparedSessionTests {
    private let directory = ModelDirectory()
    private static let words = [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    ]

    private static let toml = """
        [batching]
        max-size = 16
        max-delay = "20ms"
        [preprocessing]
        decode = "image"
        [post-processing]
        labels = "labels.txt"
        """

    private func supply(_ toml: String = Self.toml, labels: String? = nil) throws -> ModelSupply {
        let model = "\(Repository.fixtures)/../../examples/models/digits/1/model.onnx"
        self.directory.copy(model, to: "digits/1/model.onnx")
        self.directory.write("digits/model.toml", toml)
        let labels = labels ?? Self.words.joined(separator: "\n")
        if !labels.isEmpty { self.directory.write("digits/labels.txt", labels) }
        return ModelSupply(
            repository: ModelRepository(directory: self.directory.path),
            loader: ModelLoader(engine: try ONNXRuntime())
        )
    }

    private func problems(_ toml: String, labels: String? = nil) throws -> [String] {
        try self.supply(toml, labels: labels).stock().problems.map {
            $0.replacing(self.directory.path, with: "DIR")
        }
    }

    /// A picture's file, of the tests' own if nothing else is said.
    private static func file(
        _ name: String,
        in directory: String = "Fixtures/pictures"
    ) throws
        -> [UInt8]
    {
        try ConfinedFile.read(
            name,
            in: "\(Repository.fixtures)/../\(directory)",
            byteCountMax: 1 << 20
        ).withUnsafeBytes(Array.init)
    }

    @Test("a picture's bytes become a label and a confidence")
    func label() async throws {
        let supply = try self.supply()
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("w", supply: supply)
            try await fleet.waitForWorkers(1)
            let client = try fleet.client()
            let signature = try await client.describe(model: "digits").signature
            #expect(signature.inputs.map(\.description) == ["image BYTES [batch]"])
            #expect(
                signature.outputs.map(\.description)
                    == ["label BYTES [batch]", "confidence FP32 [batch]"]
            )
            let seven = try Self.file("digit-seven-large.jpg")
            let png = try Self.file("digit-seven-large.png")
            let result = try await client.infer(
                model: "digits",
                inputs: ["image": Tensor([seven, png], shape: [2])]
            )
            #expect(result.outputs["label"]?.strings() == ["seven", "seven"])
            let confidence: [Float] = try #require(result.outputs["confidence"]?.elements())
            #expect(confidence.allSatisfy { $0 > 0.9 && $0 <= 1 })
        }
    }

    @Test("what is no picture fails alone, and whoever is joined with it is answered")
    func oneBroken() async throws {
        let supply = try self.supply()
        try await InProcessFleet.with { fleet in
            let worker = try await fleet.addWorker("w", supply: supply)
            try await fleet.waitForWorkers(1)
            let client = try fleet.client()
            // A small one: it is not the decoding that is tried here.
            let seven = try Self.file("digit-7-0044.png", in: "../examples/images")
            let broken = try Self.file("truncated.jpg")
            let outcomes = await withTaskGroup(of: (Int, Result<[String], any Error>).self) {
                group in
                for number in 0..<24 {
                    group.addTask {
                        let file = number % 6 == 5 ? broken : seven
                        do {
                            let result = try await client.infer(
                                model: "digits",
                                inputs: ["image": Tensor([file], shape: [1])]
                            )
                            return (number, .success(result.outputs["label"]?.strings() ?? []))
                        } catch {
                            return (number, .failure(error))
                        }
                    }
                }
                var outcomes: [(Int, Result<[String], any Error>)] = []
                for await outcome in group { outcomes.append(outcome) }
                return outcomes
            }
            for (number, outcome) in outcomes {
                switch outcome {
                case .success(let labels):
                    #expect(labels == ["seven"])
                    #expect(number % 6 != 5)
                case .failure(let error):
                    let error = try #require(error as? InferenceError)
                    #expect(number % 6 == 5)
                    #expect(error.code == .invalidInput)
                    #expect(error.message.contains("the JPEG picture is damaged"))
                }
            }
            let statistics = try #require(await worker.pool.statistics(of: 0))
            #expect(statistics.failedBatches == 0)
            #expect(statistics.executions < 24, "nothing was joined")
        }
    }

    @Test("of a request with several pictures the broken one is named")
    func brokenRow() async throws {
        let supply = try self.supply()
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("w", supply: supply)
            try await fleet.waitForWorkers(1)
            let client = try fleet.client()
            let seven = try Self.file("digit-seven-large.jpg")
            let error = await #expect(throws: InferenceError.self) {
                try await client.infer(
                    model: "digits",
                    inputs: ["image": Tensor([seven, [1, 2, 3], seven], shape: [3])]
                )
            }
            #expect(error?.code == .invalidInput)
            #expect(
                error?.message.contains("row 1: not a PNG, JPEG or WebP picture") == true,
                "\(String(describing: error))"
            )
            // A stream of such a model has one item, or ends so. What comes then is none of it.
            for (pictures, label) in [([seven, [1, 2, 3]], nil), ([seven, seven], "seven")]
                as [([[UInt8]], String?)]
            {
                var labels: [String] = []
                let error: InferenceError?
                do throws(InferenceError) {
                    let image = Tensor(pictures, shape: [2])
                    for try await item in client.stream(model: "digits", inputs: ["image": image]) {
                        labels += item.outputs["label"]?.strings() ?? []
                    }
                    error = nil
                } catch let thrown {
                    error = thrown
                }
                #expect(labels == label.map { [$0, $0] } ?? [])
                #expect((error == nil) == (label != nil))
                #expect(error.map { $0.message.contains("row 1: not a PNG") } ?? true)
            }
        }
    }

    @Test("the best classes are answered in their order, with their numbers and the scores")
    func top() throws {
        let stock = try self.supply(
            """
            [preprocessing]
            colors = "gray"
            [post-processing]
            top = 3
            index = true
            keep-scores = true
            labels = "labels.txt"
            """
        ).stock()
        #expect(stock.problems.isEmpty)
        let model = try #require(stock.table.models.first)
        #expect(
            model.description.signature.outputs.map(\.description) == [
                "label BYTES [batch, 3]", "confidence FP32 [batch, 3]", "index INT64 [batch, 3]",
                "probabilities FP32 [batch, 10]",
            ]
        )
        let lane = try model.session.makeLane()
        let files = Tensor([try Self.file("digit-seven-large.png")], shape: [1])
        let all = try lane.run([files])
        let scores: [Float] = try #require(all[3].elements())
        let best = scores.indices.sorted { scores[$0] > scores[$1] }.prefix(3)
        #expect(all[0].strings() == best.map { Self.words[$0] })
        #expect(all[1].elements() == best.map { scores[$0] })
        #expect(all[2].elements() == best.map { Int64($0) })
        let some = try lane.run([files], outputs: [3, 0])
        #expect(some.map(\.datatype) == [.fp32, .bytes])
        #expect(some[1].strings() == all[0].strings())
    }

    @Test("a lane says which rows it refused, once, and gives the others their own results")
    func refusals() throws {
        let model = try #require(try self.supply().stock().table.models.first)
        let lane = try model.session.makeLane()
        let seven = try Self.file("digit-seven-large.png")
        let files = Tensor([[1], seven, [], seven], shape: [4])
        let outputs = try lane.run([files])
        #expect(outputs[0].strings()?[1] == "seven")
        #expect(outputs[0].strings()?[3] == "seven")
        #expect(lane.takeRefusals().map(\.row) == [0, 2])
        #expect(lane.takeRefusals().isEmpty)
        let error = #expect(throws: EngineError.self) {
            try lane.run([Tensor([[1]] as [[UInt8]], shape: [1])])
        }
        #expect(error?.code == .inputRefused)
        #expect(lane.takeRefusals().map(\.row) == [0])
        _ = try lane.run([Tensor([seven], shape: [1])])
        #expect(lane.takeRefusals().isEmpty)
    }

    @Test("more pictures than their prepared rows have room for are refused at once")
    func tooMany() throws {
        let model = try #require(try self.supply().stock().table.models.first)
        let lane = try model.session.makeLane()
        // A picture of 8 x 8 numbers takes 256 bytes.
        let count = Preprocessing.preparedBytesMax / 256 + 1
        let empty = Tensor(
            datatype: .bytes,
            shape: [count],
            storage: TensorStorage(byteCount: count * 4) {
                $0.initializeMemory(as: UInt8.self, repeating: 0)
            },
            byteCount: count * 4
        )
        let error = #expect(throws: EngineError.self) { try lane.run([empty]) }
        #expect(error?.message.contains("pictures are more than") == true)
    }

    @Test("a model that leaves the size open is warmed up and tried with pictures' own size")
    func openSize() throws {
        let dimensions: [Dimension] = [
            .dynamic("n"), .fixed(3), .dynamic("h"), .dynamic("w"),
        ]
        let seen = Mutex<Set<Shape>>([])
        let session = FakeSession(
            ModelSignature(
                inputs: [TensorSignature(name: "x", datatype: .fp32, dimensions: dimensions)],
                outputs: [
                    TensorSignature(
                        name: "scores",
                        datatype: .fp32,
                        dimensions: [.dynamic("n"), .fixed(2)]
                    )
                ]
            ),
            metadata: [("labels", "cat\ndog")]
        ) { (inputs) throws(EngineError) in
            let shape = inputs[0].shape
            seen.withLock { _ = $0.insert(Shape(shape.dropFirst())) }
            let rows = shape[0]
            return [
                Tensor(
                    (0..<rows).flatMap { _ in [0.25, 0.75] as [Float] },
                    shape: [rows, 2]
                )
            ]
        }
        self.directory.write("m/1/model.onnx", "")
        self.directory.write(
            "m/model.toml",
            "[preprocessing]\nresize = [4, 6]\n[post-processing]\n"
        )
        let stock = ModelSupply(
            repository: ModelRepository(directory: self.directory.path),
            loader: ModelLoader(engine: FakeEngine(session))
        ).stock()
        #expect(stock.problems.isEmpty)
        #expect(seen.withLock { $0 } == [[3, 4, 6]])
        let model = try #require(stock.table.models.first)
        let lane = try model.session.makeLane()
        let seven = try Self.file("digit-seven-large.png")
        let outputs = try lane.run([Tensor([seven], shape: [1])])
        #expect(outputs[0].strings() == ["dog"])
        #expect(outputs[1].elements() == [0.75 as Float])
        #expect(seen.withLock { $0 } == [[3, 4, 6]])
    }

    // MARK: Mistakes

    @Test("everything that is wrong with the two tables is told at once, with its line")
    func mistakes() throws {
        let found = try self.problems(
            """
            [preprocessing]
            decode = "video"
            resize = [8, 8]
            crop = 9
            filter = "cubic"
            colors = "CMYK"
            layout = "CHW"
            scale = 0
            mean = [1, 2]
            deviation = 0
            pixels = 1
            [post-processing]
            softmax = 1
            top = 0
            labels = "../labels.txt"
            """
        )
        let lines = found.map { $0.split(separator: " ").prefix(2).joined(separator: " ") }
        let file = "DIR/digits/model.toml"
        #expect(
            lines == [
                "\(file):2: preprocessing.decode", "\(file):4: preprocessing.crop",
                "\(file):4: preprocessing.crop", "\(file):5: preprocessing.filter",
                "\(file):6: preprocessing.colors", "\(file):7: preprocessing.layout",
                "\(file):8: preprocessing.scale", "\(file):9: preprocessing.mean",
                "\(file):10: preprocessing.deviation", "\(file):11: there",
                "\(file):13: post-processing.softmax", "\(file):14: post-processing.top",
                "\(file):15: post-processing.labels",
            ],
            "\(found)"
        )
    }

    @Test("what does not fit the model is told at once, with its line")
    func misfits() throws {
        let found = try self.problems(
            """
            [preprocessing]
            resize = [9, 8]
            colors = "RGB"
            mean = [0.5, 0.5, 0.5]
            [post-processing]
            output = "logits"
            labels = "labels.txt"
            """
        )
        let file = "DIR/digits/model.toml"
        let input = "image FP32 [batch, 1, 8, 8]"
        #expect(
            found == [
                "\(file):2: preprocessing: pictures of [9, 8] do not fit the input \(input)",
                "\(file):3: preprocessing: RGB has 3 channels, but the input \(input) takes 1",
                "\(file):4: preprocessing: there are 3 numbers for 1 channel",
                "\(file):6: post-processing: the model has no output 'logits'; it has"
                    + " 'probabilities'",
            ]
        )
    }

    @Test("the file of class names must be there and have one for each class")
    func labels() throws {
        let toml = "[preprocessing]\n[post-processing]\nlabels = \"labels.txt\""
        let file = "DIR/digits/model.toml"
        #expect(
            try self.problems(toml, labels: "a\nb\n") == [
                "\(file):3: post-processing: there are 2 names for the 10 classes of output"
                    + " probabilities FP32 [batch, 10]"
            ]
        )
        self.directory.write("digits/1/labels.txt", Self.words.joined(separator: "\n"))
        #expect(try self.problems(toml, labels: "a\nb\n").isEmpty, "the version's own come first")
        let other = "[post-processing]\nlabels = \"names.txt\""
        #expect(
            try self.problems(other) == [
                "\(file):2: post-processing: file 'names.txt' is neither in the version's directory"
                    + " nor in the model's"
            ]
        )
    }

    @Test("a change of the class names has the versions loaded again")
    func changedLabels() throws {
        _ = try self.supply()
        let path = "\(self.directory.path)/digits"
        let before = try ModelConfiguration.load(directory: path).loadingHash
        #expect(try ModelConfiguration.load(directory: path).loadingHash == before)
        self.directory.write("digits/labels.txt", "other")
        #expect(try ModelConfiguration.load(directory: path).loadingHash != before)
    }
}

@Suite
struct TopClassesTests {
    private static func best(
        _ scores: [Float],
        _ count: Int,
        softmax: Bool = false
    ) -> [(index: Int, confidence: Float)] {
        var best: [(index: Int, confidence: Float)] = []
        scores.withUnsafeBufferPointer {
            TopClasses(count: count, isSoftmax: softmax).append($0, to: &best)
        }
        return best
    }

    @Test("the best come first, and of equal ones the first")
    func order() {
        let best = Self.best([1, 5, 3, 5, -.infinity, 4], 4)
        #expect(best.map(\.index) == [1, 3, 5, 2])
        #expect(best.map(\.confidence) == [5, 5, 4, 3])
    }

    @Test("what is no number comes last")
    func notANumber() {
        #expect(Self.best([.nan, 1, .nan, 2], 3).map(\.index) == [3, 1, 0])
    }

    @Test("softmax gives the share of each among all, however large the scores are")
    func softmax() {
        let best = Self.best([1000, 1001, 999], 2, softmax: true)
        #expect(best.map(\.index) == [1, 0])
        // 1 / (1 + exp(-1) + exp(-2)), and that by e.
        #expect(abs(best[0].confidence - 0.665_240_96) < 1e-6)
        #expect(abs(best[1].confidence - 0.244_728_47) < 1e-6)
    }
}
