import Testing

@testable import RoostEngine

@Suite struct OpenVINOOptionsTests {
    private func properties(
        _ engineOptions: [String: String] = [:],
        threads: Int = 1,
        lanes: Int? = 2,
        cores: Int = 8
    ) throws -> [String: String] {
        var options = SessionOptions(intraOpThreads: threads)
        options.lanes = lanes
        options.engineOptions = engineOptions
        let properties = try OpenVINOOptions(options, cores: cores).properties
        return Dictionary(properties.map { ($0.key, $0.value) }) { first, _ in
            Issue.record("set twice: \(first)")
            return first
        }
    }

    @Test("without options: 32-bit floats, a stream for each lane, and nothing pinned")
    func defaults() throws {
        #expect(
            try self.properties(threads: 3) == [
                "INFERENCE_NUM_THREADS": "6", "ENABLE_CPU_PINNING": "NO",
                "INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": "2",
            ]
        )
    }

    @Test("there are no more streams and threads than cores")
    func cores() throws {
        let properties = try self.properties(threads: 2, lanes: 64, cores: 4)
        #expect(properties["NUM_STREAMS"] == "4")
        #expect(properties["INFERENCE_NUM_THREADS"] == "4")
        #expect(try self.properties(threads: 2, lanes: nil, cores: 4)["NUM_STREAMS"] == "2")
    }

    @Test("the hints are OpenVINO's")
    func hints() throws {
        let latency = try self.properties(["performance": "latency"])
        #expect(latency["PERFORMANCE_HINT"] == "LATENCY")
        #expect(latency["NUM_STREAMS"] == "1")
        let throughput = try self.properties(["performance": "throughput"])
        #expect(throughput["PERFORMANCE_HINT"] == "THROUGHPUT")
        #expect(throughput["PERFORMANCE_HINT_NUM_REQUESTS"] == "2")
        #expect(throughput["NUM_STREAMS"] == nil)
    }

    @Test("precision, streams and cache are set; properties in capitals win")
    func chosen() throws {
        let properties = try self.properties([
            "precision": "bf16", "streams": "5", "cache": "/tmp/c", "ENABLE_CPU_PINNING": "YES",
        ])
        #expect(properties["INFERENCE_PRECISION_HINT"] == "bf16")
        #expect(properties["NUM_STREAMS"] == "5")
        #expect(properties["CACHE_DIR"] == "/tmp/c")
        #expect(properties["ENABLE_CPU_PINNING"] == "YES")
        #expect(try self.properties(["precision": "auto"])["INFERENCE_PRECISION_HINT"] == nil)
    }

    @Test(
        "what is no option, or no value of one, is named",
        arguments: [
            ("precision", "fp8", "precision is 'fp8', but must be auto, f32, bf16 or f16"),
            ("performance", "best", "performance is 'best', but must be latency or throughput"),
            ("streams", "0", "streams is '0', but must be 1 to 1024"),
            ("streams", "1025", "streams is '1025', but must be 1 to 1024"),
            (
                "session.x", "1",
                "OpenVINO has no option 'session.x'; there are cache, performance, precision, "
                    + "streams and its own properties, in capitals"
            ),
        ]
    )
    func problems(key: String, value: String, problem: String) throws {
        let error = try #require(throws: OpenVINOOptions.Problem.self) {
            _ = try self.properties([key: value])
        }
        #expect(error.message == problem)
    }

    @Test("1024 streams may be asked for")
    func streamsMax() throws {
        #expect(try self.properties(["streams": "1024"])["NUM_STREAMS"] == "1024")
    }

    @Test(
        "of an error text the first line that says why is quoted, without source files",
        arguments: [
            (
                """
                Exception from src/inference/src/cpp/core.cpp:97:
                Exception from src/frontends/common/src/frontend.cpp:54:
                Check 'm_actual' failed at src/frontends/common/src/frontend.cpp:54:
                FrontEnd API failed with GeneralFailure:
                Model can't be parsed

                """, "Model can't be parsed"
            ),
            (
                "Exception from src/a/b.cpp:1:\nError at src/core/x.hpp:12: the sizes differ\nmore",
                "Error the sizes differ"
            ),
            ("", ""), ("\n\n", ""), ("plain a/b", "plain a/b"),
        ]
    )
    func texts(text: String, reason: String) {
        #expect(OpenVINOErrorText.reason(in: text) == reason)
    }

    @Test("500 characters of an error text are quoted and not the 501st")
    func textMax() {
        let text = String(repeating: "a", count: 500)
        #expect(OpenVINOErrorText.reason(in: text) == text)
        #expect(OpenVINOErrorText.reason(in: text + "a") == text + "...")
    }
}
