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
    /// The model is executed from now on; its requests name it by that place.
    func open(_ model: LoadedModel, at place: Int)
    /// The model is executed no more: no request for it waits or runs. Its place may be given to
    /// another, and what the executors keep of it is let go.
    func close(_ place: Int)
    /// Offers a turn's requests to the scheduler.
    ///
    /// - Returns: those that it refused, and why.
    func submit(_ jobs: [(job: Job, byteCount: Int)]) -> [(Job, Scheduler<Job>.Refusal)]
    /// Takes a waiting request out; `nil` if it is running, finished or unknown.
    func cancel(_ key: RequestKey) -> Job?
    /// Takes out what waits for a client that has gone.
    func cancelAll(of peer: PeerID) -> [Job]
    /// A request that waits is another link's from now on: its client sent it again there.
    func rename(_ key: RequestKey, to other: RequestKey)
    /// So many of the jobs that were handed back have been answered.
    func answered(_ count: Int)
    /// From now on everything new is refused.
    func drain()
    var statistics: ExecutorStatistics { get }
    /// What was done for the model of that place; `nil` if there is none.
    func statistics(of place: Int) -> ModelStatistics?
    /// Whether everything that was accepted has been answered: not only executed, for an answer may
    /// still be on its way from an executor.
    var isIdle: Bool { get }
    /// Drops what waits, lets what runs end, and ends the executors. Blocks.
    func stop()
}

/// What is told of the executors: made by the ``Scheduler``.
package struct ExecutorStatistics: Sendable {
    package let running: Int
    package let queued: Int
    package let finished: UInt64
    package let lastProgress: Moment
    /// When the oldest running execution began; never if none runs.
    package let oldestStart: Moment
    /// When the first of the running executions will have taken unusually long; never if none runs.
    package let stall: Moment
    /// What an execution takes of late; zero before the first.
    package let meanServiceTime: Duration
}
