import RoostTestKit
import RoostWire
import Testing

@testable import RoostWorker

@Suite
struct ServiceTimeTests {
    private func measured(_ milliseconds: [Int], model: Int = 0) -> ServiceTime {
        var time = ServiceTime()
        for sample in milliseconds {
            time.record(nanoseconds: Int64(sample) * 1_000_000, model: model, now: .milliseconds(0))
        }
        return time
    }

    private func least(
        _ time: ServiceTime,
        model: Int = 0,
        at now: Moment = .milliseconds(0)
    ) -> Int64 {
        time.work(of: model, now: now).least / 1_000
    }

    @Test("the mean is that of a steady model, and each execution counts for an eighth")
    func mean() {
        #expect(ServiceTime().mean == 0)
        #expect(self.measured([80]).mean == 80_000_000)
        #expect(self.measured([80, 160]).mean == 90_000_000)
        #expect(self.measured([80, 0]).mean > 69_000_000)
        #expect(self.measured(Array(repeating: 7, count: 99)).mean == 7_000_000)
    }

    @Test("models are measured apart, and together for the worker's load")
    func models() {
        var time = self.measured([80], model: 3)
        #expect(time.mean(of: 3) == 80_000_000)
        #expect(time.mean(of: 0) == 0)
        #expect(time.mean(of: 4) == 0)
        time.record(nanoseconds: Int64(0) * 1_000_000, model: 0, now: .milliseconds(0))
        #expect(time.mean(of: 0) == 1)
        #expect(time.mean(of: 3) == 80_000_000)
        #expect(time.mean < 80_000_000)
    }

    @Test("a change shows within a dozen executions", arguments: [(10, 40), (40, 10)])
    func change(before: Int, after: Int) {
        let time = self.measured(
            Array(repeating: before, count: 50) + Array(repeating: after, count: 12)
        )
        let middle = Int64(before + after) * 500_000
        #expect(after > before ? time.mean > middle : time.mean < middle)
    }

    @Test("nothing is concluded from fewer executions than the bound", arguments: [7, 8])
    func fewSamples(count: Int) {
        let time = self.measured(Array(repeating: 100, count: count))
        #expect((self.least(time) > 0) == (count == ServiceTime.samplesMin))
    }

    @Test("a steady model surely takes its mean; one whose executions differ much, nothing")
    func deviation() {
        let steady = self.measured(Array(repeating: 100, count: 60))
        #expect((99_000...100_000).contains(self.least(steady)))
        let heavyTailed = self.measured((1...60).map { $0 % 10 == 0 ? 1_000 : 1 })
        #expect(self.least(heavyTailed) == 0)
        // One slow execution makes the others' estimate doubtful, not longer.
        let stumbled = self.measured(Array(repeating: 100, count: 60) + [5_000])
        #expect(self.least(stumbled) == 0)
    }

    @Test("no execution surely takes longer than the last one did")
    func quickExecution() {
        for last in [0, 1, 10, 50, 90, 100] {
            let time = self.measured(Array(repeating: 100, count: 60) + [last])
            #expect(self.least(time) <= Int64(last) * 1_000)
        }
    }

    @Test("of many executions one after another the deviations cancel out in part")
    func sums() {
        var time = ServiceTime()
        for sample in 1...64 {
            time.record(
                nanoseconds: Int64(sample % 2 == 0 ? 50 : 150) * 1_000_000,
                model: 0,
                now: .milliseconds(0)
            )
        }
        let one = time.work(of: 0, now: .milliseconds(0))
        var many = one
        for _ in 1..<100 { many += one }
        #expect(one.least < 20_000_000)
        #expect(many.least > 70 * 100_000_000)
        for _ in 0..<100 { many -= one }
        #expect(many.least <= 0)
    }

    @Test("an estimate is believed less the longer ago it was measured, and at last not at all")
    func age() {
        let time = self.measured(Array(repeating: 100, count: 60))
        #expect(self.least(time, at: .milliseconds(999)) > 99_000)
        #expect((49_000...50_000).contains(self.least(time, at: .milliseconds(1_000))))
        #expect((24_000...25_000).contains(self.least(time, at: .milliseconds(2_000))))
        #expect(self.least(time, at: .milliseconds(100_000)) == 0)
        // A model of ten seconds is not measured every second.
        let slow = self.measured(Array(repeating: 10_000, count: 60))
        #expect(self.least(slow, at: .milliseconds(19_999)) > 9_990_000)
        #expect(self.least(slow, at: .milliseconds(20_000)) < 5_010_000)
    }

    @Test("no duration overflows, however long or often")
    func extremes() {
        var time = ServiceTime()
        for _ in 0..<1_000 { time.record(nanoseconds: .max, model: 0, now: .never) }
        let work = time.work(of: 0, now: .never)
        var many = work
        for _ in 0..<1_000_000 { many += work }
        #expect(many.least > 0)
        time.record(nanoseconds: -5, model: 0, now: .milliseconds(0))
        #expect(time.mean > 0)
    }

    // MARK: Batches

    private func record(_ time: inout ServiceTime, _ milliseconds: Int64, rows: Int, count: Int) {
        for _ in 0..<count {
            time.record(
                nanoseconds: milliseconds * 1_000_000,
                model: 0,
                rows: rows,
                now: .milliseconds(0)
            )
        }
    }

    @Test("sizes of batches are measured apart, each class twice as large as the one before")
    func sizes() {
        var time = ServiceTime()
        self.record(&time, 1, rows: 1, count: 9)
        self.record(&time, 4, rows: 8, count: 9)
        self.record(&time, 9, rows: 9, count: 9)
        #expect(time.mean(of: 0, rows: 1) == 1_000_000)
        for rows in [5, 8] { #expect(time.mean(of: 0, rows: rows) == 4_000_000) }
        for rows in [9, 16] { #expect(time.mean(of: 0, rows: rows) == 9_000_000) }
        #expect(time.measuredMean(of: 0, rows: 2) == nil)
        // Two rows take no more than twice one; four no more than eight of them do.
        #expect(time.mean(of: 0, rows: 2) == 2_000_000)
        #expect(time.mean(of: 0, rows: 4) == 4_000_000)
        #expect(time.mean(of: 0, rows: 32) == 18_000_000)
        #expect(time.mean(of: 0, rows: 1 << 40) > 0)
    }

    @Test("a size that was hardly measured is believed to take no less than a smaller one")
    func unmeasuredSize() {
        var time = ServiceTime()
        self.record(&time, 3, rows: 1, count: ServiceTime.samplesMin)
        self.record(&time, 50, rows: 64, count: ServiceTime.samplesMin - 1)
        #expect(time.work(of: 0, rows: 64, now: .milliseconds(0)).mean == 3_000_000)
        self.record(&time, 50, rows: 64, count: 1)
        #expect(time.work(of: 0, rows: 64, now: .milliseconds(0)).mean == 50_000_000)
    }

    @Test("of a batch each request costs its part")
    func share() {
        var time = ServiceTime()
        time.record(
            nanoseconds: 8_000,
            model: 0,
            rows: 8,
            requests: 4,
            now: .milliseconds(0)
        )
        #expect(time.mean == 8_000)
        #expect(time.meanShare == 2_000)
    }
}
