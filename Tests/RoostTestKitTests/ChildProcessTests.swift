import RoostTestKit
import Testing

@Suite(.timeLimit(.minutes(1)))
struct ChildProcessTests {
    private static let shell = ChildProcess.Program(path: "/bin/sh")

    @Test("lines of both streams and the exit code arrive")
    func output() async throws {
        let script = "echo one; echo two >&2; printf three; exit 7"
        let result = try await ChildProcess.run(Self.shell, ["-c", script])
        #expect(result.exit == .code(7))
        #expect(result.output == ["one", "three"])
        #expect(result.error == ["two"])
    }

    @Test("what is written reaches the program, and its answer comes while it runs")
    func input() async throws {
        let cat = try ChildProcess(ChildProcess.Program(path: "/bin/cat"))
        cat.write("hello\n")
        try await cat.waitForLine(containing: "hello")
        #expect(cat.isRunning)
        cat.closeInput()
        #expect(try await cat.wait() == .code(0))
        cat.write("to nobody\n")
    }

    @Test("signals reach the program")
    func signals() async throws {
        let script = "trap 'echo told; exit 3' TERM; echo ready; while :; do read line; done"
        let child = try ChildProcess(Self.shell, ["-c", script])
        try await child.waitForLine(containing: "ready")
        child.send(.stop)
        child.send(.terminate)
        child.send(.continue)
        #expect(try await child.wait() == .code(3))
        #expect(child.lines().last == "told")
        child.send(.kill)
    }

    @Test("a killed program's exit is the signal")
    func killed() async throws {
        let child = try ChildProcess(ChildProcess.Program(path: "/bin/cat"))
        child.send(.kill)
        #expect(try await child.wait() == .signal(9))
    }

    @Test("a program that ends ends the waiting for its line")
    func endedEarly() async throws {
        let child = try ChildProcess(Self.shell, ["-c", "echo something else"])
        await #expect(throws: NeverHappened.self) {
            try await child.waitForLine(containing: "never")
        }
    }

    @Test("a child that nobody refers to any more is killed and reaped")
    func deinitialized() async throws {
        let processID: Int32
        do {
            let child = try ChildProcess(ChildProcess.Program(path: "/bin/cat"))
            processID = child.processID
        }
        let probe = try await ChildProcess.run(Self.shell, ["-c", "kill -0 \(processID)"])
        #expect(probe.exit != .code(0))
    }

    @Test("a program that is not there is an error")
    func missing() {
        #expect(throws: NeverHappened.self) {
            try ChildProcess(ChildProcess.Program(path: "/nowhere/program"))
        }
    }
}
