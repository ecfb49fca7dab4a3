package import RoostEngine
internal import RoostWire
internal import ZeroMQ

/// Where a worker's models come from and how they are loaded.
package struct ModelSupply: Sendable {
    /// How often the repository is looked at, whether or not the system tells of changes. Every look
    /// reads all its directories; on a network's file system more seldom may be kinder.
    package static let pollIntervalDefault: Duration = .seconds(5)
    package static let pollIntervalBounds = Duration.milliseconds(50)...Duration.seconds(3_600)
    /// A copy is complete when nothing of it has changed for so long. Shorter takes new versions
    /// sooner, and tries copies that pause for longer than that before they are complete.
    package static let settleTimeDefault: Duration = .seconds(2)

    package static let settleTimeBounds = Duration.zero...Duration.seconds(3_600)

    package let repository: ModelRepository
    package var loader: ModelLoader
    package var configuration: ModelConfigurationProvider
    package var pollInterval = Self.pollIntervalDefault
    package var settleTime = Self.settleTimeDefault
    /// Whether the system is asked to tell of changes (inotify), too.
    package var usesNotices = true
    /// What loaded versions may hold in memory together; `nil`: everything is loaded.
    package var memory: MemoryBudget? {
        didSet { self.loader.measuresMemory = self.memory != nil }
    }

    package init(
        repository: ModelRepository,
        loader: ModelLoader,
        configuration: @escaping ModelConfigurationProvider = ModelConfiguration.load(directory:)
    ) {
        self.repository = repository
        self.loader = loader
        self.configuration = configuration
    }

    /// What a worker starts with.
    package struct Stock: Sendable {
        package let table: ModelTable
        /// Everything that is not as it should be, one sentence each. The others serve all the same.
        package let problems: [String]
        let settling: Settling
        let view: RepositoryView
    }

    /// Loads what the repository has and the policies choose. Blocks, perhaps for minutes.
    ///
    /// - Parameter loaded: is told of each model as it becomes ready, and how long that took.
    package func stock(loaded: (LoadedModel, Duration) -> Void = { _, _ in }) -> Stock {
        let listing = self.repository.scan()
        var settling = Settling(settleTime: self.settleTime)
        let isSettled = settling.observe(
            listing.versions,
            now: Moment(nanoseconds: Reactor.monotonicNanoseconds())
        )
        let view = RepositoryView.make(
            listing,
            isSettled: isSettled,
            in: self.repository,
            configuration: self.configuration
        )
        var problems = view.problems
        var table = ModelTable(memory: self.memory)
        func now() -> Moment { Moment(nanoseconds: Reactor.monotonicNanoseconds()) }
        var actions = table.scanned(view, now: now())
        let clock = SuspendingClock()
        while !actions.isEmpty {
            switch actions.removeFirst() {
            case .load(let source, let configuration, let ticket):
                let start = clock.now
                do throws(ModelProblems) {
                    let model = try self.loader.load(source, configuration)
                    actions += table.loaded(model, ticket: ticket, now: now())
                    loaded(model, clock.now - start)
                } catch {
                    problems += error.problems
                    actions += table.failed(error.message, ticket: ticket, now: now())
                }
            // It had no room after all.
            case .close(let model, _), .discard(let model):
                model.unload()
                Heap.trim()
            case .open, .recordChanged: continue
            }
        }
        return Stock(table: table, problems: problems, settling: settling, view: view)
    }
}
