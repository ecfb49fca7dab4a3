import RoostClient

/// A fleet, and what is asked of it.
struct Scenario: Sendable {
    let name: String
    /// How many times longer than others each worker takes.
    var slowness = [1.0, 1, 1, 1, 1, 1, 1, 1]
    /// The first worker stands still for half a second every five.
    var freezes = false
    var clients = 2
    /// What share of what the workers can do is asked of them.
    var load = 0.6
    /// The share of requests that take 11 times as long, and whether their size shows it.
    var heavyShare = 0.0
    var heavyIsLarger = false
    /// The scenario that it is compared with: the same fleet, healthy.
    var healthy = "8 equal workers"

    /// How long an execution takes, in seconds, evenly spread by half of it to either side.
    static let service = 0.010
    static let heaviness = 11.0
    /// The first time so long after the fleet's start, in seconds.
    static let freeze = (first: 1.5, length: 0.5, every: 5.0)

    /// Requests a second.
    var rate: Double {
        let capacity = self.slowness.reduce(0) { $0 + 1 / $1 }
        return self.load * capacity / (Self.service * (1 + self.heavyShare * (Self.heaviness - 1)))
    }

    static let all: [Scenario] = [
        Scenario(name: "8 equal workers"),
        Scenario(name: "4 equal workers", slowness: [1, 1, 1, 1], healthy: "4 equal workers"),
        Scenario(name: "1 of 4 4x slower", slowness: [4, 1, 1, 1], healthy: "4 equal workers"),
        Scenario(name: "1 freezes", freezes: true),
        Scenario(name: "heavy, same size", heavyShare: 0.1),
        Scenario(name: "heavy, larger", heavyShare: 0.1, heavyIsLarger: true),
        Scenario(name: "8 clients, 1 each", clients: 8, load: 0.5),
        Scenario(name: "2 of 8 2x slower", slowness: [2, 2, 1, 1, 1, 1, 1, 1]),
    ]
}
