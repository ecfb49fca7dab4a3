import RoostTestKit

/// What became of a client's requests so far, as it tells the soup, a line each second.
struct LoadReport: Sendable {
    private static let word = "load"

    var sent = 0
    var right = 0
    var wrong = 0
    var failed = 0
    /// Requests that did not end once by their deadline.
    var unfinished = 0
    var attempts = 0
    var milliseconds = 0

    init() {}

    init(_ history: History, elapsed: Duration) {
        self.sent = history.entries.count
        self.right = history.answered
        self.wrong = history.wrong
        self.failed = history.failed
        self.unfinished = history.overdue(now: OpenLoad.now)
        self.attempts = history.attempts
        self.milliseconds = Int(elapsed / .milliseconds(1))
    }

    /// A line of a client's; `nil` if it is another.
    init?(line: String) {
        let words = line.split(separator: " ")
        guard words.first == Substring(Self.word), words.count == 8 else { return nil }
        let numbers = words.dropFirst().compactMap { Int($0) }
        guard numbers.count == 7 else { return nil }
        self.sent = numbers[0]
        self.right = numbers[1]
        self.wrong = numbers[2]
        self.failed = numbers[3]
        self.unfinished = numbers[4]
        self.attempts = numbers[5]
        self.milliseconds = numbers[6]
    }

    var line: String {
        let numbers = [
            self.sent, self.right, self.wrong, self.failed, self.unfinished, self.attempts,
            self.milliseconds,
        ]
        return "\(Self.word) " + numbers.map(String.init).joined(separator: " ")
    }

    /// Whether there were more attempts than the retry budget allows (I5).
    var exceedsBudget: Bool {
        Double(self.attempts) > 1.2 * Double(self.sent) + 10 * Double(self.milliseconds) / 1000 + 1
    }

    static func + (left: LoadReport, right: LoadReport) -> LoadReport {
        var sum = left
        sum.sent += right.sent
        sum.right += right.right
        sum.wrong += right.wrong
        sum.failed += right.failed
        sum.unfinished += right.unfinished
        sum.attempts += right.attempts
        sum.milliseconds += right.milliseconds
        return sum
    }
}
