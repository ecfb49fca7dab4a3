// swift-tools-version: 6.2
import PackageDescription

// Targets are listed bottom-up: each may use only what stands above it. RoostClient needs RoostWire
// and ZeroMQ and nothing else, so a service that embeds it builds in seconds; RoostWorker, which a
// program embeds that hosts its own models, needs RoostEngine beside them.

/// Set in CI and by `make lint`: warnings become errors in our own targets, not in our dependencies.
let strict = Context.environment["ROOST_STRICT"] == "1"
/// Set by `make fuzz`: the fuzzer's entry point has no `main` and would not link otherwise.
let fuzzing = Context.environment["ROOST_FUZZ"] == "1"

/// Set by `make simulate`: a simulated network takes the place of libzmq, and the program that
/// simulates whole fleets on it is there to be built.
let simulating = Context.environment["ROOST_SIMULATE"] == "1"

let settings: [SwiftSetting] =
    [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    ] + (strict ? [.treatAllWarnings(as: .error)] : [])

/// Has the fuzzer see which branches its inputs reach, and every access beyond a frame; and call what
/// is of no use beyond its module.
let coverage: [SwiftSetting] =
    fuzzing ? [.unsafeFlags(["-sanitize=fuzzer,address", "-enable-testing"])] : []
/// Built only when asked for: unsafe flags keep a package from being depended on.
let fuzzers: [Target] =
    fuzzing
    ? [
        .executableTarget(
            name: "wire-fuzzer",
            dependencies: ["RoostWire", "RoostWireTestKit"],
            path: "Tests/Fuzz",
            swiftSettings: settings + coverage + [.unsafeFlags(["-parse-as-library"])],
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address"])]
        ),
        .executableTarget(
            name: "image-fuzzer",
            dependencies: ["RoostImage", "RoostWire"],
            path: "Tests/ImageFuzz",
            swiftSettings: settings + coverage + [.unsafeFlags(["-parse-as-library"])],
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address"])]
        ),
        .executableTarget(
            name: "model-fuzzer",
            dependencies: ["RoostEngine", "RoostWire", "RoostWorker"],
            path: "Tests/ModelFuzz",
            exclude: ["seeds"],
            swiftSettings: settings + coverage + [.unsafeFlags(["-parse-as-library"])],
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address"])]
        ),
    ] : []

let network: Target =
    simulating
    ? .target(name: "ZeroMQ", path: "Tests/Simulation/ZeroMQ", swiftSettings: settings)
    : .target(name: "ZeroMQ", dependencies: ["CZeroMQ"], swiftSettings: settings)
let simulators: [Target] =
    simulating
    ? [
        .executableTarget(
            name: "roost-simulate",
            dependencies: [
                "RoostBroker", "RoostClient", "RoostEngine", "RoostWire", "RoostWorker", "ZeroMQ",
            ],
            path: "Tests/Simulation/Simulate",
            swiftSettings: settings
        )
    ] : []

let argumentParser: Target.Dependency = .product(
    name: "ArgumentParser",
    package: "swift-argument-parser"
)
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")

let package = Package(
    name: "roost",
    products: [
        .library(name: "RoostClient", targets: ["RoostClient"]),
        .library(name: "RoostWorker", targets: ["RoostWorker"]),
        .executable(name: "roost-broker", targets: ["roost-broker"]),
        .executable(name: "roost-worker", targets: ["roost-worker"]),
        .executable(name: "roost", targets: ["roost"]),
        // For tests only: preloaded into programs.
        .library(name: "FakeClock", type: .dynamic, targets: ["CFakeClock"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    ],
    targets: [
        // System libraries. No pkgConfig: libzmq.pc makes SwiftPM warn on every build.
        .systemLibrary(name: "CZeroMQ", providers: [.apt(["libzmq3-dev"])]),
        // Structs only: the libraries are opened at run time.
        .systemLibrary(name: "COpenVINO"),
        .systemLibrary(name: "CTensorFlow"),
        .systemLibrary(name: "CCZMQ", providers: [.apt(["libczmq-dev"])]),
        .systemLibrary(name: "CSPNG", providers: [.apt(["libspng-dev"])]),
        .systemLibrary(name: "CTurboJPEG", providers: [.apt(["libturbojpeg0-dev"])]),
        .systemLibrary(name: "CWebP", providers: [.apt(["libwebp-dev"])]),
        // Vector operations, no library.
        .systemLibrary(name: "CMultiplyAdd"),
        // System calls that Swift cannot make.
        .target(name: "CIsolation"),

        // Libraries that more than one role is made of.
        network,
        .target(name: "RoostWire", swiftSettings: settings + coverage),
        .target(
            name: "RoostEngine",
            dependencies: ["COpenVINO", "CTensorFlow", "RoostWire"],
            swiftSettings: settings + coverage
        ),
        .target(
            name: "RoostImage",
            dependencies: ["CMultiplyAdd", "CSPNG", "CTurboJPEG", "CWebP", "RoostWire"],
            swiftSettings: settings + coverage
        ),
        .target(
            name: "RoostOps",
            dependencies: ["CCZMQ", "RoostWire", argumentParser, logging],
            swiftSettings: settings
        ),

        // The script that fetches engines, inside the program.
        .target(
            name: "EngineInstaller",
            path: "worker/engines",
            resources: [.embedInCode("install")],
            swiftSettings: settings
        ),

        // The three roles.
        .target(
            name: "RoostBroker",
            dependencies: ["ZeroMQ", "RoostWire"],
            path: "broker",
            exclude: ["Command", "Startup"],
            swiftSettings: settings
        ),
        .target(
            name: "RoostWorker",
            dependencies: ["CIsolation", "ZeroMQ", "RoostWire", "RoostEngine", "RoostImage"],
            path: "worker",
            exclude: ["Command", "Startup", "engines"],
            swiftSettings: settings + coverage
        ),
        .target(
            name: "RoostClient",
            dependencies: ["ZeroMQ", "RoostWire"],
            path: "client",
            exclude: ["Command"],
            swiftSettings: settings
        ),

        // The programs. What `roost serve` shares with a role's own program is its Startup.
        .target(
            name: "RoostBrokerStartup",
            dependencies: ["RoostBroker", "RoostOps", "RoostWire", argumentParser, logging],
            path: "broker/Startup",
            swiftSettings: settings
        ),
        .target(
            name: "RoostWorkerStartup",
            dependencies: [
                "RoostEngine", "RoostOps", "RoostWire", "RoostWorker", "ZeroMQ", argumentParser,
                logging,
            ],
            path: "worker/Startup",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "roost-broker",
            dependencies: [
                "RoostBroker", "RoostBrokerStartup", "RoostOps", "RoostWire", "ZeroMQ",
                argumentParser, logging,
            ],
            path: "broker/Command",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "roost-worker",
            dependencies: [
                "RoostOps", "RoostWire", "RoostWorker", "RoostWorkerStartup", "ZeroMQ",
                argumentParser, logging,
            ],
            path: "worker/Command",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "roost",
            dependencies: [
                "EngineInstaller", "RoostBroker", "RoostBrokerStartup", "RoostClient",
                "RoostEngine",
                "RoostImage", "RoostOps", "RoostWire", "RoostWorker", "RoostWorkerStartup",
                "ZeroMQ",
                argumentParser, logging,
            ],
            path: "client/Command",
            swiftSettings: settings
        ),

        // An example: models that are Swift code, and who asks them.
        .executableTarget(
            name: "hosted-models",
            dependencies: ["RoostClient", "RoostWorker"],
            path: "examples/hosted",
            swiftSettings: settings
        ),

        // Tests of the wire. Their kit needs nothing else, so that the fuzzer builds fast.
        .target(
            name: "RoostWireTestKit",
            dependencies: ["RoostWire"],
            path: "Tests/RoostWireTestKit",
            swiftSettings: settings + coverage
        ),
        .testTarget(
            name: "RoostWireTests",
            dependencies: ["RoostWire", "RoostWireTestKit"],
            swiftSettings: settings
        ),
        // What the codec costs, in time and allocations.
        .target(
            name: "CMallocCount",
            path: "Tests/Performance/CMallocCount"
        ),
        .executableTarget(
            name: "roost-codec-bench",
            dependencies: ["CMallocCount", "RoostWire"],
            path: "Tests/Performance/Codec",
            swiftSettings: settings
        ),
        // Tests. Those of the engines need the engines: `make engines`.
        .testTarget(
            name: "RoostEngineTests",
            dependencies: ["RoostEngine", "RoostWire"],
            swiftSettings: settings
        ),
        // Those of RoostImage encode their own pictures, with the libraries that decode.
        .testTarget(
            name: "RoostImageTests",
            dependencies: ["CSPNG", "CTurboJPEG", "RoostImage", "RoostWire"],
            swiftSettings: settings
        ),
        .target(
            name: "RoostTestKit",
            dependencies: [
                "RoostBroker", "RoostClient", "RoostEngine", "RoostWire", "RoostWorker", "ZeroMQ",
            ],
            path: "Tests/RoostTestKit",
            swiftSettings: settings
        ),
        // The raw libzmq peers among them need libzmq itself.
        .testTarget(
            name: "ZeroMQTests",
            dependencies: ["CZeroMQ", "RoostTestKit", "ZeroMQ"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "RoostBrokerTests",
            dependencies: [
                "RoostBroker", "RoostBrokerStartup", "RoostTestKit", "RoostWire", "ZeroMQ", logging,
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "RoostWorkerTests",
            dependencies: [
                "RoostBroker", "RoostClient", "RoostEngine", "RoostTestKit", "RoostWire",
                "RoostWorker", "ZeroMQ",
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "RoostClientTests",
            dependencies: [
                "RoostBroker", "RoostClient", "RoostEngine", "RoostTestKit", "RoostWire",
                "RoostWorker", "ZeroMQ",
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "RoostTestKitTests",
            dependencies: ["RoostTestKit"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "RoostOpsTests",
            dependencies: ["RoostOps", "RoostWire", logging],
            swiftSettings: settings
        ),
        .testTarget(
            name: "CommandTests",
            dependencies: [
                "roost", "roost-policy-bench", "RoostClient", "RoostOps", "RoostTestKit",
                "RoostWire", "RoostWorker", argumentParser,
            ],
            swiftSettings: settings
        ),
        // It runs roost-simulate, which `make test` builds first.
        .testTarget(
            name: "SimulationTests",
            dependencies: ["RoostTestKit"],
            swiftSettings: settings
        ),
        .target(name: "CFakeClock", path: "Tests/FakeClock"),
        .testTarget(
            name: "FleetTests",
            dependencies: [
                "RoostClient", "RoostEngine", "RoostTestKit", "RoostWire", "RoostWorker", "ZeroMQ",
            ],
            swiftSettings: settings
        ),

        // The random soup: `make soak`.
        .executableTarget(
            name: "roost-soak",
            dependencies: [
                "RoostClient", "RoostOps", "RoostTestKit", "RoostWire", argumentParser,
            ],
            path: "Tests/Soak",
            swiftSettings: settings
        ),

        // ONNX's own tests: `make conformance`.
        .executableTarget(
            name: "roost-conformance",
            dependencies: [
                "RoostClient", "RoostEngine", "RoostOps", "RoostTestKit", "RoostWire",
                argumentParser,
            ],
            path: "Tests/Conformance",
            swiftSettings: settings
        ),

        // Benchmarks: `make bench`.
        .executableTarget(
            name: "pingpong",
            dependencies: ["CZeroMQ"],
            path: "Tests/Performance/PingPong",
            linkerSettings: [.linkedLibrary("zmq")]
        ),
        .executableTarget(name: "heartbeats", path: "Tests/Performance/Heartbeats"),
        .executableTarget(
            name: "roost-broker-bench",
            dependencies: ["RoostBroker", "RoostOps", "RoostTestKit", "RoostWire", "ZeroMQ"],
            path: "Tests/Performance/Broker",
            swiftSettings: settings
        ),
        .target(
            name: "RoostBenchKit",
            dependencies: ["RoostWire"],
            path: "Tests/Performance/Kit",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "roost-engine-bench",
            dependencies: ["RoostBenchKit", "RoostEngine", "RoostWire", argumentParser],
            path: "Tests/Performance/Engine",
            swiftSettings: settings
        ),
        .target(name: "CEngineLoop", path: "Tests/Performance/CEngineLoop"),
        .executableTarget(
            name: "roost-engine-overhead",
            dependencies: [
                "CEngineLoop", "CMallocCount", "RoostBenchKit", "RoostEngine", "RoostWire",
            ],
            path: "Tests/Performance/Overhead",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "roost-isolation-bench",
            dependencies: ["RoostBenchKit", "RoostEngine", "RoostWire", "RoostWorker"],
            path: "Tests/Performance/Isolation",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "roost-image-bench",
            dependencies: ["RoostImage", "RoostWire"],
            path: "Tests/Performance/Image",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "roost-bench",
            dependencies: [
                "RoostBenchKit", "RoostBroker", "RoostClient", "RoostEngine", "RoostTestKit",
                "RoostWire", "RoostWorker", "ZeroMQ",
            ],
            path: "Tests/Performance/Bench",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "roost-policy-bench",
            dependencies: [
                "RoostClient", "RoostEngine", "RoostTestKit", "RoostWire", "RoostWorker", "ZeroMQ",
            ],
            path: "Tests/Performance/Policies",
            swiftSettings: settings
        ),
    ] + fuzzers + simulators
)
