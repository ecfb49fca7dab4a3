import Glibc
import RoostTestKit
import RoostWire
import Synchronization
import Testing

@testable import RoostWorker

@Suite(.timeLimit(.minutes(1)))
struct RuntimeDirectoryTests {
    private let scratch: ScratchDirectory
    private let instance = InstanceID(high: 0xabc, low: 0xdef)

    init() throws { self.scratch = try ScratchDirectory() }

    /// The name that the worker of that number gives its socket.
    private func name(_ number: UInt64) -> String {
        "worker-\(InstanceID(high: number, low: 0)).sock"
    }

    /// A socket at that path, on which somebody listens or nobody does any more.
    private func makeSocket(_ name: String, listens: Bool) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) {
            $0.copyBytes(from: Array("\(self.scratch.path)/\(name)".utf8))
        }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(status == 0)
        if listens { #expect(listen(descriptor, 1) == 0) }
        return descriptor
    }

    @Test("the directory is made for this user alone, and found again")
    func made() throws {
        let path = "\(self.scratch.path)/run"
        defer { rmdir(path) }
        for _ in 0..<2 {
            let directory = try RuntimeDirectory(path)
            var status = stat()
            #expect(lstat(path, &status) == 0 && status.st_mode & 0o7777 == 0o700)
            let endpoint = try directory.endpoint(of: self.instance)
            let name = "worker-0000000000000abc0000000000000def.sock"
            #expect(endpoint.address == "ipc://\(path)/\(name)")
        }
    }

    @Test(
        "a directory that others may enter, or that is none, is refused",
        arguments: [("0750", "open to others"), ("0701", "open to others"), ("0700", nil)]
    )
    func mode(mode: String, problem: String?) throws {
        #expect(chmod(self.scratch.path, mode_t(mode, radix: 8) ?? 0) == 0)
        defer { chmod(self.scratch.path, 0o700) }
        guard let problem else {
            _ = try RuntimeDirectory(self.scratch.path)
            return
        }
        let error = #expect(throws: RoostError.self) { try RuntimeDirectory(self.scratch.path) }
        #expect(error?.message.contains(problem) == true)
    }

    @Test(
        "a file, a link to a directory, a relative path and a place that is not there are refused"
    )
    func noDirectory() throws {
        let path = self.scratch.path
        close(creat("\(path)/file", 0o600))
        symlink(path, "\(path)/link")
        for bad in ["\(path)/file", "\(path)/link", "relative", "\(path)/no/such"] {
            #expect(throws: RoostError.self) { try RuntimeDirectory(bad) }
        }
    }

    @Test("another user's directory is refused", .enabled(if: geteuid() == 0, "takes root"))
    func anotherUser() throws {
        #expect(chown(self.scratch.path, 1, 1) == 0)
        let error = #expect(throws: RoostError.self) { try RuntimeDirectory(self.scratch.path) }
        #expect(error?.message.contains("another user's") == true)
    }

    @Test("a path is as long as the system can take, and not longer", arguments: [107, 108])
    func length(bytes: Int) throws {
        let name = "/worker-\(self.instance).sock"
        let short = self.scratch.path.utf8.count + name.utf8.count + 1
        let path = "\(self.scratch.path)/" + String(repeating: "d", count: bytes - short)
        defer { rmdir(path) }
        let directory = try RuntimeDirectory(path)
        if bytes <= RuntimeDirectory.pathBytesMax {
            #expect(try directory.endpoint(of: self.instance).path?.utf8.count == bytes)
        } else {
            let error = #expect(throws: RoostError.self) {
                try directory.endpoint(of: self.instance)
            }
            #expect(error?.code == .invalidConfiguration)
        }
    }

    @Test("what dead workers left is removed; what is alive, or not a worker's, is not touched")
    func stale() throws {
        let dead = self.makeSocket(self.name(1), listens: true)
        close(dead)
        let alive = self.makeSocket(self.name(2), listens: true)
        defer { close(alive) }
        close(self.makeSocket("worker-1.sock", listens: true))
        close(self.makeSocket("other.sock", listens: true))
        close(creat("\(self.scratch.path)/\(self.name(3))", 0o600))
        symlink("\(self.scratch.path)/other.sock", "\(self.scratch.path)/\(self.name(4))")
        try RuntimeDirectory(self.scratch.path).removeStale()
        #expect(
            self.scratch.names
                == ["other.sock", "worker-1.sock", self.name(2), self.name(3), self.name(4)]
                .sorted()
        )
    }

    @Test("a worker listens there too, says so after its first endpoint, and removes the socket")
    func worker() async throws {
        let scratch = self.scratch
        try await WorkerScene.with(configure: { $0.ipcDirectory = scratch.path }) { scene, peers in
            let endpoints = await scene.worker.endpoints
            #expect(endpoints.count == 2)
            #expect(endpoints.first == scene.endpoint)
            #expect(scene.endpoint.path == nil)
            #expect(scratch.names.map { "ipc://\(scratch.path)/\($0)" } == [endpoints[1].address])
            // Both at once, on the one socket.
            let local = RawPeer(on: scene.reactor)
            try await local.connect(to: endpoints[1])
            for peer in [local, peers[0]] {
                _ = try await scene.greeted(peer)
                let request = InferRequest(
                    model: "identity",
                    inputs: ["x": Tensor([1] as [Float], shape: [1])]
                )
                await peer.send(request, .infer, requestID: 1)
                #expect(try await peer.next().header.type == .result)
            }
            await local.close()
            await scene.worker.stop()
            #expect(scratch.names.isEmpty)
        }
    }

    @Test("what has taken the place of a worker's socket is not removed with it")
    func replaced() async throws {
        let scratch = self.scratch
        try await WorkerScene.with(configure: { $0.ipcDirectory = scratch.path }) { scene, _ in
            let name = try #require(scratch.names.first)
            unlink("\(scratch.path)/\(name)")
            let other = self.makeSocket(name, listens: false)
            await scene.worker.stop()
            #expect(scratch.names == [name])
            close(other)
        }
    }

    @Test("a worker whose directory is no good serves over TCP and says why")
    func noDirectoryForWorker() async throws {
        let events = Mutex<[Worker.Event]>([])
        try await WorkerScene.with(
            configure: { $0.ipcDirectory = "/proc/no/such" },
            observe: { event in events.withLock { $0.append(event) } }
        ) { scene, peers in
            _ = try await scene.greeted(peers[0])
            #expect(await scene.worker.endpoints == [scene.endpoint])
        }
        guard case .noIPC(let problem) = events.withLock({ $0.first }) else {
            Issue.record("nobody was told")
            return
        }
        #expect(problem.contains("/proc/no/such"))
    }
}
