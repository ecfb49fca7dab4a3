import Testing

@testable import RoostWorker

@Suite
struct CPUSetTests {
    @Test(
        "a list is read as taskset reads it, and written in the shortest way",
        arguments: [
            ("0", [0], "0"), ("0-3,8", [0, 1, 2, 3, 8], "0-3,8"),
            ("8,0-3", [0, 1, 2, 3, 8], "0-3,8"),
            ("1,1,1-1", [1], "1"), ("2-3,0-1", [0, 1, 2, 3], "0-3"), ("8191", [8191], "8191"),
        ]
    )
    func list(text: String, numbers: [Int], description: String) throws {
        let set = try CPUSet(list: text)
        #expect(set.numbers == numbers)
        #expect(set.description == description)
    }

    @Test(
        "what is no list is refused, in words",
        arguments: [
            ("", "names no CPU"), (" ", "names no CPU"), (",", "neither"), ("1,", "neither"),
            ("3-1", "the range '3-1' ends before it begins"), ("-1", "neither"), ("1-", "neither"),
            ("1-2-3", "neither"), ("a", "neither"), ("0x1", "neither"), ("+1", "neither"),
            ("8192", "neither"), ("0-99999999999999999999", "neither"), ("1 2", "neither"),
            ("\u{661}", "neither"),
        ]
    )
    func bad(text: String, reason: String) {
        let error = #expect(throws: CPUSet.ListError.self) { try CPUSet(list: text) }
        #expect(error?.reason.contains(reason) == true)
    }

    @Test("a list that repeats itself takes no more memory than it names")
    func repeated() throws {
        let list = Array(repeating: "0-8191", count: 1_000).joined(separator: ",")
        #expect(try CPUSet(list: list).count == CPUSet.countMax)
    }
}
