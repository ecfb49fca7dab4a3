import RoostTestKit
import RoostWire
import Testing

@testable import RoostClient

@Suite
struct SubsetTests {
    private func workers(_ count: Int, zone: (Int) -> String = { _ in "" }) -> [WorkerRecord] {
        (0..<count).map { .sample("worker-\($0)", zone: zone($0)) }
    }

    private func subset(
        _ size: Int,
        of records: [WorkerRecord],
        zone: String = "",
        client: UInt64,
        mayServe: (WorkerRecord) -> Bool = { _ in true }
    ) -> Set<String> {
        let chosen = Subset.choose(
            size,
            of: records,
            zone: zone,
            client: client,
            mayServe: mayServe
        )
        return Set(chosen)
    }

    @Test("all of few are chosen, and so many of more", arguments: [(31, 31), (32, 32), (33, 32)])
    func size(count: Int, expected: Int) {
        let chosen = Subset.choose(32, of: self.workers(count), zone: "", client: 1) { _ in true }
        #expect(chosen.count == expected)
        #expect(Set(chosen).count == expected)
    }

    @Test("many clients spread over the workers evenly")
    func spread() {
        let workers = self.workers(40)
        var random = SeededGenerator(seed: 1)
        var clients: [String: Int] = [:]
        for _ in 0..<2_000 {
            for id in self.subset(8, of: workers, client: random.next()) {
                clients[id, default: 0] += 1
            }
        }
        // 400 each are expected, with a deviation of 18.
        #expect(clients.count == 40)
        #expect(clients.values.allSatisfy { (310...490).contains($0) })
    }

    @Test(
        "a worker more or less changes one link of a client at most",
        arguments: 0..<20 as Range<UInt64>
    )
    func churn(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let client = random.next()
        var workers = self.workers(60) { ["a", "b"][$0 % 2] }
        var chosen = self.subset(16, of: workers, zone: "a", client: client)
        for number in 60..<160 {
            if Bool.random(using: &random), workers.count > 1 {
                workers.remove(at: Int.random(in: workers.indices, using: &random))
            } else {
                workers.append(.sample("worker-\(number)", zone: ["a", "b"][number % 2]))
            }
            workers.shuffle(using: &random)
            let next = self.subset(16, of: workers, zone: "a", client: client)
            #expect(next.subtracting(chosen).count <= 1)
            #expect(chosen.subtracting(next).count <= 1)
            chosen = next
        }
    }

    @Test("those of the client's zone come first", arguments: [(8, 8), (20, 10)])
    func zone(size: Int, expected: Int) {
        let workers = self.workers(40) { $0 % 4 == 0 ? "near" : "far" }
        for client in 0..<50 as Range<UInt64> {
            let chosen = self.subset(size, of: workers, zone: "near", client: client)
            let near = workers.filter { $0.zone == "near" && chosen.contains($0.workerID) }
            #expect(near.count == expected)
            #expect(chosen.count == size)
        }
        #expect(self.subset(8, of: workers, client: 1) != self.subset(8, of: workers, client: 2))
    }

    @Test("those that can serve nothing are chosen when there are too few others, from any zone")
    func useless() {
        let workers = self.workers(40) { $0 < 20 ? "near" : "far" }
        for client in 0..<50 as Range<UInt64> {
            func chosen(_ size: Int, of records: [WorkerRecord]) -> Set<String> {
                self.subset(size, of: records, zone: "near", client: client) { $0.state == .ready }
            }
            let whole = chosen(8, of: workers)
            // Two of its own fall silent: two others take their places, and only theirs.
            var some = workers
            let silent = Set(whole.sorted().prefix(2))
            for position in some.indices where silent.contains(some[position].workerID) {
                some[position].state = .suspect
            }
            let others = chosen(8, of: some)
            #expect(others.count == 8)
            #expect(others.isDisjoint(with: silent))
            #expect(others.isSuperset(of: whole.subtracting(silent)))
            // All but five fall silent: those five, wherever they are, and three more.
            for position in some.indices { some[position].state = .suspect }
            for position in 18..<23 { some[position].state = .ready }
            let last = chosen(8, of: some)
            #expect(last.count == 8)
            #expect(last.isSuperset(of: (18..<23).map { "worker-\($0)" }))
        }
    }
}
