import Testing

@testable import RoostClient

/// Which label a request gets.
@Suite
struct TrafficSplitTests {
    /// How often each label is chosen in a thousand evenly spread draws.
    private static func counts(
        _ split: TrafficSplit,
        served: Set<String>? = nil
    ) -> [String: Int] {
        var counts: [String: Int] = [:]
        for number in 0..<1_000 {
            let label = split.label(Double(number) / 1_000) { served?.contains($0) ?? true }
            counts[label ?? "none", default: 0] += 1
        }
        return counts
    }

    @Test("labels get their shares, whatever the shares add up to")
    func shares() {
        #expect(
            Self.counts(TrafficSplit(["stable": 95, "canary": 5]))
                == ["stable": 950, "canary": 50]
        )
        #expect(
            Self.counts(TrafficSplit(["a": 0.5, "b": 0.25, "c": 0.25, "d": 0]))
                == ["a": 500, "b": 250, "c": 250]
        )
    }

    @Test("a label that nobody has gets nothing, the others its share, and keys of theirs stay")
    func unserved() {
        let split = TrafficSplit(["a": 1, "b": 2, "c": 1])
        #expect(Self.counts(split, served: ["a", "b"]) == ["a": 334, "b": 666])
        #expect(Self.counts(split, served: []) == ["none": 1_000])
        for number in 0..<1_000 {
            let draw = Double(number) / 1_000
            let before = split.label(draw) { _ in true }
            guard before != "c" else { continue }
            #expect(split.label(draw) { $0 != "c" } == before)
        }
    }

    @Test("every draw below 1 finds a label")
    func rounding() {
        let split = TrafficSplit(["a": 0.1, "b": 0.2, "c": 0.7])
        #expect(split.label(1.0.nextDown) { _ in true } == "c")
        #expect(split.label(0) { _ in true } == "a")
    }

    @Test("a shadow gets a copy of its part of the requests")
    func shadows() {
        var split = TrafficSplit(["stable": 1], shadows: ["x": 0.25, "y": 1, "z": 0])
        #expect(split.shadowLabels { 0.24 } == ["x", "y"])
        #expect(split.shadowLabels { 0.25 } == ["y"])
        split.shadows = [:]
        #expect(split.shadowLabels { 0 } == [])
    }

    @Test(
        "shares and parts that make no sense are said",
        arguments: [
            (TrafficSplit([:]), 1), (TrafficSplit(["a": 0]), 1), (TrafficSplit(["a": -1]), 1),
            (TrafficSplit(["a": .nan]), 1), (TrafficSplit(["a": .infinity]), 1),
            (TrafficSplit(["a": 1], shadows: ["b": 1.5]), 1),
            (TrafficSplit(["a": 0], shadows: ["b": -1]), 2),
            (TrafficSplit(["a": 1], shadows: ["b": 1]), 0),
        ]
    )
    func problems(split: TrafficSplit, count: Int) {
        #expect(split.problems(model: "digits").count == count)
    }
}
