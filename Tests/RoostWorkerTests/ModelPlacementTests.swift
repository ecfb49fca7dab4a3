import RoostWire
import Testing

@testable import RoostWorker

/// What model.toml says of memory and CPUs.
@Suite
struct ModelPlacementTests {
    private func parse(_ text: String) throws(ModelProblems) -> ModelConfiguration {
        try ModelConfiguration(parsing: Array(text.utf8), file: "model.toml")
    }

    @Test("the keys are read, and without them nothing is set")
    func keys() throws {
        let configuration = try self.parse(
            "memory = \"500MiB\"\npinned = true\ncpus = \"0-3,8\"\nthreads = 5\n"
        )
        #expect(configuration.memoryBytes == 500 << 20)
        #expect(configuration.isPinned)
        #expect(configuration.cpus?.numbers == [0, 1, 2, 3, 8])
        #expect(try self.parse("numa-node = 1").numaNode == 1)
        let empty = try self.parse("")
        #expect(empty.memoryBytes == nil && !empty.isPinned)
        #expect(empty.cpus == nil && empty.numaNode == nil)
    }

    @Test(
        "what cannot be meant is refused with its line",
        arguments: [
            ("memory = \"0B\"", "memory is '0B', but must be a size from \"1B\""),
            ("memory = 5", "memory is 5, but must be a size"),
            ("pinned = 1", "pinned is 1, but must be true or false"),
            ("cpus = \"\"", "cpus is '', but must be a list of CPUs"),
            ("cpus = 3", "cpus is 3, but must be a list of CPUs"),
            ("cpus = \"3-1\"", "cpus: the range '3-1' ends before it begins"),
            ("cpus = \"1,x\"", "cpus: 'x' is neither a CPU's number"),
            ("numa-node = -1", "numa-node is -1, but must be a whole number from 0 to 1023"),
            ("numa-node = 1024", "numa-node is 1024, but must be a whole number from 0 to 1023"),
            ("threads = 3\ncpus = \"0-1\"", "threads is 3, more than cpus, which is 0-1, has"),
            ("cpus = \"0\"\nnuma-node = 0", "numa-node says again where the model is executed"),
        ]
    )
    func problem(text: String, words: String) {
        let error = #expect(throws: ModelProblems.self) { try self.parse(text) }
        #expect(error?.problems.count == 1)
        #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
    }

    @Test("a model that is to run elsewhere is loaded again, one that counts otherwise is not")
    func hash() throws {
        let plain = try self.parse("").loadingHash
        #expect(try self.parse("cpus = \"0\"").loadingHash != plain)
        #expect(try self.parse("numa-node = 0").loadingHash != plain)
        #expect(try self.parse("pinned = true\nmemory = \"1MiB\"").loadingHash == plain)
    }

    @Test("more threads than a node has CPUs are refused where the model is loaded")
    func node() throws {
        let topology = CPUTopology(
            present: CPUSet(0..<4),
            allowed: CPUSet(0..<4),
            nodes: [0: CPUSet(0..<2)]
        )
        #expect(try self.parse("numa-node = 0\nthreads = 2").cpus(of: topology) == CPUSet(0..<2))
        let configuration = try self.parse("numa-node = 0\nthreads = 3")
        let error = #expect(throws: ModelProblems.self) { try configuration.cpus(of: topology) }
        #expect(
            error?.message == "model.toml:1: numa-node: threads is 3, more than CPU 0-1 of the node"
        )
        #expect(try self.parse("").cpus(of: topology) == nil)
    }
}
