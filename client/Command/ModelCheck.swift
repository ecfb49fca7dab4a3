import RoostEngine
import RoostOps
import RoostWire
import RoostWorker

/// Loads what lies in a directory as a worker would, and keeps what there is to say of it.
struct ModelCheck {
    let engines: Engines
    /// How models are loaded that are to have processes of their own.
    let isolation: IsolationOptions
    let location: ModelLocation
    /// For how long each model is measured; `nil`: not at all.
    let tuneTime: Duration?

    /// Blocks, perhaps for minutes.
    func run() throws(CommandError) -> ModelCheckReport {
        let repository = ModelRepository(
            directory: self.location.repository,
            only: self.location.model.map { [$0] }
        )
        let listing = repository.scan()
        var report = ModelCheckReport(problems: self.relevant(listing.problems))
        var names: [String] = []
        for source in listing.sources where names.last != source.name { names.append(source.name) }
        for name in names {
            let sources = listing.sources.filter { $0.name == name }
            report.models.append(try self.check(name, sources))
        }
        return report
    }

    /// Of a repository's problems those of the version that was asked for.
    private func relevant(_ problems: [String]) -> [String] {
        guard let version = self.location.version, let model = self.location.model else {
            return problems
        }
        let directory = "\(self.location.repository)/\(model)/\(version)"
        return problems.filter { $0.contains("'\(directory)'") || $0.contains("'\(directory)/") }
    }

    private func check(
        _ name: String,
        _ sources: [ModelSource]
    ) throws(CommandError) -> ModelReport {
        let directory = "\(self.location.repository)/\(name)"
        var report = ModelReport(name: name, directory: directory)
        var configuration = ModelConfiguration()
        do throws(ModelProblems) {
            configuration = try ModelConfiguration.load(directory: directory)
            report.configuration = configuration
        } catch {
            report.configurationProblems = error.problems
        }
        var loaded: [LoadedModel] = []
        for source in sources {
            if let version = self.location.version, version != source.version { continue }
            report.versions.append(self.load(source, configuration, into: &loaded))
        }
        // As the worker: a version that is broken leaves its place to the one before it.
        let present = self.location.version == nil ? loaded.map(\.version) : sources.map(\.version)
        let served = configuration.versions.served(of: present) + configuration.labels.values
        for index in report.versions.indices {
            let version = report.versions[index]
            report.versions[index].isServed =
                report.configuration != nil && version.problems.isEmpty
                && served.contains(version.version)
        }
        if report.configuration != nil {
            report.configurationProblems = configuration.problems(
                versions: sources.map(\.version)
            )
        }
        if let tuneTime, let model = loaded.last {
            let tune = ModelTune(
                model: model,
                configuration: configuration,
                directory: directory,
                time: tuneTime
            )
            report.tuning = try tune.run()
        }
        return report
    }

    private func load(
        _ source: ModelSource,
        _ configuration: ModelConfiguration,
        into loaded: inout [LoadedModel]
    ) -> ModelReport.Version {
        var version = ModelReport.Version(version: source.version, byteCount: source.byteCount)
        let clock = SuspendingClock()
        let start = clock.now
        do throws(ModelProblems) {
            var loader = ModelLoader(engines: self.engines)
            loader.isolation = self.isolation
            let model = try loader.load(source, configuration)
            version.loadTime = clock.now - start
            version.signature = model.session.signature
            version.engine = model.description.engine
            version.classCount = model.description.labels.count
            loaded.append(model)
        } catch {
            version.problems = error.problems
        }
        return version
    }
}
