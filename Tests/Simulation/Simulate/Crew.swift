internal import Glibc

/// Child processes of this program that simulate seeds: both cores are used, and a seed that traps
/// or hangs is a finding instead of the end.
struct Crew {
    /// What became of a seed.
    struct Report {
        let seed: UInt64
        let hash: String
        let requests: Int
        let succeeded: Int
        var findings: [String]
    }

    private struct Child {
        let processID: pid_t
        let descriptor: Int32
        var seeds: ArraySlice<UInt64>
        var buffer: [UInt8] = []
        var findings: [String] = []
        var heard = Crew.now()
    }

    private let arguments: [String]
    private var waiting: ArraySlice<UInt64>
    private var children: [Child] = []
    private let jobs: Int
    /// How many seeds a child simulates before a fresh one takes its place.
    private let share: Int

    /// A seed takes some 20 ms; one that takes this long hangs.
    private static let patience = 30.0

    /// - Parameter arguments: what children are given beside their seeds.
    init(seeds: [UInt64], jobs: Int, arguments: [String]) {
        self.waiting = seeds[...]
        self.jobs = jobs
        self.arguments = arguments
        self.share = min(max(seeds.count / (jobs * 4), 1), 250)
    }

    /// Simulates all seeds; `report` is called for each as it ends.
    mutating func run(_ report: (Report) -> Void) {
        while !self.waiting.isEmpty || !self.children.isEmpty {
            while self.children.count < self.jobs, !self.waiting.isEmpty { self.hire() }
            var descriptors = self.children.map {
                pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0)
            }
            poll(&descriptors, nfds_t(descriptors.count), 1000)
            // From the end: a child that has ended is taken out.
            for index in self.children.indices.reversed() {
                if descriptors[index].revents != 0 {
                    self.read(index, report)
                } else if Self.now() - self.children[index].heard > Self.patience {
                    kill(self.children[index].processID, SIGKILL)
                }
            }
        }
    }

    private mutating func hire() {
        let seeds = self.waiting.prefix(self.share)
        self.waiting = self.waiting.dropFirst(self.share)
        self.start(seeds)
    }

    private mutating func start(_ seeds: ArraySlice<UInt64>) {
        var ends: [Int32] = [-1, -1]
        precondition(pipe(&ends) == 0, "pipe: errno \(errno)")
        // Other children must not hold it open.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let list = seeds.map(String.init).joined(separator: ",")
        let arguments = ["roost-simulate", "--report", list] + self.arguments
        var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for argument in argv { free(argument) } }
        var processID: pid_t = 0
        let status = posix_spawn(&processID, "/proc/self/exe", &actions, nil, &argv, environ)
        precondition(status == 0, "posix_spawn: errno \(status)")
        close(ends[1])
        self.children.append(Child(processID: processID, descriptor: ends[0], seeds: seeds))
    }

    private mutating func read(_ index: Int, _ report: (Report) -> Void) {
        var bytes = [UInt8](repeating: 0, count: 65536)
        let count = Glibc.read(self.children[index].descriptor, &bytes, bytes.count)
        guard count > 0 else {
            self.ended(index, report)
            return
        }
        self.children[index].heard = Self.now()
        self.children[index].buffer += bytes[0..<count]
        while let end = self.children[index].buffer.firstIndex(of: UInt8(ascii: "\n")) {
            let line = String(decoding: self.children[index].buffer[..<end], as: UTF8.self)
            self.children[index].buffer.removeSubrange(...end)
            self.heard(line, index, report)
        }
    }

    private mutating func heard(_ line: String, _ index: Int, _ report: (Report) -> Void) {
        let words = line.split(separator: " ", maxSplits: 4).map(String.init)
        if words[0] == "violation" {
            self.children[index].findings.append(String(line.dropFirst("violation ".count)))
        } else if words[0] == "seed", words.count == 5, let seed = UInt64(words[1]) {
            report(
                Report(
                    seed: seed,
                    hash: words[2],
                    requests: Int(words[3]) ?? 0,
                    succeeded: Int(words[4]) ?? 0,
                    findings: self.children[index].findings
                )
            )
            self.children[index].findings = []
            self.children[index].seeds = self.children[index].seeds.dropFirst()
        }
    }

    /// A child has ended; if not well, it died of the seed that it was at.
    private mutating func ended(_ index: Int, _ report: (Report) -> Void) {
        let child = self.children.remove(at: index)
        close(child.descriptor)
        var status: Int32 = 0
        waitpid(child.processID, &status, 0)
        guard let seed = child.seeds.first else { return }
        let signal = status & 0x7f
        let end = signal != 0 ? "dies of signal \(signal)" : "ends with \(status >> 8 & 0xff)"
        report(
            Report(
                seed: seed,
                hash: "none",
                requests: 0,
                succeeded: 0,
                findings: child.findings + ["crash: the simulation \(end)"]
            )
        )
        let rest = child.seeds.dropFirst()
        if !rest.isEmpty { self.start(rest) }
    }

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Monotonic seconds, for figures.
    static var clock: Double { Self.now() }
}
