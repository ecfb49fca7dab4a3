import Glibc
import RoostClient
import RoostWorker

/// Models that are Swift code, in a worker of the fleet: `hosted-models` serves them, and
/// `hosted-models ask TEXT` asks them. Both look for the broker at ROOST_BROKER or, without that,
/// where `roost-broker` listens unless told otherwise.
@main
struct HostedModels {
    static func main() async throws {
        let address = getenv("ROOST_BROKER").map { String(cString: $0) }
        let broker = try Endpoint(address ?? "tcp://127.0.0.1:7100")
        if CommandLine.arguments.dropFirst().first == "ask" {
            try await Self.ask(CommandLine.arguments.dropFirst(2).joined(separator: " "), broker)
        } else {
            try await Self.serve(broker)
        }
    }

    static func serve(_ broker: Endpoint) async throws {
        let host = ModelHost(
            [
                HostedModel("text-statistics") { TextStatistics() },
                HostedModel("words") { Words() },
                HostedModel("running-statistics") { RunningStatistics() },
            ],
            configuration: HostConfiguration(brokers: [broker])
        )
        try await host.run()
    }

    static func ask(_ text: String, _ broker: Endpoint) async throws {
        let client = try FleetClient(brokers: [broker])
        let inputs: NamedTensors = ["text": Tensor([text], shape: [1])]

        // One request, one result.
        let result = try await client.infer(model: "text-statistics", inputs: inputs)
        let count = result.outputs["words"]?.elements(as: Int64.self)?.first ?? 0
        let longest = result.outputs["longest"]?.strings()?.first ?? ""
        print("\(count) words, the longest is '\(longest)'")

        // One request, many items.
        var lengths: [Double] = []
        for try await item in client.stream(model: "words", inputs: inputs) {
            let word = item.outputs["word"]?.strings()?.first ?? ""
            print("word \(item.index): \(word)")
            lengths.append(Double(word.count))
        }

        // A conversation: the lengths go one by one, and each is answered.
        let stream = client.openStream(
            model: "running-statistics",
            inputs: ["x": Tensor(Array(lengths.prefix(1)), shape: [min(lengths.count, 1)])]
        )
        async let sending: Void = {
            for length in lengths.dropFirst() {
                try await stream.send(["x": Tensor([length], shape: [1])])
            }
            stream.finish()
        }()
        for try await item in stream {
            let count = item.outputs["count"]?.elements(as: Int64.self)?.first ?? 0
            let mean = item.outputs["mean"]?.elements(as: Double.self)?.first ?? 0
            let deviation = item.outputs["deviation"]?.elements(as: Double.self)?.first ?? 0
            print(
                "after \(count): mean \(Self.rounded(mean)), deviation \(Self.rounded(deviation))"
            )
        }
        try await sending
        await client.close()
    }

    private static func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }
}
