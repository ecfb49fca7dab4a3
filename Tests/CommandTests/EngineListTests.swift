import ArgumentParser
import RoostOps
import Testing

@testable import roost

@Suite struct EngineListTests {
    private let report = EngineListReport(entries: [
        .init(
            name: "onnxruntime",
            version: "1.31.1",
            path: "/e/libonnxruntime.so",
            devices: ["CPU"]
        ),
        .init(
            name: "openvino",
            isMissing: true,
            problem: "not installed: roost engine install openvino"
        ),
    ])

    @Test("an engine is a line, one that is missing with the command that installs it")
    func text() {
        #expect(
            self.report.text == """
                ENGINE       VERSION  DEVICES  LIBRARY
                onnxruntime  1.31.1   CPU      /e/libonnxruntime.so
                openvino     -        -        not installed: roost engine install openvino
                """
        )
        #expect(
            self.report.json.description == """
                [{"engine":"onnxruntime","version":"1.31.1","library":"/e/libonnxruntime.so",\
                "devices":["CPU"],"problem":null},{"engine":"openvino","version":null,\
                "library":null,"devices":[],"problem":"not installed: roost engine install \
                openvino"}]
                """
        )
    }

    @Test("it is well if there is one and none is broken")
    func status() {
        var report = self.report
        #expect(report.status == .ok)
        report.entries[1].isMissing = false
        #expect(report.status == .configuration)
        report.entries = [self.report.entries[1]]
        #expect(report.status == .configuration)
    }

    @Test(
        "an engine that there is not, and one without a build for GPUs, is wrong usage",
        arguments: [["cafe"], ["openvino", "--gpu"], [], ["openvino", "--into", ""]]
    )
    func usage(arguments: [String]) {
        #expect(throws: (any Error).self) { try EngineInstallCommand.parse(arguments) }
    }

    @Test("an engine's name is enough, and goes below .engines")
    func install() throws {
        let command = try EngineInstallCommand.parse(["onnxruntime", "--gpu"])
        #expect(command.engine == "onnxruntime")
        #expect(command.gpu)
        #expect(command.into == ".engines")
    }
}
