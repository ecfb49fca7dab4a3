import Logging
import RoostOps
import Synchronization
import Testing

@Suite
struct LineLogTests {
    private final class Lines: Sendable {
        let all = Mutex<[String]>([])
        func logger(_ format: LogFormat) -> Logger {
            Logger(label: "roost-worker") { label in
                LineLog(program: label, format: format, level: .info) { line in
                    self.all.withLock { $0.append(line) }
                }
            }
        }
    }

    @Test("a message for people is one line, its values quoted where they must be")
    func text() throws {
        let lines = Lines()
        lines.logger(.text).info("ready", metadata: ["b": "x y\nz", "a": "1"])
        let line = try #require(lines.all.withLock { $0.first })
        #expect(line.hasSuffix(" info    roost-worker ready a=1 b=\"x y\\nz\"\n"))
        #expect(line.prefix(13).filter { $0 == ":" }.count == 2)
    }

    @Test("a message for machines is a JSON object")
    func json() throws {
        let lines = Lines()
        lines.logger(.json).error("refused", metadata: ["broker": "tcp://a:1"])
        let line = try #require(lines.all.withLock { $0.first })
        #expect(
            line.hasSuffix(
                "\"level\":\"error\",\"program\":\"roost-worker\",\"message\":\"refused\","
                    + "\"broker\":\"tcp://a:1\"}\n"
            )
        )
        guard case .object = try JSON.parse(line) else {
            Issue.record("\(line)")
            return
        }
    }

    @Test("messages below the level are not written")
    func level() {
        let lines = Lines()
        lines.logger(.text).debug("nobody hears")
        #expect(lines.all.withLock { $0.isEmpty })
    }
}
