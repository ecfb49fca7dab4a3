import Glibc
import RoostTestKit
import RoostWire
import RoostWorker
import Testing

@testable import RoostClient

/// A worker on the same machine is reached over a socket of the file system, if both see it.
@Suite(.timeLimit(.minutes(1)))
struct LocalSocketTests {
    private func ask(_ client: FleetClient) async throws {
        let inputs: NamedTensors = ["x": Tensor([1] as [Float], shape: [1])]
        _ = try await client.infer(model: "identity", inputs: inputs)
    }

    /// The endpoint at which the client has the only worker.
    private func endpoint(_ client: FleetClient) async throws -> Endpoint {
        try Endpoint(try #require(try await client.workers().first).linkEndpoint)
    }

    @Test("a client on the worker's machine uses its socket there")
    func local() async throws {
        let scratch = try ScratchDirectory()
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("w") { $0.ipcDirectory = scratch.path }
            try await fleet.waitForWorkers(1)
            let client = try fleet.client()
            try await self.ask(client)
            #expect(try await self.endpoint(client).path?.hasPrefix(scratch.path) == true)
        }
    }

    @Test("a client that does not see the socket uses TCP")
    func notThere() async throws {
        let scratch = try ScratchDirectory()
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("w") { $0.ipcDirectory = scratch.path }
            for name in scratch.names { unlink("\(scratch.path)/\(name)") }
            try await fleet.waitForWorkers(1)
            let client = try fleet.client()
            try await self.ask(client)
            #expect(try await self.endpoint(client).port != nil)
        }
    }

    @Test("a client whose link over the socket fails uses TCP from then on")
    func falls() async throws {
        let scratch = try ScratchDirectory()
        try await InProcessFleet.with { fleet in
            let worker = try await fleet.addWorker("w") { $0.ipcDirectory = scratch.path }
            // Somebody else's socket has taken the path: connections are refused.
            let path = try #require(await worker.endpoints[1].path)
            unlink(path)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
            let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(descriptor) }
            let status = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            #expect(status == 0)
            try await fleet.waitForWorkers(1)
            let client = try fleet.client()
            try await self.ask(client)
            #expect(try await self.endpoint(client).port != nil)
        }
    }

    @Test("only a socket's path is taken for one")
    func usable() throws {
        let scratch = try ScratchDirectory()
        close(creat("\(scratch.path)/file", 0o600))
        for address in ["ipc://\(scratch.path)/file", "ipc://\(scratch.path)/none", "tcp://h:1"] {
            #expect(!LocalSocket.isUsable(try Endpoint(address)))
        }
    }
}
