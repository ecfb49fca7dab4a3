import RoostClient
import RoostOps
import RoostTestKit
import RoostWire

/// The load of one client of the soup.
struct SoakLoad: Sendable {
    let brokers: [String]
    let rate: Double

    private static let timeout: Duration = .seconds(5)
    private static let interval: Duration = .seconds(1)

    /// Asks until it is told to stop, and says each second what became of it.
    func run(_ requests: StopRequests) async throws -> ExitStatus {
        requests.arm()
        let client = try FleetClient(brokers: self.brokers.map { try Endpoint($0) })
        try await self.waitForFleet(client)
        var options = OpenLoad.Options()
        options.rate = self.rate
        options.timeout = Self.timeout
        let start = OpenLoad.now
        let history = try await OpenLoad.run(client, options) { load in
            let telling = Task {
                var told = 0
                while !Task.isCancelled {
                    let before = OpenLoad.now
                    try? await Task.sleep(for: Self.interval)
                    // Woken from being frozen, the load has to see for itself first.
                    guard OpenLoad.now - before < Self.interval * 1.5 else { continue }
                    let history = load.history
                    Output.standard.line(
                        LoadReport(history, elapsed: OpenLoad.now - start).line
                    )
                    for failure in history.failures.dropFirst(told) { Output.error.line(failure) }
                    told = history.failures.count
                }
            }
            await requests.next()
            telling.cancel()
            await telling.value
        }
        await client.close()
        Output.standard.line(LoadReport(history, elapsed: OpenLoad.now - start).line)
        return .ok
    }

    /// There may be nobody at the moment: the soup began without us.
    private func waitForFleet(_ client: FleetClient) async throws {
        let input = try OpenLoad.inputs(batch: 1)[0]
        while true {
            do throws(InferenceError) {
                _ = try await client.infer(model: "digits", inputs: input)
                return
            } catch {
                try await Task.sleep(for: .milliseconds(200))
            }
        }
    }
}
