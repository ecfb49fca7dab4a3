import Glibc
import ZeroMQ

enum Clock {
    static var now: Double { Double(Reactor.monotonicNanoseconds()) / 1e6 }

    /// How long `body` takes.
    static func milliseconds(_ body: () -> Void) -> Double {
        let began = self.now
        body()
        return self.now - began
    }
}
