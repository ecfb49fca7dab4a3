import ArgumentParser
import RoostClient
import RoostOps

/// `roost stats`: what the workers have done for each model, and how long it took.
struct StatsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats",
        abstract: "Shows what was done for each model, and how long it took.",
        discussion: """
            Counts are since a version was loaded, be it let go for others and loaded again since. QUEUE is how long a request waited, the mean; \
            INPUT, COMPUTE and OUTPUT are what an execution took to assemble, to run and to take \
            apart, the mean; ROWS/EXEC is how many rows shared one. Of models that give answers \
            again, HITS is how many requests got a kept one, COALESCED how many waited for an equal \
            one under way, KEPT what the answers hold; REQUESTS are those executed. STATE is shown if a worker loads \
            versions when they are asked for.
            """
    )

    @OptionGroup var fleet: FleetOptions
    @Argument(help: "Only this model.") var model: String?
    @Flag(help: "A line for each worker instead of one for all together.") var perWorker = false
    @Flag(help: "Show how many rows executions had.") var batches = false
    @Flag(help: "Print JSON.") var json = false

    /// What is known of one version, of one worker or of several.
    struct Entry: Hashable {
        var statistics: ModelStatistics
        var workers: [String]
        /// What the version is at each of them; `nil`: the worker has no memory budget, and nothing is
        /// wrong with it.
        var states: [String?]
    }

    /// What one worker answered.
    struct Answer {
        let id: String
        let statistics: [ModelStatistics]
        var versions: [ModelStatus] = []

        /// What a version is, where versions come and go as they are asked for, or why it does not
        /// serve.
        func state(of statistics: ModelStatistics) -> String? {
            let version = self.versions.first {
                $0.name == statistics.name && $0.version == statistics.version
            }
            guard let version else { return nil }
            if version.state == "failed" { return "failed: \(version.reason)" }
            return version.memoryBytes == nil ? nil : version.title
        }
    }

    private static let answerTimeout: Duration = .seconds(2)

    func run() throws {
        try Program.run {
            let client = try self.fleet.client()
            let workers = try await client.workers().map(\.id)
            let timeout = min(try self.fleet.callTimeout(), Self.answerTimeout)
            let model = self.model
            let answers = await FleetAnswers.gather(workers) {
                worker async throws(InferenceError) in
                let statistics = try await client.statistics(
                    of: worker,
                    model: model,
                    timeout: timeout
                )
                // The figures say something without the states.
                let versions = try? await client.models(of: worker, model: model, timeout: timeout)
                return Answer(id: worker, statistics: statistics, versions: versions ?? [])
            }
            await client.close()
            for case (let worker, .failure(let error)) in answers {
                Output.error.line("worker '\(worker)' does not answer: \(error.message)")
            }
            let found = answers.compactMap { try? $0.answer.get() }
            let entries = Self.entries(found, perWorker: self.perWorker)
            if self.json {
                Output.standard.line(Self.json(entries))
            } else {
                Output.standard.line(Self.table(entries, perWorker: self.perWorker))
                if self.batches {
                    for entry in entries { Output.standard.line(Self.histogram(entry)) }
                }
            }
            guard entries.isEmpty else { return .ok }
            Output.error.line(
                model.map { "no worker serves model '\($0)'" } ?? "no worker serves a model"
            )
            return model == nil ? .ok : .unavailable
        }
    }

    /// By name, version and worker.
    static func entries(_ workers: [Answer], perWorker: Bool) -> [Entry] {
        var entries: [Entry] = []
        for worker in workers {
            for statistics in worker.statistics {
                let same = entries.firstIndex {
                    $0.statistics.name == statistics.name
                        && $0.statistics.version == statistics.version
                }
                if let same, !perWorker {
                    entries[same].statistics = entries[same].statistics + statistics
                    entries[same].workers.append(worker.id)
                    entries[same].states.append(worker.state(of: statistics))
                } else {
                    let state = worker.state(of: statistics)
                    entries.append(
                        Entry(statistics: statistics, workers: [worker.id], states: [state])
                    )
                }
            }
        }
        func order(_ entry: Entry) -> (String, Int, String) {
            (entry.statistics.name, entry.statistics.version, entry.workers[0])
        }
        return entries.sorted { order($0) < order($1) }
    }

    static func table(_ entries: [Entry], perWorker: Bool) -> String {
        // Most fleets have no caches.
        let hasCaches = entries.contains { $0.statistics.cache != nil }
        let caches = hasCaches ? ["HITS", "COALESCED", "KEPT"] : []
        // And load everything at their start.
        let hasStates = entries.contains { $0.states.contains { $0 != nil } }
        let states = hasStates ? ["STATE"] : []
        let names = ["MODEL", "VERSION", perWorker ? "WORKER" : "WORKERS"] + states
        let figures =
            ["REQUESTS", "ROWS/EXEC", "QUEUE", "INPUT", "COMPUTE", "OUTPUT"] + caches
        var table = Table(columns: names + figures + ["REFUSED"])
        table.alignRight(1)
        if !perWorker { table.alignRight(2) }
        for column in names.count..<(names.count + figures.count) { table.alignRight(column) }
        for entry in entries {
            let statistics = entry.statistics
            let executions = statistics.executions
            var row = [
                statistics.name, "\(statistics.version)",
                perWorker ? entry.workers[0] : "\(entry.workers.count)",
            ]
            if hasStates { row.append(Self.states(entry)) }
            row += [
                "\(statistics.requests)",
                Self.ratio(statistics.rows, executions),
                Self.mean(statistics.queueTime, statistics.requests),
                Self.mean(statistics.inputTime, executions),
                Self.mean(statistics.computeTime, executions),
                Self.mean(statistics.outputTime, executions),
            ]
            if hasCaches { row += Self.cells(statistics.cache) }
            table.add(row + [Self.refused(statistics.refusals)])
        }
        return table.text
    }

    /// `ready`, or `2 ready, pinned; 1 on-demand` if the workers differ.
    static func states(_ entry: Entry) -> String {
        let counts = Dictionary(grouping: entry.states) { $0 ?? "ready" }.mapValues(\.count)
        if counts.count == 1, let state = counts.keys.first { return state }
        return counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            .map { "\($0.value) \($0.key)" }.joined(separator: "; ")
    }

    private static func cells(_ cache: ModelStatistics.Cache?) -> [String] {
        guard let cache else { return ["-", "-", "-"] }
        let kept = ModelReport.size(Int(clamping: cache.byteCount))
        return ["\(cache.hits)", "\(cache.coalesced)", kept]
    }

    private static func ratio(_ rows: UInt64, _ executions: UInt64) -> String {
        guard executions > 0 else { return "-" }
        let tenths = (Double(rows) / Double(executions) * 10).rounded() / 10
        return "\(tenths)"
    }

    private static func mean(_ time: Duration, _ count: UInt64) -> String {
        guard count > 0 else { return "-" }
        return (time / Int(clamping: count)).text
    }

    /// `12: 9 late, 3 full`
    static func refused(_ refusals: ModelStatistics.Refusals) -> String {
        let parts = Self.reasons(refusals).filter { $0.count > 0 }.sorted { $0.count > $1.count }
        guard !parts.isEmpty else { return "0" }
        return "\(refusals.total): "
            + parts.map { "\($0.count) \($0.reason)" }.joined(separator: ", ")
    }

    private static func reasons(
        _ refusals: ModelStatistics.Refusals
    ) -> [(reason: String, count: UInt64)] {
        [
            ("full", refusals.full), ("late", refusals.late), ("draining", refusals.draining),
            ("expired", refusals.expired), ("timed out", refusals.timedOut),
            ("cancelled", refusals.cancelled),
        ]
    }

    /// The widest bar, in characters.
    private static let barMax = 40

    /// A bar for each class of batch sizes, up to the largest that came.
    static func histogram(_ entry: Entry) -> String {
        let statistics = entry.statistics
        var lines = ["", "\(statistics.name)/\(statistics.version): executions by their rows"]
        let sizes = statistics.batchSizes
        guard let last = sizes.lastIndex(where: { $0 > 0 }), let most = sizes.max() else {
            return lines.joined(separator: "\n") + "\n  none yet"
        }
        let width = "\(most)".count
        for (size, count) in sizes[...last].enumerated() {
            let bar = Int((Double(count) / Double(most) * Double(Self.barMax)).rounded(.up))
            let rows = size < 2 ? "\(size + 1)" : "\((1 << (size - 1)) + 1)-\(1 << size)"
            var line = "  " + rows.padding(to: 11, onTheLeft: true) + "  "
            line += "\(count)".padding(to: width, onTheLeft: true)
            if bar > 0 { line += "  " + String(repeating: "#", count: bar) }
            lines.append(line)
        }
        return lines.joined(separator: "\n")
    }

    private static func json(_ cache: ModelStatistics.Cache) -> JSON {
        .object([
            ("hits", .number(cache.hits)), ("misses", .number(cache.misses)),
            ("coalesced", .number(cache.coalesced)), ("bytes", .number(cache.byteCount)),
        ])
    }

    private static func json(_ entries: [Entry]) -> String {
        func count(_ value: UInt64) -> JSON { .number(value) }
        func seconds(_ time: Duration) -> JSON { .number(time / .seconds(1)) }
        return JSON.array(
            entries.map { entry in
                let statistics = entry.statistics
                return .object([
                    ("model", .string(statistics.name)),
                    ("version", .number(statistics.version)),
                    ("workers", .array(entry.workers.map { .string($0) })),
                    ("states", .array(entry.states.map { $0.map(JSON.string) ?? .null })),
                    ("requests", count(statistics.requests)), ("rows", count(statistics.rows)),
                    ("executions", count(statistics.executions)),
                    ("queue_seconds", seconds(statistics.queueTime)),
                    ("input_seconds", seconds(statistics.inputTime)),
                    ("compute_seconds", seconds(statistics.computeTime)),
                    ("output_seconds", seconds(statistics.outputTime)),
                    ("batch_sizes", .array(statistics.batchSizes.map(count))),
                    (
                        "refused",
                        .object(
                            Self.reasons(statistics.refusals).map {
                                ($0.reason.replacing(" ", with: "_"), count($0.count))
                            }
                        )
                    ),
                    ("failed_batches", count(statistics.failedBatches)),
                    ("cache", statistics.cache.map(Self.json) ?? .null),
                ])
            }
        ).description
    }
}
