package import RoostWire
package import ZeroMQ

/// What executes a worker's requests: an owner of the ``Scheduler``.
///
/// The worker's is ``ExecutorPool``; the simulation has one that takes virtual time instead of
/// threads.
package protocol Executors: Sendable {
    /// Takes finished jobs, on an executor's thread.
    typealias Finished = @Sendable ([Job]) -> Void

    /// Starts that many executors.
    func start(threads: Int) throws(RoostError)
    /// Offers a turn's requests to the scheduler.
    ///
    /// - Returns: those that it refused, and why.
    func submit(_ jobs: [(job: Job, byteCount: Int)]) -> [(Job, Scheduler<Job>.Refusal)]
    /// Takes a waiting request out; `nil` if it is running, finished or unknown.
    func cancel(_ key: RequestKey) -> Job?
    /// Forgets what waits for a client that has gone.
    func cancelAll(of peer: PeerID)
    /// So many of the jobs that were handed back have been answered.
    func answered(_ count: Int)
    /// From now on everything new is refused.
    func drain()
    var statistics: ExecutorStatistics { get }
    /// Whether everything that was accepted has been answered: not only executed, for an answer may
    /// still be on its way from an executor.
    var isIdle: Bool { get }
    /// Drops what waits, lets what runs end, and ends the executors. Blocks.
    func stop()
}

/// What a heartbeat tells of the executors.
package struct ExecutorStatistics: Sendable {
    package var running: Int
    package var queued: Int
    package var finished: UInt64
    package var lastProgress: Moment

    package init(running: Int, queued: Int, finished: UInt64, lastProgress: Moment) {
        self.running = running
        self.queued = queued
        self.finished = finished
        self.lastProgress = lastProgress
    }
}
