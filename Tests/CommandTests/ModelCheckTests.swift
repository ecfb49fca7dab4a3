import Glibc
import RoostWire
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
