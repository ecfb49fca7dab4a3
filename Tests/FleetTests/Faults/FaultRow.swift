import Glibc
import RoostClient
import RoostTestKit
import Synchronization
import Testing

/// A row of the table of faults (PROTOCOL.md §5): its figures are asserted, printed, and with
/// `ROOST_FAULTS_TABLE` appended to that file.
struct FaultRow: Sendable {
    /// Whether the rows run as long as the table says, or only for some seconds.
    static let isFull = getenv("ROOST_FAULTS").map { String(cString: $0) } == "full"
    private static let table = getenv("ROOST_FAULTS_TABLE").map { String(cString: $0) }
    private static let printing = Mutex(())
    /// Whether figures of speed are judged: only those of programs at full speed mean anything.
    private static let judgesSpeed = !FaultRow.isDebugBuild
    /// Whether programs have the hooks that only tests use.
    #if DEBUG
    static let isDebugBuild = true
    #else
    static let isDebugBuild = false
    #endif

    let number: Int
    let what: String

    init(_ number: Int, _ what: String) {
        self.number = number
        self.what = what
    }

    /// The length of a phase: of the table, or for every run of the tests.
    static func length(full: Duration, short: Duration) -> Duration { self.isFull ? full : short }

    /// A count that must not be exceeded.
    func expect(
        _ name: String,
        _ figure: Int,
        atMost bound: Int,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        self.add(name, "\(figure)", "<= \(bound)", figure <= bound, sourceLocation)
    }

    /// A count that must be reached.
    func expect(
        _ name: String,
        _ figure: Int,
        atLeast bound: Int,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        self.add(name, "\(figure)", ">= \(bound)", figure >= bound, sourceLocation)
    }

    /// A time that must not be exceeded; `nil` is for ever.
    func expect(
        _ name: String,
        _ figure: Duration?,
        atMost bound: Duration,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let passes = figure.map { $0 <= bound } ?? false
        let text = figure.map(Self.text) ?? "never"
        self.add(name, text, "<= \(Self.text(bound))", passes, sourceLocation)
    }

    /// A time that must be met within a tolerance.
    func expect(
        _ name: String,
        _ figure: Duration,
        near bound: Duration,
        within tolerance: Duration,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let passes = figure >= bound - tolerance && figure <= bound + tolerance
        let range = "\(Self.text(bound)) +- \(Self.text(tolerance))"
        self.add(name, Self.text(figure), range, passes, sourceLocation)
    }

    /// A time that must not be exceeded by programs at full speed.
    func expect(
        _ name: String,
        fast figure: Duration?,
        atMost bound: Duration,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let passes = figure.map { $0 <= bound } ?? false
        let text = figure.map(Self.text) ?? "never"
        let limit = "<= \(Self.text(bound))"
        self.add(name, text, limit, passes, isJudged: Self.judgesSpeed, sourceLocation)
    }

    /// A ratio of speeds that must not be exceeded.
    func expect(
        _ name: String,
        ratio: Double,
        atMost bound: Double,
        _ detail: String = "",
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let text = Self.text(ratio) + (detail.isEmpty ? "" : " (\(detail))")
        let limit = "<= \(Self.text(bound))"
        self.add(name, text, limit, ratio <= bound, isJudged: Self.judgesSpeed, sourceLocation)
    }

    /// A share of the requests that must not be exceeded.
    func expect(
        _ name: String,
        share: Double,
        atMost bound: Double,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let percent = "\(Self.text(share * 100)) %"
        let limit = "<= \(Self.text(bound * 100)) %"
        self.add(name, percent, limit, share <= bound, sourceLocation)
    }

    /// A ratio that must lie in a range.
    func expect(
        _ name: String,
        ratio: Double,
        in range: ClosedRange<Double>,
        _ detail: String = "",
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let text = Self.text(ratio) + (detail.isEmpty ? "" : " (\(detail))")
        let bound = "\(Self.text(range.lowerBound)) to \(Self.text(range.upperBound))"
        self.add(name, text, bound, range.contains(ratio), sourceLocation)
    }

    /// Something that must hold.
    func expect(
        _ name: String,
        _ holds: Bool,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        self.add(name, holds ? "yes" : "no", "yes", holds, sourceLocation)
    }

    /// What the rows demand of every load: each request ended once and in time, with the right
    /// answer, and there were not too many attempts (I1, I2, I5).
    func expectInvariants(
        of history: History,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        self.expect(
            "not ended once by the deadline",
            history.unfinished(),
            atMost: 0,
            sourceLocation: sourceLocation
        )
        self.expect("wrong answers", history.wrong, atMost: 0, sourceLocation: sourceLocation)
    }

    /// The invariants, and that no request failed.
    func expectNoFailure(
        in history: History,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        self.expect(
            "failed of \(history.entries.count) requests",
            history.failed,
            atMost: 0,
            sourceLocation: sourceLocation
        )
        for failure in history.failures { print("    \(failure)") }
        self.expectInvariants(of: history, sourceLocation: sourceLocation)
    }

    static func text(_ duration: Duration) -> String {
        let seconds = duration.inSeconds
        return seconds >= 1 || seconds == 0
            ? "\(Self.text(seconds)) s" : "\(Self.text(seconds * 1000)) ms"
    }

    static func text(_ value: Double) -> String {
        let scale = value >= 100 ? 1.0 : value >= 10 ? 10 : value >= 0.1 ? 100 : 10_000
        let rounded = (value * scale).rounded() / scale
        return rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
    }

    private func add(
        _ name: String,
        _ figure: String,
        _ bound: String,
        _ passes: Bool,
        isJudged: Bool = true,
        _ sourceLocation: SourceLocation
    ) {
        let cells = [
            Self.pad("\(self.number)", 3), Self.pad(self.what, 44), Self.pad(name, 44),
            Self.pad(figure, 26), Self.pad(bound, 18),
            passes ? "pass" : isJudged ? "FAIL" : "slow build",
        ]
        let line = cells.joined(separator: "| ")
        Self.printing.withLock { _ in
            print(line)
            guard let table = Self.table, let file = fopen(table, "a") else { return }
            fputs(line + "\n", file)
            fclose(file)
        }
        #expect(
            passes || !isJudged,
            "row \(self.number): \(name) is \(figure), but must be \(bound)",
            sourceLocation: sourceLocation
        )
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }
}
