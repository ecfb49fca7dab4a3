import Glibc
import RoostTestKit
import RoostWire
import Synchronization
import Testing

@testable import RoostEngine
@testable import RoostWorker

/// What is done behind the threads that serve, and what is not.
@Suite
struct BackgroundThreadTests {
    /// The calling thread's.
    private static var niceness: Int32 {
        getpriority(__priority_which_t(bitPattern: PRIO_PROCESS.rawValue), 0)
    }

    /// What the system calls the calling thread.
    private static var name: String {
        guard let file = fopen("/proc/thread-self/comm", "r") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count).prefix { $0 != 10 }, as: UTF8.self)
    }

    @Test("work is done on a lower thread, and the calling one stays as it is")
    func lowers() {
        let (before, caller) = (Self.niceness, pthread_self())
        let (niceness, isOther, name) = BackgroundThread.run {
            (Self.niceness, pthread_equal(pthread_self(), caller) == 0, Self.name)
        }
        #expect(isOther)
        #expect(name == "roost-load-low")
        #expect(niceness == min(before + BackgroundThread.niceness, 19))
        #expect(Self.niceness == before)
    }

    /// An engine that notes at which priority its models are loaded and run first.
    private final class Observer: Engine {
        let name = "observer"
        let version = "1"
        let startsThreads: Bool
        let seen = Mutex<[String: Set<Int32>]>([:])

        init(startsThreads: Bool) { self.startsThreads = startsThreads }

        func startsThreads(for _: ModelSource, options _: SessionOptions) -> Bool {
            self.startsThreads
        }

        func load(
            _ source: ModelSource,
            options _: SessionOptions
        ) throws(EngineError) -> any Session {
            self.note("load")
            if source.name == "broken" {
                throw EngineError(.modelInvalid, "it is broken", engine: self.name)
            }
            return FakeSession(FakeSession.identity().signature) {
                (inputs) throws(EngineError) in
                self.note("run")
                return inputs
            }
        }

        private func note(_ key: String) {
            let niceness = BackgroundThreadTests.niceness
            _ = self.seen.withLock { $0[key, default: []].insert(niceness) }
        }
    }

    @Test(
        "a model is loaded and warmed behind the others, if its engine starts no threads then",
        arguments: [(true, false, 10), (true, true, 0), (false, false, 0)] as [(Bool, Bool, Int32)]
    )
    func loads(isInBackground: Bool, startsThreads: Bool, lower: Int32) throws {
        let engine = Observer(startsThreads: startsThreads)
        var loader = ModelLoader(engine: engine)
        loader.isInBackground = isInBackground
        let source = ModelSource(name: "m", version: 1, directory: "/m/1", file: "/m/1/model.onnx")
        let model = try loader.load(source, ModelConfiguration())
        #expect(model.description.engine == "observer 1")
        let expected: Set = [min(Self.niceness + lower, 19)]
        #expect(engine.seen.withLock { $0 } == ["load": expected, "run": expected])
        let broken = ModelSource(
            name: "broken",
            version: 1,
            directory: "/broken/1",
            file: "/broken/1/model.onnx"
        )
        let error = #expect(throws: ModelProblems.self) {
            try loader.load(broken, ModelConfiguration())
        }
        #expect(error?.problems == ["it is broken"])
    }

    /// The threads of this process that have a niceness of their own.
    private static func threads(niceness: Int32) -> Int {
        guard let directory = opendir("/proc/self/task") else { return 0 }
        defer { closedir(directory) }
        var count = 0
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard let thread = id_t(name) else { continue }
            let which = __priority_which_t(bitPattern: PRIO_PROCESS.rawValue)
            if getpriority(which, thread) == niceness { count += 1 }
        }
        return count
    }

    @Test(
        "ONNX Runtime starts threads when it says that it may, and none when it says that it does not",
        .enabled(if: Self.niceness == 0),
        arguments: [1, 2]
    )
    func engine(threads: Int) throws {
        let directory = "\(Repository.fixtures)/../../examples/models/digits/1"
        let source = ModelSource(
            name: "digits",
            version: 1,
            directory: directory,
            file: "\(directory)/model.onnx"
        )
        let options = SessionOptions(intraOpThreads: threads)
        let engine = try ONNXRuntime()
        #expect(engine.startsThreads(for: source, options: options) == (threads > 1))
        // Nobody else's threads have these.
        let niceness: Int32 = 12 + Int32(threads)
        let others = Mutex<Int?>(nil)
        let image = Tensor([Float](repeating: 0, count: 64), shape: [1, 1, 8, 8])
        let thread = try #require(
            Thread.start("test", stack: Thread.executorStackBytes) {
                setpriority(__priority_which_t(bitPattern: PRIO_PROCESS.rawValue), 0, niceness)
                guard let session = try? engine.load(source, options: options),
                    let lane = try? session.makeLane(), (try? lane.run([image])) != nil
                else { return }
                others.withLock { $0 = Self.threads(niceness: niceness) - 1 }
            }
        )
        pthread_join(thread, nil)
        #expect(others.withLock { $0 } == threads - 1)
    }

    @Test(
        "settings by which it starts others, or code of others does, are known",
        arguments: [
            ["execution-mode": "parallel"], ["inter-op-threads": "2"], ["profiling": "."],
            ["custom-operators": "a.so"], ["session.intra_op.allow_spinning": "0"],
            ["device": "cuda:0"], ["graph-optimization": "nonsense"],
        ]
    )
    func settings(settings: [String: String]) throws {
        let source = ModelSource(
            name: "m",
            version: 1,
            directory: "/tmp/1",
            file: "/tmp/1/model.onnx"
        )
        var options = SessionOptions()
        let engine = try ONNXRuntime()
        options.engineOptions = ["graph-optimization": "basic", "own-outputs": "true"]
        #expect(!engine.startsThreads(for: source, options: options))
        options.engineOptions = settings
        let isRead = (try? ONNXRuntimeOptions(options, for: source)) != nil
        #expect(isRead == (settings["graph-optimization"] == nil))
        #expect(engine.startsThreads(for: source, options: options))
    }
}
