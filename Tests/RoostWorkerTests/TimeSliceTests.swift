import Glibc
import RoostTestKit
import Synchronization
import Testing

@testable import RoostWorker

/// Kernels before Linux 6.12 have no turns to be seen.
@Suite(.enabled(if: TimeSlice.current > 0))
struct TimeSliceTests {
    private final class Seen: Sendable {
        let own = Mutex<UInt64>(0)
        let child = Mutex<UInt64>(0)

        /// Notes the calling thread's turns and those of a thread that it starts.
        func note() {
            self.own.withLock { $0 = TimeSlice.current }
            let thread = Thread.start(stack: 1 << 20) {
                self.child.withLock { $0 = TimeSlice.current }
            }
            if let thread { pthread_join(thread, nil) }
        }
    }

    @Test("long turns are the thread's own, not those of the threads that it starts")
    func inherited() throws {
        let usual = TimeSlice.current
        let seen = Seen()
        let thread = try #require(
            Thread.start(stack: 1 << 20) {
                TimeSlice.lengthen()
                seen.note()
            }
        )
        pthread_join(thread, nil)
        #expect(seen.own.withLock { $0 } == TimeSlice.longest)
        #expect(seen.child.withLock { $0 } == usual)
    }

    @Test("models are loaded in long turns, and an engine's threads have the usual ones")
    func loading() throws {
        let usual = TimeSlice.current
        let seen = Seen()
        let done = Semaphore()
        let loading = LoadingThread()
        #expect(loading.start())
        loading.perform {
            seen.note()
            done.signal()
        }
        done.wait()
        loading.stop()
        #expect(seen.own.withLock { $0 } == TimeSlice.longest)
        #expect(seen.child.withLock { $0 } == usual)
    }
}
