internal import Glibc

/// Which CPUs a machine has, which of them this process may use, and which are near which memory.
package struct CPUTopology: Sendable {
    package let present: CPUSet
    /// What the process's cpuset and whoever started it (`taskset`) leave.
    package let allowed: CPUSet
    /// The CPUs of each NUMA node, by its number.
    package let nodes: [Int: CPUSet]

    package init(present: CPUSet, allowed: CPUSet, nodes: [Int: CPUSet]) {
        self.present = present
        self.allowed = allowed
        self.nodes = nodes
    }

    /// Why threads cannot run where they are to.
    package struct Problem: Error, Hashable, Sendable {
        /// One sentence.
        package let message: String
    }

    /// The CPUs that a setting names; `nil` if it names none.
    ///
    /// - Parameters:
    ///   - cpus: CPUs by their numbers.
    ///   - node: a NUMA node, for those of its CPUs that the process may use.
    package func resolve(cpus: CPUSet?, node: Int?) throws(Problem) -> CPUSet? {
        if cpus != nil, node != nil {
            throw Problem(message: "cpus and numa-node say the same twice: give one of them")
        }
        if let cpus {
            let absent = cpus.subtracting(self.present)
            guard absent.isEmpty else {
                throw Problem(
                    message: "there is no CPU \(absent) here: this machine has \(self.present)"
                )
            }
            let forbidden = cpus.subtracting(self.allowed)
            guard forbidden.isEmpty else {
                throw Problem(
                    message: "CPU \(forbidden) is not for this process, whose cpuset leaves it "
                        + "\(self.allowed)"
                )
            }
            return cpus
        }
        guard let node else { return nil }
        guard let cpus = self.nodes[node] else {
            let known = CPUSet(self.nodes.keys)
            throw Problem(
                message: "there is no NUMA node \(node) here: this machine has "
                    + (known.isEmpty ? "none" : "\(known)")
            )
        }
        let usable = cpus.intersection(self.allowed)
        guard !usable.isEmpty else {
            let has = cpus.isEmpty ? "has no CPU" : "has CPU \(cpus), none of them for this process"
            throw Problem(message: "NUMA node \(node) \(has)")
        }
        return usable
    }

    /// This machine's. Blocks on the file system.
    package static func machine(system: String = "/sys/devices/system") -> CPUTopology {
        let allowed = CPUAffinity.cpus(of: getpid()) ?? CPUSet([])
        // Containers without sysfs: what the process may use is there.
        let present = self.list("\(system)/cpu/present") ?? allowed
        var nodes: [Int: CPUSet] = [:]
        for node in self.list("\(system)/node/online")?.numbers ?? [] {
            nodes[node] = self.list("\(system)/node/node\(node)/cpulist") ?? CPUSet([])
        }
        return CPUTopology(present: present, allowed: allowed, nodes: nodes)
    }

    /// A file with a list; `nil` if it is not there, or lists nothing.
    private static func list(_ path: String) -> CPUSet? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 4_096)
        let count = fread(&bytes, 1, bytes.count, file)
        let text = String(decoding: bytes.prefix(count).prefix { $0 != 0x0A }, as: UTF8.self)
        do throws(CPUSet.ListError) { return try CPUSet(list: text) } catch { return nil }
    }
}
