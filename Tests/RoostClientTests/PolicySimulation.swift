import Glibc
import RoostWire

@testable import RoostClient

/// Clients that choose by a policy among workers with queues, in virtual time and by a seed: the
/// real ``Picker`` and ``LatencyEstimate``, and nothing else of the client.
///
/// Requests come at random moments (Poisson) and take 5 to 15 ms, evenly; nobody refuses, the
/// network takes 0.2 ms, and a client knows only of its own requests.
struct PolicySimulation {
    struct Worker {
        var slots = 1
        /// How many times longer it takes than others.
        var slowness = 1.0
        /// It stands still for so long (s), that often (s).
        var freeze: (length: Double, every: Double)?
    }

    var workers = Array(repeating: Worker(), count: 8)
    var clients = 4
    /// What share of what the workers can do is asked of them.
    var load = 0.7
    /// The share of requests that take 11 times as long, and their size class.
    var heavy = (share: 0.0, sizeClass: 0)
    var requests = 4_000
    var seed: UInt64 = 1

    private static let heaviness = 11.0
    private static let meanService = 0.010
    private static let network = 0.000_2
    /// What is answered before that (s) is not counted.
    private static let warmUp = 2.0

    private struct Request {
        let client: Int
        let sent: Double
        let service: Double
        let sizeClass: Int
    }

    private struct Queue {
        var waiting = Ring<Request>()
        /// What is executed, and until when.
        var running: [(request: Request, end: Double)] = []
    }

    private struct Client {
        var picker: Picker
        var latencies: [LatencyEstimate]
        var outstanding: [Int]
        var faded = 0.0
    }

    private struct Candidates: PickerCandidates {
        let client: Client
        let workers: [Worker]
        let sizeClass: Int
        var count: Int { self.workers.count }
        func outstanding(_ position: Int) -> Int? { self.client.outstanding[position] }
        func latency(_ position: Int) -> Double {
            self.client.latencies[position].mean(self.sizeClass)
        }
        func roughLatency(_ position: Int) -> Double {
            self.client.latencies[position].roughMean(self.sizeClass)
        }
        func slots(_ position: Int) -> Int { self.workers[position].slots }
        func hash(_ position: Int) -> UInt64 { UInt64(position) }
    }

    /// The latencies in milliseconds, sorted.
    func run(_ policy: BalancingPolicy) -> [Double] {
        var random = SeededGenerator(seed: self.seed)
        var clients = (0..<self.clients).map { number in
            Client(
                picker: Picker(policy, seed: UInt64(number)),
                latencies: Array(repeating: LatencyEstimate(), count: self.workers.count),
                outstanding: Array(repeating: 0, count: self.workers.count)
            )
        }
        var queues = Array(repeating: Queue(), count: self.workers.count)
        let mean = Self.meanService * (1 + self.heavy.share * (Self.heaviness - 1))
        let capacity = self.workers.reduce(0) { $0 + Double($1.slots) / $1.slowness } / mean
        var latencies: [Double] = []
        var arrival = 0.0
        while latencies.count < self.requests {
            if let (worker, index, now) = Self.nextEnd(queues, before: arrival) {
                let request = queues[worker].running.remove(at: index).request
                self.start(&queues[worker], worker, now: now)
                let latency = now - request.sent + Self.network
                clients[request.client].outstanding[worker] -= 1
                clients[request.client].latencies[worker].add(
                    .seconds(latency),
                    sizeClass: request.sizeClass,
                    now: Moment(nanoseconds: Int64(now * 1e9))
                )
                if now > Self.warmUp { latencies.append(latency * 1_000) }
                continue
            }
            let now = arrival
            arrival -= log(Double.random(in: 1e-12..<1, using: &random)) / (self.load * capacity)
            let isHeavy = Double.random(in: 0..<1, using: &random) < self.heavy.share
            let service =
                Self.meanService * Double.random(in: 0.5...1.5, using: &random)
                * (isHeavy ? Self.heaviness : 1)
            let number = Int.random(in: clients.indices, using: &random)
            self.fade(&clients[number], now: now)
            let request = Request(
                client: number,
                sent: now,
                service: service,
                sizeClass: isHeavy ? self.heavy.sizeClass : 0
            )
            let candidates = Candidates(
                client: clients[number],
                workers: self.workers,
                sizeClass: request.sizeClass
            )
            guard let chosen = clients[number].picker.pick(from: candidates) else { continue }
            clients[number].outstanding[chosen] += 1
            queues[chosen].waiting.append(request)
            self.start(&queues[chosen], chosen, now: now)
        }
        return latencies.sorted()
    }

    /// The next execution that ends, if one does before that.
    private static func nextEnd(
        _ queues: [Queue],
        before limit: Double
    ) -> (worker: Int, index: Int, now: Double)? {
        var first: (worker: Int, index: Int, now: Double)?
        for worker in queues.indices {
            for (index, execution) in queues[worker].running.enumerated()
            where execution.end <= min(limit, first?.now ?? .infinity) {
                first = (worker, index, execution.end)
            }
        }
        return first
    }

    private func start(_ queue: inout Queue, _ worker: Int, now: Double) {
        guard queue.running.count < self.workers[worker].slots,
            let request = queue.waiting.popFirst()
        else { return }
        queue.running.append((request, self.end(of: request, on: self.workers[worker], now: now)))
    }

    private func end(of request: Request, on worker: Worker, now: Double) -> Double {
        let end = now + request.service * worker.slowness
        guard let (length, every) = worker.freeze else { return end }
        let phase = now.truncatingRemainder(dividingBy: every)
        if phase < length { return end + length - phase }
        return end > now - phase + every ? end + length : end
    }

    /// As `Fleet` has the latencies fade of those that have not answered for a while.
    private func fade(_ client: inout Client, now: Double) {
        guard now - client.faded >= 1 else { return }
        let since = Moment(nanoseconds: Int64(client.faded * 1e9))
        for worker in client.latencies.indices where client.latencies[worker].updated < since {
            client.latencies[worker].fade(.seconds(min(now - client.faded, 10)))
        }
        client.faded = now
    }
}
