import RoostEngine
import RoostTestKit
import RoostWire
import Testing

@testable import RoostWorker

@Suite
struct ModelTableTests {
    /// A table and what its owner would do, at once or when the test says so.
    private struct Scene {
        var table = ModelTable()
        /// What lies in the repository: stamps by name and version.
        var files: [String: [UInt32: UInt64]] = [:]
        var settings: [String: ModelConfiguration] = [:]
        var unsettled: Set<String> = []
        var faults: [String: String] = [:]
        var unknown: Set<String> = []
        /// Loads that were asked for and have not ended, oldest first.
        var loads: [(source: ModelSource, ticket: UInt64)] = []
        var log: [String] = []

        mutating func scan() {
            var view = RepositoryView()
            view.configurations = self.settings
            view.unknown = self.unknown
            for (name, versions) in self.files {
                if view.configurations[name] == nil {
                    view.configurations[name] = ModelConfiguration()
                }
                for (version, stamp) in versions {
                    let source = Self.source(name, version)
                    view.versions.append(
                        .init(
                            source,
                            stamp: stamp,
                            isSettled: !self.unsettled.contains("\(source)"),
                            fault: self.faults["\(source)"]
                        )
                    )
                }
            }
            self.perform(self.table.scanned(view))
        }

        /// The oldest load ends well.
        mutating func finish() {
            let (source, ticket) = self.loads.removeFirst()
            let model = LoadedModel(
                name: source.name,
                version: source.version,
                engine: "fake 1",
                session: FakeSession.identity()
            )
            self.perform(self.table.loaded(model, ticket: ticket))
        }

        /// The oldest load fails.
        mutating func fail(_ reason: String = "it is broken") {
            let (_, ticket) = self.loads.removeFirst()
            self.perform(self.table.failed(reason, ticket: ticket))
        }

        mutating func settle() {
            self.scan()
            while !self.loads.isEmpty { self.finish() }
        }

        mutating func order(_ action: Control.Action, _ model: String, _ version: UInt32 = 0) throws
        {
            self.perform(try self.table.order(action, model: model, version: version))
        }

        mutating func perform(_ actions: [ModelTable.Action]) {
            for action in actions {
                switch action {
                case .load(let source, _, let ticket):
                    self.loads.append((source, ticket))
                    self.log.append("load \(source)")
                case .open(let model, let place):
                    self.log.append("open \(model.name)/\(model.version) at \(place)")
                case .close(let model, let place):
                    self.log.append("close \(model.name)/\(model.version) at \(place)")
                case .discard(let model): self.log.append("discard \(model.name)/\(model.version)")
                case .recordChanged: self.log.append("record")
                }
            }
        }

        mutating func takeLog() -> [String] {
            defer { self.log = [] }
            return self.log
        }

        static func source(_ name: String, _ version: UInt32) -> ModelSource {
            ModelSource(name: name, version: version, directory: "r/\(name)/\(version)", file: "f")
        }

        var records: [String] {
            self.table.records.map { record in
                ([record.name, "\(record.version)"] + record.labels).joined(separator: " ")
            }
        }

        var states: [String] {
            self.table.states().map { state in
                "\(state.name)/\(state.version) \(state.state)"
                    + (state.reason.isEmpty ? "" : ": \(state.reason)")
            }
        }

        /// The version that a request gets.
        func version(_ name: String, version: UInt32 = 0, label: String = "") -> UInt32? {
            Array(name.utf8).withUnsafeBytes { name in
                Array(label.utf8).withUnsafeBytes { label in
                    self.table.place(of: name, version: version, label: label)
                        .map { self.table.model(at: $0).version }
                }
            }
        }
    }

    @Test("a version whose process has ended is not announced until another serves it")
    func outage() throws {
        var scene = Scene()
        scene.files = ["a": [1: 1], "b": [1: 1]]
        scene.scan()
        scene.finish()
        scene.finish()
        let model = try #require(scene.table.models.first { $0.name == "a" })
        let ended = IsolationStatus.ended(reason: "it ended", pause: .seconds(1), ends: 1)
        #expect(scene.table.changed(ended, of: model).count == 1)
        #expect(scene.table.records.map(\.name) == ["b"])
        let states = ["a/1 failed: it ended; it is started again after 1s", "b/1 ready"]
        #expect(scene.states == states)
        // Requests that come all the same are told when their turn comes.
        #expect(scene.version("a") == 1)
        // A scan changes nothing of that.
        scene.scan()
        #expect(scene.states == states)
        #expect(scene.table.records.map(\.name) == ["b"])
        #expect(scene.table.changed(.running, of: model).count == 1)
        #expect(scene.table.changed(.running, of: model).isEmpty)
        #expect(scene.table.records.map(\.name) == ["a", "b"])
        #expect(scene.states == ["a/1 ready", "b/1 ready"])
        // What has another place now says nothing of this one.
        scene.files["a"] = [1: 2]
        scene.scan()
        scene.finish()
        #expect(scene.table.changed(ended, of: model).isEmpty)
        #expect(scene.table.records.map(\.name) == ["a", "b"])
    }

    private func settings(
        _ versions: VersionPolicy = .latest(1),
        _ labels: [String: UInt32] = [:]
    ) -> ModelConfiguration {
        var settings = ModelConfiguration()
        settings.versions = versions
        settings.labels = labels
        return settings
    }

    @Test("the version that the policy chooses is loaded, and told of when it is ready")
    func load() {
        var scene = Scene()
        scene.files = ["m": [1: 1, 2: 1]]
        scene.scan()
        #expect(scene.takeLog() == ["load m/2"])
        #expect(scene.states == ["m/1 available", "m/2 loading"])
        #expect(scene.version("m") == nil)
        scene.finish()
        #expect(scene.takeLog() == ["open m/2 at 0", "record"])
        #expect(scene.records == ["m 2"])
        #expect(scene.version("m") == 2)
        scene.scan()
        #expect(scene.takeLog() == [])
    }

    @Test("a new version is loaded before the old one is retired")
    func replace() {
        var scene = Scene()
        scene.files = ["m": [1: 1]]
        scene.settle()
        scene.files = ["m": [1: 1, 2: 1]]
        _ = scene.takeLog()
        scene.scan()
        #expect(scene.takeLog() == ["load m/2"])
        #expect(scene.version("m") == 1)
        scene.finish()
        #expect(scene.takeLog() == ["open m/2 at 1", "close m/1 at 0", "record"])
        #expect(scene.records == ["m 2"])
        // The free place is the next one's.
        scene.files = ["m": [3: 1]]
        scene.settle()
        #expect(scene.takeLog() == ["load m/3", "open m/3 at 0", "close m/2 at 1", "record"])
    }

    @Test("requests under way keep their version's session, and no longer")
    func underWay() {
        var scene = Scene()
        scene.files = ["m": [1: 1]]
        scene.settle()
        scene.table.began(0)
        scene.table.began(0)
        scene.files = ["m": [1: 1, 2: 1]]
        _ = scene.takeLog()
        scene.settle()
        #expect(scene.takeLog() == ["load m/2", "open m/2 at 1", "record"])
        #expect(scene.states == ["m/1 retiring", "m/2 ready"])
        // Only of what is executed it is known by what.
        #expect(scene.table.states().map(\.engine) == ["", "fake 1"])
        #expect(scene.table.isBusy("m", version: 1))
        scene.table.ended(0)
        scene.perform(scene.table.sweep())
        #expect(scene.takeLog() == [])
        scene.table.ended(0)
        scene.perform(scene.table.sweep())
        #expect(scene.takeLog() == ["close m/1 at 0"])
        #expect(scene.states == ["m/1 available", "m/2 ready"])
        #expect(!scene.table.isBusy("m", version: 0))
    }

    @Test(
        "a broken version leaves the old one serving and keeps its reason; its files are tried once"
    )
    func broken() {
        var scene = Scene()
        scene.files = ["m": [1: 1]]
        scene.settle()
        scene.files = ["m": [1: 1, 2: 1]]
        scene.scan()
        scene.fail()
        #expect(scene.records == ["m 1"])
        #expect(scene.states == ["m/1 ready", "m/2 failed: it is broken"])
        scene.scan()
        #expect(scene.loads.isEmpty)
        scene.files = ["m": [1: 1, 2: 2]]
        scene.settle()
        #expect(scene.records == ["m 2"])
        #expect(scene.states == ["m/1 available", "m/2 ready"])
    }

    @Test("when the highest version is broken at the start, the one below it is loaded")
    func fallBack() {
        var scene = Scene()
        scene.files = ["m": [1: 1, 2: 1]]
        scene.scan()
        scene.fail()
        #expect(scene.takeLog() == ["load m/2", "load m/1"])
        scene.finish()
        #expect(scene.records == ["m 1"])
    }

    @Test("with no other version that works, the policy's failure leaves what serves")
    func specific() {
        var scene = Scene()
        scene.files = ["m": [1: 1]]
        scene.settings = ["m": self.settings(.specific([1]))]
        scene.settle()
        scene.files = ["m": [1: 1, 2: 1]]
        scene.settings = ["m": self.settings(.specific([2]))]
        scene.scan()
        scene.fail()
        #expect(scene.records == ["m 1"])
        scene.settings = ["m": self.settings(.specific([9]))]
        scene.settle()
        #expect(scene.records == ["m 1"])
    }

    @Test("a copy under way is not loaded, and not called broken")
    func settling() {
        var scene = Scene()
        scene.files = ["m": [1: 1, 2: 1]]
        scene.unsettled = ["m/2"]
        scene.faults = ["m/2": "it has no model.onnx"]
        scene.settle()
        #expect(scene.states == ["m/1 ready", "m/2 settling"])
        scene.unsettled = []
        scene.scan()
        #expect(scene.states == ["m/1 ready", "m/2 failed: it has no model.onnx"])
        scene.faults = [:]
        scene.files = ["m": [1: 1, 2: 2]]
        scene.settle()
        #expect(scene.records == ["m 2"])
    }

    @Test("a version whose files change is loaded again, and serves meanwhile as it was")
    func changed() {
        var scene = Scene()
        scene.files = ["m": [1: 1]]
        scene.settle()
        _ = scene.takeLog()
        scene.files = ["m": [1: 2]]
        scene.unsettled = ["m/1"]
        scene.scan()
        #expect(scene.takeLog() == [])
        #expect(scene.states == ["m/1 ready"])
        scene.unsettled = []
        scene.scan()
        #expect(scene.version("m") == 1)
        scene.finish()
        #expect(scene.takeLog() == ["load m/1", "open m/1 at 1", "close m/1 at 0"])
        scene.files = ["m": [1: 3]]
        scene.scan()
        scene.fail("no longer")
        #expect(scene.states == ["m/1 ready: no longer"])
        #expect(scene.records == ["m 1"])
    }

    @Test("a version whose directory vanishes is retired: at once if no other is there, else then")
    func vanished() {
        var scene = Scene()
        scene.files = ["m": [1: 1, 2: 1], "n": [1: 1]]
        scene.settle()
        scene.files = ["m": [1: 1]]
        _ = scene.takeLog()
        scene.scan()
        // n had nothing else; m's version 1 comes first.
        #expect(scene.takeLog() == ["load m/1", "close n/1 at 1", "record"])
        #expect(scene.version("m") == 2)
        scene.finish()
        #expect(scene.takeLog() == ["open m/1 at 1", "close m/2 at 0", "record"])
        #expect(scene.states == ["m/1 ready"])
    }

    @Test("a model whose directory cannot be read stays as it is")
    func unknown() {
        var scene = Scene()
        scene.files = ["m": [1: 1], "n": [1: 1]]
        scene.settle()
        scene.files = ["n": [1: 1]]
        scene.unknown = ["m"]
        scene.settle()
        #expect(scene.records == ["m 1", "n 1"])
    }

    @Test("a version that vanishes while it is loaded is not opened")
    func vanishedMeanwhile() {
        var scene = Scene()
        scene.files = ["m": [1: 1]]
        scene.scan()
        scene.files = [:]
        scene.scan()
        scene.finish()
        #expect(scene.takeLog() == ["load m/1", "discard m/1"])
        #expect(scene.states == [])
    }

    // MARK: Labels

    @Test("requests find a version by number, by label, by `stable`, or the highest")
    func resolve() {
        var scene = Scene()
        scene.files = ["m": [1: 1, 2: 1, 3: 1], "n": [4: 1, 5: 1]]
        scene.settings = [
            "m": self.settings(.all, ["stable": 2, "canary": 3]), "n": self.settings(.all),
        ]
        scene.settle()
        #expect(scene.version("m") == 2)
        #expect(scene.version("m", label: "canary") == 3)
        #expect(scene.version("m", version: 1) == 1)
        #expect(scene.version("m", version: 1, label: "canary") == 1)
        #expect(scene.version("m", label: "none") == nil)
        #expect(scene.version("m", version: 9) == nil)
        #expect(scene.version("n") == 5)
        for name in ["mm", "", "o"] { #expect(scene.version(name) == nil) }
        #expect(scene.records == ["m 1", "m 2 stable", "m 3 canary", "n 4", "n 5"])
    }

    @Test("a version that a label names is served whatever the policy")
    func labelled() {
        var scene = Scene()
        scene.files = ["m": [1: 1, 2: 1]]
        scene.settings = ["m": self.settings(.latest(1), ["stable": 1])]
        scene.settle()
        #expect(scene.records == ["m 1 stable", "m 2"])
        #expect(scene.version("m") == 1)
    }

    @Test("a label moves when its new version is ready, and stays where it was if that is broken")
    func movedLabel() {
        var scene = Scene()
        scene.files = ["m": [1: 1]]
        scene.settings = ["m": self.settings(.latest(1), ["stable": 1])]
        scene.settle()
        scene.files = ["m": [1: 1, 2: 1]]
        scene.settings = ["m": self.settings(.latest(1), ["stable": 2])]
        scene.scan()
        #expect(scene.version("m", label: "stable") == 1)
        scene.fail()
        #expect(scene.records == ["m 1 stable"])
        scene.files = ["m": [1: 1, 2: 2]]
        scene.settle()
        #expect(scene.records == ["m 2 stable"])
    }

    @Test("what is missing is said: the model, the version, the label, or what the label names")
    func problems() {
        var scene = Scene()
        scene.files = ["m": [1: 1]]
        scene.settings = ["m": self.settings(.latest(1), ["canary": 7])]
        scene.settle()
        func problem(_ name: String, _ version: UInt32 = 0, _ label: String = "") -> String {
            scene.table.problem(with: name, version: version, label: label, worker: "w")
        }
        #expect(problem("x") == "worker 'w' does not serve model 'x'")
        #expect(problem("m", 2) == "model 'm' has no version 2 here; it has 1")
        #expect(problem("m", 0, "x") == "model 'm' has no label 'x' here; it has version 1")
        #expect(
            problem("m", 0, "canary")
                == "label 'canary' of model 'm' names version 7, which does not serve here"
        )
    }

    // MARK: Orders

    @Test("an order to load serves a version beside the policy's, until its files change")
    func orderLoad() throws {
        var scene = Scene()
        scene.files = ["m": [1: 1, 2: 1]]
        scene.settle()
        try scene.order(.load, "m", 1)
        #expect(scene.table.isBusy("m", version: 1))
        #expect(!scene.table.isBusy("m", version: 2))
        scene.finish()
        #expect(scene.records == ["m 1", "m 2"])
        scene.settle()
        #expect(scene.records == ["m 1", "m 2"])
        scene.files = ["m": [1: 2, 2: 1]]
        scene.settle()
        #expect(scene.records == ["m 2"])
    }

    @Test("an order to unload holds over scans until the files change or it is ordered back")
    func orderUnload() throws {
        var scene = Scene()
        scene.files = ["m": [1: 1]]
        scene.settle()
        _ = scene.takeLog()
        try scene.order(.unload, "m")
        #expect(scene.takeLog() == ["close m/1 at 0", "record"])
        scene.settle()
        #expect(scene.states == ["m/1 unloaded"])
        try scene.order(.load, "m")
        scene.finish()
        #expect(scene.records == ["m 1"])
        try scene.order(.unload, "m", 1)
        scene.files = ["m": [1: 2]]
        scene.settle()
        #expect(scene.records == ["m 1"])
    }

    @Test("unloading the policy's version leaves the next one to it")
    func unloadHighest() throws {
        var scene = Scene()
        scene.files = ["m": [1: 1, 2: 1]]
        scene.settle()
        try scene.order(.unload, "m", 2)
        scene.finish()
        #expect(scene.states == ["m/1 ready", "m/2 unloaded"])
    }

    @Test("a reload loads what is loaded again before it lets the old go, and tries what failed")
    func orderReload() throws {
        var scene = Scene()
        scene.files = ["m": [1: 1, 2: 1, 3: 1]]
        scene.scan()
        scene.fail()
        scene.finish()
        #expect(scene.states == ["m/1 available", "m/2 ready", "m/3 failed: it is broken"])
        _ = scene.takeLog()
        try scene.order(.reload, "m")
        #expect(scene.takeLog() == ["load m/3"])
        scene.fail()
        // 2 is wanted again, and was to be loaded again.
        #expect(scene.takeLog() == ["load m/2"])
        scene.finish()
        #expect(scene.takeLog() == ["open m/2 at 1", "close m/2 at 0"])
    }

    @Test("an order takes a copy that has not settled")
    func orderUnsettled() throws {
        var scene = Scene()
        scene.files = ["m": [1: 1]]
        scene.unsettled = ["m/1"]
        scene.scan()
        #expect(scene.loads.isEmpty)
        try scene.order(.load, "m")
        scene.finish()
        scene.scan()
        #expect(scene.records == ["m 1"])
    }

    @Test("an order for what is not there is refused")
    func orderNothing() {
        var scene = Scene()
        scene.files = ["m": [1: 1, 3: 1]]
        scene.settle()
        #expect(throws: ModelTable.OrderProblem.self) { try scene.order(.load, "x") }
        do {
            try scene.order(.unload, "m", 2)
            Issue.record("it was taken")
        } catch {
            let problem = error as? ModelTable.OrderProblem
            #expect(
                problem?.message
                    == "model 'm' has no version 2 in the repository; it has 1, 3"
            )
        }
        #expect(scene.records == ["m 3"])
    }

    @Test("256 versions are served; the 257th has failed, and says why")
    func versionsMax() {
        var scene = Scene()
        for number in 0..<5 {
            let versions = (1...UInt32(64)).map { ($0, UInt64(1)) }
            scene.files["m\(number)"] = Dictionary(uniqueKeysWithValues: versions)
            scene.settings["m\(number)"] = self.settings(.all)
        }
        scene.files["m4"] = [1: 1]
        scene.settle()
        #expect(scene.records.count == WireLimits.modelsMax)
        #expect(
            scene.states.last
                == "m4/1 failed: it is one version too many: a worker serves at most 256"
        )
    }
}
