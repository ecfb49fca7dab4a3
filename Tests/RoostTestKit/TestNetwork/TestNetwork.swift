internal import Glibc
internal import Synchronization

/// A network of hosts on this machine, each a namespace with an address of its own, joined by a
/// bridge that this process is on too. What one host sends another can be dropped, lost, slowed
/// down or cut off.
///
/// ```swift
/// try await TestNetwork.with { network in
///     let host = try await network.addHost()
///     let broker = try ChildProcess(host.command(.built("roost-broker"), ["--listen", ...]))
///     try await network.drop(from: host)
///     try await network.heal(host)
/// }
/// ```
///
/// It needs root, `ip`, `iptables` and `tc`: see ``unavailable``. Names carry the process's number,
/// so that the next network removes what a killed run left.
package actor TestNetwork {
    /// A machine of the network.
    package struct Host: Sendable, Hashable {
        package let name: String
        package let address: String
        /// The bridge's end of its cable.
        let cable: String

        /// A program that runs on this host. It keeps its process number, so signals reach it.
        package func command(
            _ program: ChildProcess.Program,
            _ arguments: [String]
        ) -> (program: ChildProcess.Program, arguments: [String]) {
            (TestNetwork.tool, ["netns", "exec", self.name, program.path] + arguments)
        }
    }

    static let tool = ChildProcess.Program(path: "/usr/sbin/ip")
    private static let iptables = ChildProcess.Program(path: "/usr/sbin/iptables")
    private static let tc = ChildProcess.Program(path: "/usr/sbin/tc")
    /// Of every name, with the number of the process behind it.
    private static let prefix = "rst"
    private static let count = Mutex(0)

    /// Why there can be no such network here; `nil` if there can.
    package static let unavailable: String? = TestNetwork.reason()

    /// The address of this process on the network.
    package nonisolated let address: String
    private let bridge: String
    private let subnet: String
    private var hosts: [Host] = []

    private init(number: Int) {
        let process = Int(getpid())
        self.bridge = "\(Self.prefix)\(process)b\(number)"
        // Little used by others, and another for each network that is there at the same time.
        self.subnet = "10.217.\((process &* 8 &+ number) & 0xff)"
        self.address = "\(self.subnet).1"
    }

    /// Makes a network, and removes it when `body` is done.
    package static func with<R: Sendable>(
        _ body: (TestNetwork) async throws -> R
    ) async throws -> R {
        try await Self.removeLeftovers()
        let number = Self.count.withLock { count in
            count += 1
            return count
        }
        let network = TestNetwork(number: number)
        do {
            try await network.open()
            let result = try await body(network)
            await network.close()
            return result
        } catch {
            await network.close()
            throw error
        }
    }

    /// Plugs in another host.
    package func addHost() async throws -> Host {
        let number = self.hosts.count + 2
        let host = Host(
            name: "\(self.bridge)h\(number)",
            address: "\(self.subnet).\(number)",
            cable: "\(self.bridge)v\(number)"
        )
        try await Self.ip("netns add \(host.name)")
        self.hosts.append(host)
        try await Self.ip(
            "link add \(host.cable) type veth peer name eth0 netns \(host.name)"
        )
        try await Self.ip("link set \(host.cable) master \(self.bridge) up")
        try await Self.ip("-n \(host.name) addr add \(host.address)/24 dev eth0")
        try await Self.ip("-n \(host.name) link set lo up")
        try await Self.ip("-n \(host.name) link set eth0 up")
        return host
    }

    // MARK: Faults

    /// Drops what the host sends, to everybody or to one address.
    package func drop(from host: Host, to address: String? = nil) async throws {
        try await self.iptables(host, "OUTPUT" + (address.map { " -d \($0)" } ?? ""))
    }

    /// Drops what is sent to the host, by everybody or from one address.
    package func drop(to host: Host, from address: String? = nil) async throws {
        try await self.iptables(host, "INPUT" + (address.map { " -s \($0)" } ?? ""))
    }

    /// Loses a share of the packets to and from the host.
    package func lose(_ share: Double, at host: Host) async throws {
        for chain in ["INPUT", "OUTPUT"] {
            try await self.iptables(
                host,
                "\(chain) -m statistic --mode random --probability \(share)"
            )
        }
    }

    /// Limits what the host sends and receives, each.
    package func limit(_ host: Host, bitsPerSecond: Int) async throws {
        let queue = "root tbf rate \(bitsPerSecond)bit burst 32k latency 100ms"
        try await Self.run(Self.tc, "qdisc add dev \(host.cable) \(queue)")
        try await Self.ip("netns exec \(host.name) \(Self.tc.path) qdisc add dev eth0 \(queue)")
    }

    /// Pulls out the host's cable, or plugs it in.
    package func setLink(_ host: Host, isUp: Bool) async throws {
        try await Self.ip("link set \(host.cable) \(isUp ? "up" : "down")")
    }

    /// Mends what was dropped and lost at the host.
    package func heal(_ host: Host) async throws {
        try await Self.ip("netns exec \(host.name) \(Self.iptables.path) -w 5 -F")
    }

    private func iptables(_ host: Host, _ rule: String) async throws {
        let command = "\(Self.iptables.path) -w 5 -A \(rule) -j DROP"
        try await Self.ip("netns exec \(host.name) \(command)")
    }

    // MARK: Life

    private func open() async throws {
        try await Self.ip("link add \(self.bridge) type bridge")
        try await Self.ip("addr add \(self.address)/24 dev \(self.bridge)")
        try await Self.ip("link set \(self.bridge) up")
    }

    private func close() async {
        for host in self.hosts {
            // The cable may live on with a process in the namespace that has not ended yet.
            try? await Self.ip("link del \(host.cable)")
            try? await Self.ip("netns del \(host.name)")
        }
        try? await Self.ip("link del \(self.bridge)")
    }

    private static func ip(_ arguments: String) async throws {
        try await Self.run(Self.tool, arguments)
    }

    @discardableResult
    private static func run(
        _ program: ChildProcess.Program,
        _ arguments: String
    ) async throws -> [String] {
        let words = arguments.split(separator: " ").map(String.init)
        let result = try await ChildProcess.run(program, words)
        guard result.exit == .code(0) else {
            throw NeverHappened(
                description: "'\(program.path) \(arguments)' ended with \(result.exit): "
                    + result.error.joined(separator: " ")
            )
        }
        return result.output
    }
}

// MARK: Leftovers

extension TestNetwork {
    /// Removes what processes that are no more have left.
    private static func removeLeftovers() async throws {
        for line in try await Self.run(Self.tool, "netns list") {
            guard let name = line.split(separator: " ").first, Self.isLeft(name) else { continue }
            for process in (try? await Self.run(Self.tool, "netns pids \(name)")) ?? [] {
                if let number = pid_t(process) { kill(number, SIGKILL) }
            }
            try? await Self.ip("netns del \(name)")
        }
        for line in try await Self.run(Self.tool, "-brief link show") {
            guard let word = line.split(separator: " ").first else { continue }
            let name = word.prefix { $0 != "@" }
            // Two runs may both see it; the second finds it gone.
            if Self.isLeft(name) { try? await Self.ip("link del \(name)") }
        }
    }

    /// Whether it is the name of a part of a network whose process has ended.
    static func isLeft(_ name: Substring) -> Bool {
        guard name.hasPrefix(Self.prefix) else { return false }
        let digits = name.dropFirst(Self.prefix.count).prefix(while: \.isNumber)
        let rest = name.dropFirst(Self.prefix.count + digits.count)
        guard let process = pid_t(digits), rest.first == "b" else { return false }
        return kill(process, 0) != 0 && errno == ESRCH
    }

    private static func reason() -> String? {
        guard geteuid() == 0 else { return "network namespaces need root" }
        for program in [Self.tool, Self.iptables, Self.tc]
        where access(program.path, X_OK) != 0 {
            return "\(program.path) is missing: install iproute2 and iptables"
        }
        let name = "\(Self.prefix)\(getpid())b0"
        let steps = [
            (["netns", "add", name], "network namespaces cannot be made here"),
            (
                ["netns", "exec", name, Self.iptables.path, "-w", "5", "-A", "INPUT", "-m"]
                    + ["statistic", "--mode", "random", "--probability", "0.1", "-j", "DROP"],
                "iptables cannot lose packets here"
            ),
            (["link", "add", name, "type", "bridge"], "bridges cannot be made here"),
            (["link", "del", name], "bridges cannot be removed here"),
            (["netns", "del", name], "network namespaces cannot be removed here"),
        ]
        for (arguments, reason) in steps where !Self.succeeds(arguments) {
            _ = Self.succeeds(["netns", "del", name])
            return reason
        }
        return nil
    }

    /// Runs `ip`, without Swift's pool: what a test is enabled by cannot wait otherwise.
    private static func succeeds(_ arguments: [String]) -> Bool {
        guard let child = try? ChildProcess(Self.tool, arguments) else { return false }
        while child.isRunning { usleep(1000) }
        return child.exit == .code(0)
    }
}
