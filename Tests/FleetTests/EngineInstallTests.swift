import Glibc
import RoostTestKit
import Testing

/// `roost engine install` with a pip that downloads nothing, and what it says when it cannot.
@Suite(.timeLimit(.minutes(1)))
struct EngineInstallTests {
    private let scratch = ModelDirectory()
    private var prefix: String { "\(self.scratch.path)/into/openvino" }

    /// The programs that the script needs, and no other.
    private static let tools = [
        "bash", "cat", "cut", "df", "dirname", "du", "ln", "mkdir", "mktemp", "mv", "readlink",
        "rm",
        "rmdir", "sha256sum", "tail", "touch", "truncate", "uname",
    ]

    /// Stands in for pip, and for what takes the libraries out of the wheel: each has one MiB.
    private static let python = """
        #!/usr/bin/env bash
        if [ "$1 $2" = "-m pip" ]; then
            [ "$3" != download ] || touch "${@: -2:1}/a.whl"
            exit
        fi
        mkdir "$2/files"
        for library in "${@:3}"; do truncate --size=1M "$2/files/$library"; done
        """

    /// Runs the command where there are those programs.
    private func install(
        python: String? = EngineInstallTests.python,
        df: String? = nil
    ) async throws -> (exit: ChildProcess.Exit, output: [String], error: [String]) {
        self.scratch.remove("bin")
        self.scratch.makeDirectory("bin")
        let bin = "\(self.scratch.path)/bin"
        for tool in Self.tools { symlink("/usr/bin/\(tool)", "\(bin)/\(tool)") }
        symlink("/usr/bin/env", "\(bin)/env")
        for (name, text) in [("python3", python), ("df", df)] {
            guard let text else { continue }
            self.scratch.remove("bin/\(name)")
            self.scratch.write("bin/\(name)", text)
            chmod("\(bin)/\(name)", 0o755)
        }
        return try await ChildProcess.run(
            ProcessFleet.roost,
            ["engine", "install", "openvino", "--into", "\(self.scratch.path)/into"],
            environment: ["PATH": bin, "TMPDIR": self.scratch.path]
        )
    }

    private var isLeft: Bool { access(self.prefix, F_OK) == 0 }

    @Test("an engine is installed, and not a second time while it is whole")
    func installed() async throws {
        let first = try await self.install()
        #expect(first.exit == .code(0), "\(first.error)")
        #expect(first.output.last?.hasPrefix("installed OpenVINO ") == true)
        let second = try await self.install(python: nil)
        #expect(second.exit == .code(0), "\(second.error)")
        #expect(second.output.last?.contains("is already in \(self.prefix), 1") == true)
        self.scratch.write("into/openvino/libtbb.so.12", "cut off")
        let third = try await self.install()
        #expect(third.exit == .code(0) && third.output.last?.hasPrefix("installed") == true)
    }

    @Test("without Python or pip nothing is begun, and it is said what to install")
    func tools() async throws {
        let pythonless = try await self.install(python: nil)
        #expect(pythonless.exit == .code(78))
        #expect(pythonless.error.last?.contains("apt-get install python3 python3-pip") == true)
        let pipless = try await self.install(python: "#!/usr/bin/env bash\nexit 1")
        #expect(pipless.exit == .code(78))
        #expect(pipless.error.last?.contains("python3 has no pip") == true, "\(pipless.error)")
        #expect(!self.isLeft)
    }

    @Test("a wheel that cannot be fetched is an error that leaves nothing behind")
    func download() async throws {
        let result = try await self.install(
            python: "#!/usr/bin/env bash\n[ \"$3\" = --version ] || { echo no route >&2; exit 1; }"
        )
        #expect(result.exit == .code(70))
        #expect(result.error.first == "no route")
        #expect(result.error.last?.contains("pip found no wheel of openvino ") == true)
        #expect(!self.isLeft)
    }

    @Test("where there is no room nothing is changed")
    func room() async throws {
        #expect(try await self.install().exit == .code(0))
        self.scratch.write("into/openvino/VERSION", "2025.0.0\n")
        let result = try await self.install(df: "#!/usr/bin/env bash\nprintf 'Avail\\n0\\n'")
        #expect(result.exit == .code(73))
        #expect(
            result.error.count == 1
                && result.error[0].contains(" MB, and \(self.prefix) has room for 1"),
            "\(result.error)"
        )
        #expect(access("\(self.prefix)/libtbb.so.12", F_OK) == 0)
    }

    @Test("a file where the directory shall be is said to be one")
    func file() async throws {
        self.scratch.write("into/openvino", "")
        let result = try await self.install()
        #expect(result.exit == .code(73))
        #expect(result.error == ["error: \(self.prefix) is a file, not a directory"])
    }
}
