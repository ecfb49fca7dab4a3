import Glibc
import RoostEngine
import RoostTestKit
import RoostWire
import ZeroMQ

/// A model that sleeps as long as its input says, in seconds, times what its worker takes.
enum SleepingModel {
    static func session(slowness: Double, freezes: Bool, start: Int64) -> FakeSession {
        let answer = Tensor([1] as [Float], shape: [1])
        return FakeSession(FakeSession.swallow().signature) { (inputs) throws(EngineError) in
            let values: [Float] = inputs[0].elements() ?? [0]
            Self.sleep(until: Self.now + Double(values[0]) * slowness, freezes ? start : nil)
            return [answer]
        }
    }

    private static var now: Double { Double(Reactor.monotonicNanoseconds()) / 1e9 }

    /// Sleeps; who freezes stands still at the same moments after its start in every run.
    private static func sleep(until end: Double, _ start: Int64?) {
        var end = end
        if let start {
            let age = Self.now - Double(start) / 1e9 - Scenario.freeze.first
            let phase = (age + Scenario.freeze.every)
                .truncatingRemainder(dividingBy: Scenario.freeze.every)
            let toThaw = Scenario.freeze.length - phase
            let toFreeze = Scenario.freeze.every - phase
            if toThaw > 0 {
                end += toThaw
            } else if end - Self.now > toFreeze {
                end += Scenario.freeze.length
            }
        }
        let left = end - Self.now
        guard left > 0 else { return }
        let nanoseconds = left.truncatingRemainder(dividingBy: 1) * 1e9
        var time = timespec(tv_sec: Int(left), tv_nsec: Int(nanoseconds))
        var rest = timespec()
        while nanosleep(&time, &rest) == -1, errno == EINTR { time = rest }
    }
}
