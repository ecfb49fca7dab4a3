import Glibc
import RoostClient
import RoostTestKit
import RoostWire
import Testing

@Suite(.enabled(if: Repository.hasEngine), .timeLimit(.minutes(2)))
struct SharedThreadsTests {
    @Test("models share as many threads as the worker is told, instead of each having its own")
    func shared() async throws {
        let models = "\(Repository.fixtures)/models"
        let fleet = try await ProcessFleet(workers: [])
        let own = try await fleet.startWorker(
            "own",
            models: models,
            arguments: ["--intra-op-threads", "3"]
        )
        let shared = try await fleet.startWorker(
            "shared",
            models: models,
            arguments: ["--shared-threads", "3"]
        )
        // Two threads besides the executor's, for each of seven models or for all of them.
        let saved = try Self.threads(own) - Self.threads(shared)
        #expect((10...14).contains(saved))

        let client = try fleet.client()
        let result = try await client.infer(
            model: "scalar",
            inputs: ["s": Tensor([21] as [Float], shape: [])]
        )
        #expect(result.outputs["t"]?.elements() == [42] as [Float])
        await client.close()
    }

    @Test("shared threads of 0 and of 1025, and a device that is none, are refused")
    func bounds() async throws {
        for (arguments, words) in [
            (["--shared-threads", "0"], "shared-threads is 0, but must be 1 to 1024"),
            (["--shared-threads", "1025"], "shared-threads is 1025, but must be 1 to 1024"),
            (["--device", "gpu"], "device is 'gpu', but must be cpu, cuda:0 or tensorrt:0"),
        ] {
            let result = try await ChildProcess.run(
                ProcessFleet.worker,
                [Repository.exampleModels, "--listen", ProcessFleet.anyPort] + arguments
            )
            #expect(result.exit == .code(78))
            #expect((result.output + result.error).contains { $0.contains(words) })
        }
    }

    private static func threads(_ worker: ProcessFleet.Worker) throws -> Int {
        let stream = try #require(opendir("/proc/\(worker.process.processID)/task"))
        defer { closedir(stream) }
        var count = 0
        while readdir(stream) != nil { count += 1 }
        return count
    }
}
