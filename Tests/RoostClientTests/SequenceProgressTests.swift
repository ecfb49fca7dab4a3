import RoostWire
import Testing

@testable import RoostClient

@Suite struct SequenceProgressTests {
    /// What the next request would say, in words.
    private func next(
        _ progress: inout SequenceProgress,
        isLast: Bool = false,
        number: UInt64 = 7
    ) -> String {
        do throws(InferenceError) {
            let extended = try progress.next(isLast: isLast, number: number)
            #expect(extended.itemCredit == 0)
            let start = extended.position.contains(.start) ? " start" : ""
            return "\(extended.sequence)\(start)\(extended.position.contains(.end) ? " end" : "")"
        } catch {
            #expect(error.notExecuted)
            return "\(error.code)"
        }
    }

    @Test("the first request starts it, the last ends it, and nothing comes after that")
    func way() {
        var progress = SequenceProgress()
        #expect(!progress.isOpen)
        #expect(self.next(&progress) == "7 start")
        progress.ended(.answered)
        #expect(progress.isOpen)
        #expect(self.next(&progress, number: 8) == "7")
        progress.ended(.answered)
        #expect(self.next(&progress, isLast: true) == "7 end")
        progress.ended(.answered)
        #expect(!progress.isOpen)
        #expect(self.next(&progress) == "closed")
    }

    @Test("one request may be both; a number is never 0")
    func single() {
        var progress = SequenceProgress()
        #expect(self.next(&progress, isLast: true, number: 0) == "1 start end")
        progress.ended(.answered)
        #expect(self.next(&progress) == "closed")
    }

    @Test("a start that failed, or may have, is followed by another start with another number")
    func start() {
        for outcome in [.refused, .unknown] as [SequenceProgress.Outcome] {
            var progress = SequenceProgress()
            #expect(self.next(&progress, number: 7) == "7 start")
            progress.ended(outcome)
            #expect(self.next(&progress, number: 8) == "8 start")
        }
    }

    @Test("what was refused leaves it as it was; what has no answer, or was forgotten, ends it")
    func failures() {
        for (outcome, expected) in [
            (.refused, "7"), (.unknown, "sequence_lost"), (.forgotten, "sequence_lost"),
        ] as [(SequenceProgress.Outcome, String)] {
            var progress = SequenceProgress()
            _ = self.next(&progress)
            progress.ended(.answered)
            _ = self.next(&progress)
            progress.ended(outcome)
            #expect(progress.isOpen == (outcome == .refused))
            #expect(self.next(&progress) == expected)
        }
    }
}
