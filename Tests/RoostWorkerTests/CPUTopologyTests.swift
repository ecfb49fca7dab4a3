import Glibc
import RoostTestKit
import Testing

@testable import RoostWorker

@Suite
struct CPUTopologyTests {
    /// Eight CPUs on two nodes, of which the process may use the first five; node 2 is memory only.
    private let topology = CPUTopology(
        present: CPUSet(0..<8),
        allowed: CPUSet(0..<5),
        nodes: [0: CPUSet(0..<4), 1: CPUSet(4..<8), 2: CPUSet([])]
    )

    private func resolve(_ list: String?, node: Int? = nil) throws -> String? {
        try self.topology.resolve(cpus: try list.map(CPUSet.init(list:)), node: node)?.description
    }

    @Test("CPUs are what was named, and a node is what of it the process may use")
    func resolve() throws {
        #expect(try self.resolve(nil) == nil)
        #expect(try self.resolve("0,4") == "0,4")
        #expect(try self.resolve(nil, node: 0) == "0-3")
        #expect(try self.resolve(nil, node: 1) == "4")
    }

    @Test(
        "what cannot be is refused with a sentence that says what there is",
        arguments: [
            ("7-9", nil, "there is no CPU 8-9 here: this machine has 0-7"),
            ("4-5", nil, "CPU 5 is not for this process, whose cpuset leaves it 0-4"),
            (nil, 3, "there is no NUMA node 3 here: this machine has 0-2"),
            (nil, 2, "NUMA node 2 has no CPU"),
            ("0", 0, "cpus and numa-node say the same twice: give one of them"),
        ] as [(String?, Int?, String)]
    )
    func refused(list: String?, node: Int?, message: String) {
        let error = #expect(throws: CPUTopology.Problem.self) {
            try self.resolve(list, node: node)
        }
        #expect(error?.message == message)
    }

    @Test("a node whose CPUs are all another's is refused")
    func foreignNode() {
        let topology = CPUTopology(
            present: CPUSet(0..<8),
            allowed: CPUSet(0..<4),
            nodes: [1: CPUSet(4..<8)]
        )
        let error = #expect(throws: CPUTopology.Problem.self) {
            try topology.resolve(cpus: nil, node: 1)
        }
        #expect(error?.message == "NUMA node 1 has CPU 4-7, none of them for this process")
    }

    @Test("the machine's files are read, and missing ones are no error")
    func machine() {
        let directory = ModelDirectory()
        directory.write("cpu/present", "0-7\n")
        directory.write("node/online", "0-1\n")
        directory.write("node/node0/cpulist", "0-3\n")
        directory.write("node/node1/cpulist", "\n")
        let topology = CPUTopology.machine(system: directory.path)
        #expect(topology.present == CPUSet(0..<8))
        #expect(topology.nodes == [0: CPUSet(0..<4), 1: CPUSet([])])
        #expect(topology.allowed == CPUAffinity.cpus(of: getpid()))
        let empty = CPUTopology.machine(system: "\(directory.path)/none")
        #expect(empty.present == empty.allowed && empty.nodes.isEmpty)
    }
}
