import RoostEngine
import RoostTestKit
import RoostWire
import Testing

@testable import RoostWorker

@Suite
struct ModelConfigurationTests {
    private static func parse(_ text: String) throws(ModelProblems) -> ModelConfiguration {
        try ModelConfiguration(parsing: Array(text.utf8), file: "model.toml")
    }

    private static func problems(_ text: String) -> [String] {
        do throws(ModelProblems) {
            _ = try self.parse(text)
            return []
        } catch {
            return error.problems
        }
    }

    private static func stateful(_ line: String) -> String {
        "[state]\nx = \"y\"\n[sequences]\n\(line)"
    }

    @Test("an empty file changes nothing")
    func empty() throws {
        var expected = ModelConfiguration()
        expected.file = "model.toml"
        #expect(try Self.parse("") == expected)
        #expect(try Self.parse("# a comment ...\n\n") == expected)
        #expect(expected.versions == .latest(1))
        #expect(!expected.isBatchingChosen)
        #expect(expected.policy == ExecutionPolicy())
    }

    @Test("every key is read")
    func everything() throws {
        let configuration = try Self.parse(
            """
            versions = [1, 3]
            engine = "onnxruntime"
            instances = 2
            threads = 3
            weight = 4
            classes = "labels.txt"

            [labels]
            stable = 1
            canary = 3

            [engine-options]
            "session.disable_prepacking" = true
            level = 2
            operators = ["a.so", "/b.so"]
            cuda.gpu_mem_limit = 5

            [batching]
            max-size = 32
            preferred-sizes = [8, 16]
            max-delay = "2ms"
            [batching.padding]
            tokens = 0
            mask = -1.5

            [queue]
            max-requests = 100
            max-bytes = "64MiB"
            timeout = "100ms"

            [warm-up]
            batch-sizes = [1, 32]
            [warm-up.shapes]
            tokens = [1, 128]

            [state]
            total = "next"
            [sequences]
            max = 9
            idle = "5s"
            bytes = "1MiB"
            """
        )
        #expect(configuration.versions == .specific([1, 3]))
        #expect(configuration.engine == "onnxruntime")
        #expect(configuration.labels == ["stable": 1, "canary": 3])
        #expect(
            configuration.engineOptions == [
                "session.disable_prepacking": "1", "level": "2", "operators": "a.so:/b.so",
                "cuda.gpu_mem_limit": "5",
            ]
        )
        #expect(configuration.classesFile == "labels.txt")
        #expect(configuration.threads == 3)
        #expect(configuration.isBatchingChosen)
        var policy = ExecutionPolicy()
        policy.instances = 2
        policy.weight = 4
        policy.batchMax = 32
        policy.preferredRows = [8, 16]
        policy.batchDelay = .milliseconds(2)
        policy.padding = ["tokens": 0, "mask": -1.5]
        policy.queueMax = 100
        policy.queueBytesMax = 64 << 20
        policy.queueTimeout = .milliseconds(100)
        #expect(configuration.policy == policy)
        #expect(policy.problems().isEmpty)
        #expect(configuration.warmUp.batchSizes == [1, 32])
        #expect(configuration.warmUp.shapes == ["tokens": [1, 128]])
        #expect(configuration.state == ["total": "next"])
        var sequences = SequenceLimits()
        sequences.countMax = 9
        sequences.idleMax = .seconds(5)
        sequences.bytesMax = 1 << 20
        #expect(configuration.sequences == sequences)
        #expect(configuration.place(of: "batching.max-size") == "model.toml:19")
        #expect(configuration.place(of: "warm-up.shapes.tokens") == "model.toml:34")
        #expect(configuration.sessionOptions(SessionOptions()).intraOpThreads == 3)
    }

    @Test("a cache keeps answers, or lets equal requests wait for each other, or both")
    func cache() throws {
        #expect(try Self.parse("").cache == nil)
        #expect(try Self.parse("[cache]").cache == CacheLimits())
        let cache = try Self.parse(
            """
            [cache]
            bytes = "64MiB"
            lifetime = "10s"
            entry-max = "2MiB"
            followers = 0
            """
        ).cache
        var limits = CacheLimits()
        limits.bytesMax = 64 << 20
        limits.lifetime = .seconds(10)
        limits.entryMax = 2 << 20
        limits.followersMax = 0
        #expect(cache == limits)
        let plain = try Self.parse("")
        let cached = try Self.parse("[cache]")
        #expect(plain.loadingHash != cached.loadingHash)
    }

    @Test("a model that answers with streams has no cache")
    func cachedStreams() throws {
        let configuration = try Self.parse("\n[cache]")
        #expect(configuration.problems(with: FakeSession.identity()).isEmpty)
        #expect(
            configuration.problems(with: FakeStreamingSession()) == [
                "model.toml:2: cache has no meaning with a model that answers with streams"
            ]
        )
    }

    @Test(
        "versions are all, the latest, so many of them, or those that are named",
        arguments: [
            ("\"latest\"", VersionPolicy.latest(1)), ("\"all\"", .all),
            ("{ latest = 3 }", .latest(3)), ("[2]", .specific([2])),
        ]
    )
    func versions(text: String, policy: VersionPolicy) throws {
        #expect(try Self.parse("versions = \(text)").versions == policy)
    }

    @Test("batching that is set up without a size joins up to 64 rows, how many is found out")
    func defaultBatchMax() throws {
        let configuration = try Self.parse("[batching]\nmax-delay = \"1ms\"")
        #expect(configuration.isBatchingChosen)
        #expect(configuration.policy.batchMax == 64)
        #expect(configuration.policy.findsBatchSize)
        for line in ["max-size = 8", "preferred-sizes = [4]"] {
            #expect(try !Self.parse("[batching]\n" + line).policy.findsBatchSize)
        }
    }

    @Test(
        "what is wrong is one sentence with its line",
        arguments: [
            ("threads = 1\ninstances = 0", "2: instances is 0, but must be a whole number from 1"),
            ("instances = 1025", "1: instances is 1025, but must be a whole number from 1 to 1024"),
            ("threads = 1025", "1: threads is 1025, but"), ("weight = 1001", "1: weight is 1001"),
            ("threads = \"many\"", "1: threads is 'many', but must be a whole number"),
            ("threads = 1.5", "1: threads is 1.5, but"), ("threads = true", "1: threads is true"),
            ("threads = 2024-01-01", "1: it is no TOML: '2024-01-01' is no number; dates are not"),
            ("threads = [1]", "1: threads is an array"),
            ("batching = 3", "1: batching is 3, but must be a table: [batching]"),
            ("\n[batching]\nmax-size = 0", "3: batching.max-size is 0"),
            ("[batching]\nmax-size = 65537", "2: batching.max-size is 65537"),
            ("[batching]\nmax-delay = 2", "2: batching.max-delay is 2, but must be a duration"),
            ("[batching]\nmax-delay = \"11s\"", "from \"0s\" to \"10s\", such as \"2ms\""),
            ("[batching]\npreferred-sizes = []", "2: batching.preferred-sizes is an array, but"),
            ("[batching]\npreferred-sizes = [8, 4]", "2: batching.preferred-sizes must ascend"),
            ("[batching]\npreferred-sizes = [4, 4]", "2: batching.preferred-sizes must ascend"),
            ("[batching]\npreferred-sizes = [1, 65]", "2: batching.preferred-sizes has 65, more"),
            ("[batching]\npreferred-sizes = [0]", "whole numbers from 1 to 65536, such as [1]"),
            (
                "[batching]\nmax-size = 1\nmax-delay = \"1ms\"",
                "3: batching.max-delay has no meaning with max-size = 1"
            ),
            ("[batching.padding]\ntokens = \"0\"", "2: batching.padding.tokens is '0', but must"),
            ("[batching.padding]\ntokens = nan", "2: batching.padding.tokens is nan, but"),
            ("[queue]\nmax-requests = 0", "2: queue.max-requests is 0"),
            ("[queue]\nmax-requests = 1000001", "2: queue.max-requests is 1000001"),
            ("[queue]\nmax-bytes = \"64MB\"", "2: queue.max-bytes is '64MB', but must be a size"),
            ("[queue]\nmax-bytes = \"0B\"", "from \"1B\" to \"1TiB\", such as \"64MiB\""),
            ("[queue]\ntimeout = \"0s\"", "2: queue.timeout is '0s', but must be a duration"),
            ("versions = \"newest\"", "1: versions is 'newest', but must be \"latest\", \"all\""),
            ("versions = { latest = 0 }", "1: versions: the number of latest versions must be 1"),
            ("versions = { latest = 1, all = 2 }", "1: versions is a table, but"),
            ("versions = []", "1: versions: no version is named"),
            ("versions = [0]", "1: versions: version 0 is named"),
            ("versions = [1, 1]", "1: versions: a version is named more than once"),
            ("versions = [4294967296]", "1: versions is an array, but"),
            ("[labels]\nstable = 0", "2: labels.stable is 0, but must be a version"),
            ("[labels]\nstable = \"1\"", "2: labels.stable is '1', but must be a version"),
            (
                "versions = [1]\n[labels]\ncanary = 2",
                "3: label 'canary' names version 2, which versions leaves out"
            ), ("engine = \"pytorch\"", "1: there is no engine 'pytorch'; there is onnx"),
            ("engine = \"\"", "1: engine is '', but must be a name"),
            ("[engine-options]\na = []", "2: engine-options.a is an array, but must be a text"),
            ("[engine-options]\na = [1]", "2: engine-options.a is an array, but must be a text"),
            ("[engine-options]\na.b.c = 1", "2: engine-options.a.b is a table, but"),
            ("classes = 3", "1: classes is 3, but must be the name of a file"),
            ("classes = \"/etc/passwd\"", "1: classes must be a file in the model's directory"),
            ("classes = \"a/../../b\"", "1: classes must be a file in the model's directory"),
            ("[warm-up]\nbatch-sizes = [0]", "2: warm-up.batch-sizes is an array, but"),
            ("[warm-up]\ninputs = \"..\"", "2: warm-up.inputs must be a directory in the model's"),
            (
                "[batching]\nmax-size = 8\n[warm-up]\nbatch-sizes = [1, 9]",
                "4: warm-up.batch-sizes has 9, more than batching.max-size, which is 8"
            ), ("[warm-up.shapes]\nx = 3", "2: warm-up.shapes.x is 3, but must be 1 to 8 whole"),
            (
                "[warm-up]\ninputs = \"w\"\n[warm-up.shapes]\nx = [1]",
                "3: warm-up has inputs and shapes"
            ), ("[state]\nx = 3", "2: state.x is 3, but must be the name of an output"),
            ("[state]\nx = \"\"", "2: state.x is '', but must be the name"),
            ("[state]\na = \"y\"\nb = \"y\"", "3: state: output 'y' is given to two inputs"),
            ("[sequences]\nmax = 1", "1: sequences has no meaning without [state]"),
            (Self.stateful("max = 0"), "4: sequences.max is 0"),
            (Self.stateful("max = 1000001"), "4: sequences.max is 1000001"),
            (Self.stateful("idle = \"0s\""), "4: sequences.idle is '0s', but must be a duration"),
            (Self.stateful("idle = \"25h\""), "4: sequences.idle is '25h', but must be a dur"),
            (Self.stateful("bytes = \"2TiB\""), "4: sequences.bytes is '2TiB', but must be a"),
            (Self.stateful("") + "\n[cache]", "5: cache has no meaning with [state]"),
            ("[cache]\nlifetime = \"1s\"", "2: cache.lifetime has no meaning without cache.bytes"),
            ("[cache]\nfollowers = 0", "2: cache does nothing: without bytes no answer is kept"),
            ("[cache]\nfollowers = -1", "2: cache.followers is -1, but must be a whole number"),
            ("[cache]\nfollowers = 1000001", "2: cache.followers is 1000001, but"),
            ("[cache]\nbytes = \"4095B\"", "2: cache.bytes is '4095B', but must be a size from"),
            ("[cache]\nbytes = \"2TiB\"", "from \"4KiB\" to \"1TiB\", such as \"64MiB\""),
            ("[cache]\nentry-max = \"65MiB\"", "2: cache.entry-max is '65MiB', but must be"),
            (
                "[cache]\nbytes = \"1MiB\"\nlifetime = \"25h\"",
                "3: cache.lifetime is '25h', but must be a duration from \"1ms\" to \"24h\""
            ),
            (
                "[cache]\nbyte = \"1MiB\"",
                "2: there is no key cache.byte; did you mean cache.bytes?"
            ),
            ("response_cache = true", "1: there is no key response_cache; did you mean cache?"),
            ("threads = 1\nthreads = 2", "2: it is no TOML: "), ("x", "1: it is no TOML: "),
            ("threads = ", "1: it is no TOML: "), ("[batching", "1: it is no TOML: "),
        ]
    )
    func problem(text: String, words: String) {
        let problems = Self.problems(text)
        #expect(problems.count == 1, "\(problems)")
        let isFound = problems.first?.contains(words) == true
        #expect(isFound, "\(problems)")
        #expect(problems.first?.hasPrefix("model.toml:") == true)
    }

    @Test(
        "an unknown key is named, with what was perhaps meant",
        arguments: [
            ("instnaces = 2", "1: there is no key instnaces; did you mean instances?"),
            ("Threads = 2", "did you mean threads?"),
            (
                "[batching]\nmax_size = 2",
                "there is no key batching.max_size; did you mean "
                    + "batching.max-size?"
            ),
            ("max_batch_size = 8", "did you mean batching.max-size?"),
            (
                "[queue]\nthreads = 8",
                "2: there is no key queue.threads; threads belongs above the "
                    + "first [table]"
            ),
            ("max-size = 8", "max-size belongs into [batching]"),
            ("[batching]\nfoo = 1", "; there are max-delay, max-size, padding, preferred-sizes"),
            ("\"a\\u0000b\\u001B[31m\" = 1", "there is no key 'a\\0b\\u{1B}[31m'"),
            ("\"\" = 1", "there is no key ''"),
        ]
    )
    func unknown(text: String, words: String) {
        let problems = Self.problems(text)
        #expect(problems.count == 1)
        #expect(problems.first?.contains(words) == true, "\(problems)")
    }

    @Test("all problems are told at once, in the order of their lines")
    func allAtOnce() {
        let problems = Self.problems(
            """
            weight = 0
            colour = "red"
            [queue]
            timeout = 5
            [batching]
            max-size = 4
            preferred-sizes = [8]
            """
        )
        #expect(problems.map { $0.split(separator: ":")[1] } == ["1", "2", "4", "7"])
    }

    @Test("of very many problems the first are told, and how many more there are")
    func manyProblems() {
        let bound = ConfigurationProblems.problemsMax
        func file(_ count: Int) -> String { (0..<count).map { "x\($0)=1\n" }.joined() }
        #expect(Self.problems(file(bound)).count == bound)
        let more = Self.problems(file(bound + 1))
        #expect(more.count == bound + 1)
        #expect(more.last == "model.toml: and 1 more problems like these")
    }

    @Test("64 labels are the most")
    func labelsMax() throws {
        func file(_ count: Int) -> String {
            "versions = \"all\"\n[labels]\n" + (1...count).map { "l\($0)=\($0)\n" }.joined()
        }
        let bound = ModelConfiguration.labelsMax
        #expect(try Self.parse(file(bound)).labels.count == bound)
        #expect(Self.problems(file(bound + 1)).count == 1)
    }

    @Test("labels and versions are seen against the versions that are there")
    func present() throws {
        let configuration = try Self.parse(
            "versions = \"latest\"\n[labels]\nstable = 1\ncanary = 2\nnext = 3"
        )
        #expect(
            configuration.problems(versions: [1, 2]) == [
                "model.toml:5: label 'next' names version 3, which is not there"
            ]
        )
        let specific = try Self.parse("versions = [1, 2, 4]")
        #expect(specific.problems(versions: [1, 2, 4]).isEmpty)
        #expect(
            specific.problems(versions: [2])
                == ["model.toml:1: versions names 1, 4, which are not there"]
        )
        #expect(ModelConfiguration().problems(versions: [UInt32]()).isEmpty)
    }

    private static let tokens = ModelSignature(
        inputs: [
            TensorSignature(
                name: "tokens",
                datatype: .int64,
                dimensions: [.dynamic("batch"), .dynamic("length")]
            )
        ],
        outputs: [
            TensorSignature(name: "y", datatype: .fp32, dimensions: [.dynamic("batch"), .fixed(2)])
        ]
    )

    @Test(
        "what names an input is seen against the signature",
        arguments: [
            ("[batching.padding]\ntoken = 0", "2: the model has no input 'token'; it has 'tokens'"),
            ("[batching.padding]\ntokens = 0.5", "2: batching.padding: 0.5 is no INT64"),
            ("[warm-up.shapes]\ntokens = [1]", "2: warm-up.shapes: [1] does not fit input tokens"),
            ("[warm-up.shapes]\nx = [1]", "2: the model has no input 'x'"),
            ("[state]\nx = \"y\"", "2: the model has no input 'x'; it has 'tokens'"),
            ("[state]\ntokens = \"z\"", "2: the model has no output 'z'; it has 'y'"),
            ("[state]\ntokens = \"y\"", "2: state: output y FP32 [batch, 2] does not fit input"),
        ]
    )
    func signature(text: String, words: String) throws {
        let problems = try Self.parse(text).problems(signature: Self.tokens)
        #expect(problems.count == 1)
        #expect(problems.first?.contains(words) == true, "\(problems)")
    }

    @Test("batching is refused where the signature allows none")
    func unbatchable() throws {
        let fixed = ModelSignature(
            inputs: [TensorSignature(name: "x", datatype: .fp32, dimensions: [.fixed(2)])],
            outputs: []
        )
        let asked = try Self.parse("[batching]\nmax-size = 8").problems(signature: fixed)
        #expect(asked.count == 1)
        #expect(
            asked.first?.hasPrefix("model.toml:2: the model's requests cannot be joined: ") == true
        )
        #expect(try Self.parse("[batching]\nmax-size = 1").problems(signature: fixed).isEmpty)
    }

    @Test("values of a datatype's whole range fill up its rows", arguments: DataType.allCases)
    func padding(datatype: DataType) throws {
        let signature = ModelSignature(
            inputs: [
                TensorSignature(
                    name: "x",
                    datatype: datatype,
                    dimensions: [.dynamic(""), .dynamic("")]
                )
            ],
            outputs: [TensorSignature(name: "y", datatype: .fp32, dimensions: [.dynamic("")])]
        )
        func fits(_ value: String) throws -> Bool {
            try Self.parse("[batching.padding]\nx = \(value)").problems(signature: signature)
                .isEmpty
        }
        let (least, most): (Double, Double)
        switch datatype {
        case .bytes:
            #expect(try !fits("0"))
            return
        case .fp16, .fp32, .fp64, .bf16:
            #expect(try fits("-0.5"))
            return
        case .bool: (least, most) = (0, 1)
        case .uint8: (least, most) = (0, 255)
        case .uint16: (least, most) = (0, 65_535)
        case .uint32: (least, most) = (0, 4_294_967_295)
        case .int8: (least, most) = (-128, 127)
        case .int16: (least, most) = (-32_768, 32_767)
        case .int32: (least, most) = (-2_147_483_648, 2_147_483_647)
        case .uint64, .int64: (least, most) = (0, 9_007_199_254_740_991)
        }
        #expect(try fits("\(least)"))
        #expect(try fits("\(most)"))
        #expect(try !fits("0.5"))
        guard datatype != .uint64, datatype != .int64 else { return }
        #expect(try !fits("\(least - 1)"))
        #expect(try !fits("\(most + 1)"))
    }
}
