import Glibc
import RoostWire
import RoostWorker
import Testing

@testable import roost

/// What `roost model check` finds out without an engine; the command itself is in FleetTests.
@Suite
struct ModelCheckTests {
    @Test("a path names a repository, a model or a version by what lies there")
    func location() throws {
        let directory = try TemporaryDirectory()
        let root = directory.path
        try directory.write([], to: "repository/digits/1/model.onnx")
        try directory.write([], to: "repository/configured/model.toml")
        try directory.write([], to: "numbers/7/1/model.onnx")
        func expect(
            _ path: String,
            _ repository: String,
            _ model: String? = nil,
            _ version: UInt32? = nil
        ) throws {
            let location = try ModelLocation(path: "\(root)/\(path)")
            #expect(location.repository == "\(root)/\(repository)")
            #expect(location.model == model)
            #expect(location.version == version)
        }
        try expect("repository", "repository")
        try expect("repository/", "repository")
        try expect("repository/digits", "repository", "digits")
        try expect("repository/digits/..", "repository/digits/..")
        try expect("repository/digits/.", "repository", "digits")
        try expect("repository/configured/", "repository", "configured")
        try expect("repository/digits/1", "repository", "digits", 1)
        // A model whose name is a number.
        try expect("numbers", "numbers")
        try expect("numbers/7", "numbers", "7")
        #expect { try ModelLocation(path: "\(root)/none") } throws: { error in
            "\(error)".contains("No such file or directory")
        }
    }

    /// The settings of a configuration's tables of that name: `key=value, from`.
    private static func settings(_ text: String, of table: String) throws -> [String] {
        var report = ModelReport(name: "m", directory: "/m")
        report.configuration = try ModelConfiguration(
            parsing: Array(text.utf8),
            file: "model.toml"
        )
        return report.settings.filter { $0.name.hasPrefix("\(table).") }
            .map { "\($0.name.dropFirst(table.count + 1))=\($0.value), \($0.origin)" }
    }

    @Test("how pictures become numbers and scores names is told, with the lines that say so")
    func preparation() throws {
        let text = """
            [preprocessing]
            resize = 256
            crop = 224
            filter = "bicubic"
            mean = [0.5, 0.25, 0.5]
            layout = "NHWC"
            [post-processing]
            softmax = true
            top = 5
            labels = "names.txt"
            """
        #expect(
            try Self.settings(text, of: "preprocessing") == [
                "input=the only one, default", "resize=256, the shorter side, model.toml:2",
                "filter=bicubic, model.toml:4", "crop=[224, 224], model.toml:3",
                "colors=as the input's, default", "layout=NHWC, model.toml:6",
                "scale=1/255, or 1 where UINT8 is taken, default",
                "mean=[0.5, 0.25, 0.5], model.toml:5", "deviation=1, default",
                "max-pixels=33554432, default",
            ]
        )
        #expect(
            try Self.settings(text, of: "post-processing") == [
                "output=the only one, default", "softmax=true, model.toml:8",
                "top=5, model.toml:9", "labels=names.txt, model.toml:10", "index=false, default",
                "keep-scores=false, default",
            ]
        )
        #expect(try Self.settings("weight = 2", of: "preprocessing").isEmpty)
        #expect(
            try Self.settings("[preprocessing]\nresize = [8, 9]\nscale = 2", of: "preprocessing")
                .contains("resize=[8, 9], model.toml:2")
        )
    }

    private static func tuning(
        _ figures: [(rows: Int, instances: Int, milliseconds: Int)]
    )
        -> ModelTuning
    {
        var tuning = ModelTuning(instances: [1, 2])
        tuning.measured = figures.map {
            ModelTuning.Measured(
                rows: $0.rows,
                instances: $0.instances,
                runTime: .milliseconds($0.milliseconds)
            )
        }
        return tuning
    }

    @Test("advised is the smallest batch that is about as good as the best")
    func best() {
        // Rows per second: 100, 200, 190, 380, 198, 396.
        let tuning = Self.tuning([
            (1, 1, 10), (1, 2, 10), (4, 1, 21), (4, 2, 21), (8, 1, 40), (8, 2, 40),
        ])
        #expect(tuning.best?.rows == 4)
        #expect(tuning.best?.instances == 2)
        #expect(tuning.lines == ["instances = 2", "", "[batching]", "max-size = 4"])
    }

    @Test("where joining gains too little, single rows are advised")
    func noGain() {
        let tuning = Self.tuning([(1, 1, 100), (2, 1, 190), (4, 1, 370)])
        #expect(tuning.best?.rows == 1)
        #expect(Self.tuning([]).best == nil)
        #expect(Self.tuning([]).lines.isEmpty)
    }

    @Test(
        "instances are one, two, half of the cores and all",
        arguments: [
            (1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (4, [1, 2, 4]), (64, [1, 2, 32, 64]),
        ]
    )
    func instances(cores: Int, expected: [Int]) {
        #expect(ModelTune.instances(cores) == expected)
    }

    @Test("a tensor's rows are repeated, whatever they are")
    func repeated() {
        let numbers = Tensor([1, 2, 3, 4] as [Int32], shape: [2, 2]).repeated(rows: 3)
        #expect(numbers.shape == [3, 2])
        #expect(numbers.elements() == [1, 2, 3, 4, 1, 2] as [Int32])
        let texts = Tensor(["a", "bc"], shape: [2]).repeated(rows: 3)
        #expect(texts.byteStrings() == [Array("a".utf8), Array("bc".utf8), Array("a".utf8)])
        let none = Tensor([] as [Float], shape: [0, 2])
        #expect(none.repeated(rows: 3).shape == [0, 2])
    }
}
