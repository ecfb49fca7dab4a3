import RoostWire
import Testing

@testable import RoostEngine

@Suite struct TensorFlowOptionsTests {
    private func options(
        _ engineOptions: [String: String],
        format: ModelFormat = .frozenGraph,
        threads: Int = 1,
        lanes: Int? = nil
    ) throws -> TensorFlowOptions {
        var options = SessionOptions(intraOpThreads: threads)
        options.engineOptions = engineOptions
        options.lanes = lanes
        return try TensorFlowOptions(options, format: format)
    }

    private func problem(
        _ engineOptions: [String: String],
        format: ModelFormat = .frozenGraph
    ) -> String? {
        do {
            _ = try self.options(engineOptions, format: format)
            return nil
        } catch {
            return (error as? TensorFlowOptions.Problem)?.message
        }
    }

    @Test("layers are read though model.toml joins them with colons, which are in them")
    func layers() throws {
        let options = try self.options([
            "inputs": ["DecodeJpeg/contents:0", "size", "scale=Mul:2"].joined(separator: ":"),
            "outputs": "final_result:0",
        ])
        #expect(
            options.inputs == [
                .init(name: "DecodeJpeg/contents:0", tensor: "DecodeJpeg/contents:0"),
                .init(name: "size", tensor: "size"), .init(name: "scale", tensor: "Mul:2"),
            ]
        )
        #expect(options.outputs == [.init(name: "final_result:0", tensor: "final_result:0")])
        for text in ["", "a:", "=a", "a=", "a:a"] {
            #expect(
                self.problem(["inputs": text])?.contains("must have names of tensors") == true,
                "\(text)"
            )
        }
    }

    @Test("dimensions are sizes or question marks, none for a scalar")
    func dimensions() throws {
        let options = try self.options(["shape.x": " ?, 224,3 ", "shape.s": ""])
        #expect(options.dimensions == ["x": [.dynamic(""), .fixed(224), .fixed(3)], "s": []])
        #expect(try self.options(["shape.x": "1,1,1,1,1,1,1,1"]).dimensions["x"]?.count == 8)
        for text in ["-1", "1,,2", "a", "1,1,1,1,1,1,1,1,1", "99999999999"] {
            #expect(
                self.problem(["shape.x": text])
                    == "shape.x is '\(text)', but must be at most 8 sizes, ? where any will do, "
                    + "such as \"?, 3\""
            )
        }
    }

    @Test("numbers are within their bounds")
    func numbers() throws {
        #expect(try self.options(["inter-op-threads": "1024"]).interOpThreads == 1024)
        #expect(try self.options(["run-timeout": "86400000"]).runTimeout == 86_400_000)
        #expect(
            self.problem(["inter-op-threads": "1025"])
                == "inter-op-threads is '1025', but must be 1 to 1024"
        )
        #expect(self.problem(["inter-op-threads": "0"]) != nil)
        #expect(
            self.problem(["run-timeout": "86400001"])
                == "run-timeout is '86400001', but must be 1 to 86400000"
        )
        #expect(self.problem(["run-timeout": "1s"]) != nil)
    }

    @Test("a setting that is not known, or not of that kind of file, is told with those that are")
    func unknown() {
        #expect(
            self.problem(["precision": "f32"])
                == "TensorFlow has no option 'precision'; there are inputs, inter-op-threads, "
                + "outputs, run-timeout, shape.NAME, signature"
        )
        #expect(self.problem(["shape.": "1"]) != nil)
        #expect(
            self.problem(["inputs": "x"], format: .savedModel)
                == "inputs and outputs are for frozen graphs; a SavedModel has signatures"
        )
        #expect(
            self.problem(["signature": "x"])
                == "a frozen graph has no signatures; name its inputs and outputs"
        )
        #expect(self.problem(["signature": "x"], format: .savedModel) == nil)
    }

    @Test("threads go to TensorFlow in its own words")
    func configuration() throws {
        // Intra-op 3, inter-op 1, a pool of 1; runs by the caller.
        var options = try self.options([:], threads: 3, lanes: 4)
        #expect(options.sessionConfiguration == [0x10, 3, 0x28, 1, 0x62, 2, 8, 1])
        #expect(options.runConfiguration == [0x18] + Array(repeating: 0xFF, count: 9) + [1])
        options = try self.options(["inter-op-threads": "2"], lanes: 4)
        #expect(options.sessionConfiguration == [0x10, 1, 0x28, 2, 0x62, 2, 8, 2])
        #expect(options.runConfiguration == [])
        // Who waits for the end of the time does not execute: each lane needs a thread.
        options = try self.options(["inter-op-threads": "2", "run-timeout": "300"], lanes: 4)
        #expect(options.sessionConfiguration == [0x10, 1, 0x28, 4, 0x62, 2, 8, 4])
        #expect(options.runConfiguration == [0x10, 0xAC, 2])
    }

    @Test(
        "of an error the reason is told, without the names of nodes",
        arguments: [
            (
                "{{function_node __inference_serve_1}} {{function_node f}} Input is empty.\n\t "
                    + "[[{{node DecodeJpeg}}]]",
                "Input is empty."
            ),
            ("Op type not registered 'X'\non this machine", "Op type not registered 'X'"),
            ("\n [[{{node a}}]]\n", ""), ("", ""), ("an {{open end", "an {{open end"),
        ]
    )
    func errorText(text: String, reason: String) {
        #expect(TensorFlowErrorText.reason(in: text) == reason)
    }

    @Test("a long reason is cut off", arguments: [500, 501])
    func longText(count: Int) {
        let reason = TensorFlowErrorText.reason(in: String(repeating: "x", count: count))
        #expect(reason.count == (count == 500 ? 500 : 503))
    }
}
