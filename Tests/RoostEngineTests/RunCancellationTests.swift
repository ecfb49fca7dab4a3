import RoostEngine
import Testing

@Suite struct RunCancellationTests {
    @Test("a cancel during the run stops it, and the run learns of it")
    func during() {
        let stops = Counter()
        let cancellation = RunCancellation()
        #expect(cancellation.begin { stops.add() })
        cancellation.cancel()
        #expect(stops.count == 1)
        #expect(cancellation.end())
    }

    @Test("a cancel before the run keeps it from starting")
    func before() {
        let cancellation = RunCancellation()
        cancellation.cancel()
        #expect(cancellation.isCancelled)
        #expect(!cancellation.begin { Issue.record("stopped a run that has not started") })
    }

    @Test("a cancel after the run stops nothing")
    func after() {
        let cancellation = RunCancellation()
        #expect(cancellation.begin { Issue.record("stopped a run that is over") })
        #expect(!cancellation.end())
        cancellation.cancel()
    }
}
