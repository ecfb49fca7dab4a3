import Foundation
import RoostWireTestKit
import Testing

@Suite struct WireVectorTests {
    private static let fixtures = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Fixtures")

    @Test("the committed vectors are what this code writes")
    func vectors() throws {
        let file = Self.fixtures.appending(path: "wire-vectors.json")
        let text = try WireVectors.text()
        if ProcessInfo.processInfo.environment["ROOST_WRITE_VECTORS"] == "1" {
            try Data(text.utf8).write(to: file)
        }
        let committed = try String(contentsOf: file, encoding: .utf8)
        #expect(committed == text, "run the tests with ROOST_WRITE_VECTORS=1 and look at the diff")
    }

    @Test("no vector of an invalid message is taken")
    func invalid() {
        for (name, frames) in WireVectors.invalid { #expect(reason(frames) != nil, "\(name)") }
        for (name, frames) in WireVectors.invalidBundles {
            #expect(bundleReason(frames) != nil, "\(name)")
        }
    }

    @Test("names of vectors are used once")
    func names() {
        let names =
            WireVectors.invalid.map(\.0) + WireVectors.invalidBundles.map(\.0)
            + WireVectors.bundles.map(\.0) + WireSample.all.map(\.name)
        #expect(Set(names).count == names.count)
    }

    @Test(
        "a decoder that shares no code with ours agrees with it",
        .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/python3")),
        .timeLimit(.minutes(1))
    )
    func peer() throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/python3")
        process.arguments = [Self.fixtures.appending(path: "wire_peer.py").path()]
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        let text = String(
            decoding: errors.fileHandleForReading.readDataToEndOfFile(),
            as: UTF8.self
        )
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(text)")
    }
}
