import Glibc
import RoostTestKit

/// The `roost-broker` that was built beside this program, on a port of its own.
struct BrokerProcess {
    private let process: ChildProcess
    let endpoint: String

    init() async throws {
        self.process = try ChildProcess(
            .built("roost-broker"),
            ["--listen", "tcp://127.0.0.1:*", "--warm-up", "0"]
        )
        let line = try await self.process.waitForLine(containing: "listening on")
        self.endpoint = line.split(separator: " ").last.map(String.init) ?? ""
    }

    func residentMiB() -> Int { self.status("VmRSS:") / 1024 }

    func peakMiB() -> Int { self.status("VmHWM:") / 1024 }

    /// A figure of /proc/PID/status, in KiB.
    private func status(_ key: String) -> Int {
        let line = self.read("status").split(separator: "\n").first { $0.hasPrefix(key) }
        return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
            ?? 0
    }

    func cpuSeconds() -> Double {
        // Behind the name, which is in parentheses: user and system time are the 12th and 13th.
        let fields = self.read("stat").split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12])
        else {
            return 0
        }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    private func read(_ name: String) -> String {
        guard let file = fopen("/proc/\(self.process.processID)/\(name)", "r") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 8_192)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
