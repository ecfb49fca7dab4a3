internal import Glibc
internal import RoostEngine
internal import RoostWire
internal import Synchronization
internal import ZeroMQ

/// A thread that looks at a repository again and again, and at once when the system says that
/// something has changed there: the thin owner of ``Settling`` and ``FileNotices``.
///
/// The system's notices are not sent for changes that other machines make to a network's file
/// system: polling alone sees them, later.
final class RepositoryWatch: Sendable {
    /// Takes what was found, on the watch's thread. `answers` is how many ``scanNow()`` it answers;
    /// `nil` if the repository could not be read.
    typealias Report =
        @Sendable (_ view: RepositoryView?, _ problems: [String], _ answers: Int) -> Void

    private struct State {
        /// Scans that were asked for and not begun.
        var wanted = 0
        var isStopping = false
        var thread: pthread_t?
    }

    private let supply: ModelSupply
    private let report: Report
    /// A pipe: what is written to its second end wakes the thread.
    private let wakeEnds: (read: Int32, write: Int32)?
    private let state = Mutex(State())
    private static let stackBytes = 1 << 20
    /// Notices come in swarms while files are copied: they are gathered for so long, in ms.
    private static let gatherTime: Int32 = 20

    init(_ supply: ModelSupply, report: @escaping Report) {
        self.supply = supply
        self.report = report
        var ends: [Int32] = [0, 0]
        self.wakeEnds = pipe(&ends) == 0 ? (ends[0], ends[1]) : nil
        guard let wakeEnds else { return }
        for end in [wakeEnds.read, wakeEnds.write] {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
    }

    deinit {
        guard let wakeEnds else { return }
        close(wakeEnds.read)
        close(wakeEnds.write)
    }

    /// Starts the thread; false if the system refuses.
    ///
    /// - Parameters:
    ///   - settling: as it has seen the scan that the worker started with.
    ///   - known: what that scan gave.
    func start(_ settling: Settling, known: RepositoryView) -> Bool {
        guard self.wakeEnds != nil else { return false }
        let thread = Thread.start("roost-watch", stack: Self.stackBytes) {
            self.run(settling, known)
        }
        self.state.withLock { $0.thread = thread }
        return thread != nil
    }

    /// Has the repository looked at once more, and reported even if nothing has changed.
    func scanNow() {
        self.state.withLock { $0.wanted += 1 }
        self.wake()
    }

    /// Ends the thread, waiting for a scan that is under way.
    func stop() {
        let thread = self.state.withLock { state in
            state.isStopping = true
            return state.thread.take()
        }
        self.wake()
        if let thread { pthread_join(thread, nil) }
    }

    private func wake() {
        // A pipe that is full wakes the thread as well.
        if let wakeEnds { _ = write(wakeEnds.write, [1], 1) }
    }

    // MARK: The thread

    private func run(_ settling: Settling, _ known: RepositoryView) {
        var settling = settling
        var known = known
        var problems = Set(known.problems)
        var notices = self.supply.usesNotices ? FileNotices() : nil
        notices?.follow(self.supply.repository.directory, known)
        while true {
            let renamed = self.wait(for: &notices, until: settling.deadline)
            let (wanted, isStopping) = self.state.withLock { state in
                defer { state.wanted = 0 }
                return (state.wanted, state.isStopping)
            }
            if isStopping { return }
            let listing = self.supply.repository.scan()
            var view: RepositoryView?
            var found = listing.problems
            if listing.isReadable {
                let now = Moment(nanoseconds: Reactor.monotonicNanoseconds())
                let isSettled = settling.observe(listing.versions, now: now) { source in
                    renamed.contains(source.name) || renamed.contains("\(source)")
                }
                let seen = RepositoryView.make(
                    listing,
                    isSettled: isSettled,
                    in: self.supply.repository,
                    configuration: self.supply.configuration
                )
                notices?.follow(self.supply.repository.directory, seen)
                found = seen.problems
                if seen != known || wanted > 0 { view = seen }
                known = seen
            }
            // Each is told once, until it is mended.
            let fresh = found.filter { !problems.contains($0) }
            problems = Set(found)
            if view != nil || !fresh.isEmpty || wanted > 0 { self.report(view, fresh, wanted) }
        }
    }

    /// Waits until something may have changed; gives the names that were renamed into place.
    private func wait(for notices: inout FileNotices?, until deadline: Moment) -> Set<String> {
        let now = Moment(nanoseconds: Reactor.monotonicNanoseconds())
        let due = min(now + self.supply.pollInterval, deadline)
        // A millisecond more: a wait that is cut short would see nothing and wait again.
        let milliseconds = Int32(clamping: max((due - now).nanoseconds, 0) / 1_000_000 + 1)
        var descriptors = [
            pollfd(fd: self.wakeEnds?.read ?? -1, events: Int16(POLLIN), revents: 0),
            pollfd(fd: notices?.descriptor ?? -1, events: Int16(POLLIN), revents: 0),
        ]
        guard poll(&descriptors, 2, milliseconds) > 0 else { return [] }
        if descriptors[0].revents != 0, let wakeEnds {
            var bytes = [UInt8](repeating: 0, count: 64)
            while read(wakeEnds.read, &bytes, bytes.count) == bytes.count {}
        }
        guard descriptors[1].revents != 0 else { return [] }
        _ = poll(nil, 0, Self.gatherTime)
        return notices?.take() ?? []
    }
}
