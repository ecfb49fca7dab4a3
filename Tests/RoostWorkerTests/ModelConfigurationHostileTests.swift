import Testing

@testable import RoostWorker

/// Whatever a file holds, it is a configuration or a list of problems, soon.
@Suite(.timeLimit(.minutes(1)))
struct ModelConfigurationHostileTests {
    private static func problems(_ bytes: [UInt8]) -> [String] {
        do throws(ModelProblems) {
            _ = try ModelConfiguration(parsing: bytes, file: "model.toml")
            return []
        } catch {
            return error.problems
        }
    }

    private static let room = ModelConfiguration.fileBytesMax

    @Test("random bytes, and a good file with some of its bytes changed, trap nothing")
    func random() {
        var generator = Seeded(state: 4711)
        let good = Array(
            """
            versions = { latest = 2 }
            classes = "labels.txt"
            [labels]
            stable = 1
            [batching]
            max-size = 32
            preferred-sizes = [8, 16]
            max-delay = "2ms"
            padding = { tokens = 0.5 }
            [warm-up.shapes]
            tokens = [1, 128]
            """.utf8
        )
        for _ in 0..<2_000 {
            let count = Int.random(in: 0..<200, using: &generator)
            let noise = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            for problem in Self.problems(noise) { #expect(problem.hasPrefix("model.toml:")) }
            var changed = good
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                changed[Int.random(in: 0..<good.count, using: &generator)] = UInt8.random(
                    in: 0...255,
                    using: &generator
                )
            }
            for problem in Self.problems(changed) { #expect(problem.hasPrefix("model.toml:")) }
        }
        for count in 0..<good.count { _ = Self.problems(Array(good.prefix(count))) }
    }

    @Test(
        "deep nesting is refused",
        arguments: [
            ("x = ", "["), ("x = ", "{a="), ("x = ", "{a=["), ("", "a."), ("[", "a."), ("[[", "a."),
            ("x = ", "[{a.a.a.a.a.a="),
        ]
    )
    func deep(start: String, part: String) {
        let count = (Self.room - start.utf8.count) / part.utf8.count
        let text = start + String(repeating: part, count: count)
        #expect(Self.problems(Array(text.utf8)).count == 1)
        // Also when it is not the depth alone that is wrong.
        #expect(!Self.problems(Array((text + "a = 1\n!").utf8)).isEmpty)
    }

    @Test("keys and values as deep as the bounds are read, deeper ones are refused")
    func bounds() throws {
        let parts = TOMLParser.partsMax
        func key(_ parts: Int) -> String {
            Array(repeating: "a", count: parts).joined(separator: ".")
        }
        _ = try TOMLParser.parse(Array("\(key(parts)) = 1\n[b.\(key(parts - 1))]".utf8))
        for text in ["\(key(parts + 1)) = 1", "[\(key(parts + 1))]"] {
            #expect(throws: TOMLSyntaxError.self) { try TOMLParser.parse(Array(text.utf8)) }
        }
        func array(_ depth: Int) -> [UInt8] {
            let open = String(repeating: "[", count: depth)
            return Array("x = \(open)\(String(repeating: "]", count: depth))".utf8)
        }
        _ = try TOMLParser.parse(array(TOMLParser.depthMax))
        #expect(throws: TOMLSyntaxError.self) {
            try TOMLParser.parse(array(TOMLParser.depthMax + 1))
        }
    }

    @Test(
        "numbers beyond all bounds are out of range",
        arguments: [
            "9223372036854775807", "-9223372036854775808", "9223372036854775808", "1e400", "-inf",
            "0x7fffffffffffffff",
        ]
    )
    func numbers(text: String) {
        for key in ["threads = \(text)", "versions = { latest = \(text) }", "versions = [\(text)]"]
        {
            #expect(Self.problems(Array(key.utf8)).count == 1, "\(key)")
        }
        _ = Self.problems(Array("[batching.padding]\nx = \(text)".utf8))
        #expect(Self.problems(Array("[queue]\nmax-bytes = \"\(text)TiB\"".utf8)).count == 1)
    }

    @Test("a full file of keys, and one of a single text, are read in time")
    func large() {
        let keys = (0..<6_000).map { "k\($0) = 1\n" }.joined()
        #expect(Self.problems(Array(keys.utf8)).count == ConfigurationProblems.problemsMax + 1)
        let text = "engine = \"\(String(repeating: "x", count: 60_000))\""
        #expect(Self.problems(Array(text.utf8)).first.map { $0.utf8.count < 200 } == true)
    }

    @Test("a zero in the file ends nothing early")
    func zero() {
        #expect(!Self.problems(Array("threads = 1\n\0weight = 0".utf8)).isEmpty)
    }
}

/// A linear congruential generator: the same numbers in every run.
private struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        self.state = self.state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return self.state ^ (self.state >> 29)
    }
}
