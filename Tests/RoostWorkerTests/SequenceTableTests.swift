import RoostTestKit
import RoostWire
import Testing
import ZeroMQ

@testable import RoostWorker

/// Whose turn it is in a sequence, and what it goes on from.
@Suite
struct SequenceTableTests {
    private typealias Table = SequenceTable<Int>

    private static let client = InstanceID.random(using: Entropy())

    private static func key(_ number: UInt64) -> SequenceKey {
        SequenceKey(client: Self.client, number: number)
    }

    private static func state(_ value: Float) -> [Tensor] { [Tensor([value], shape: [1])] }

    private static func text(_ admission: Table.Admission) -> String {
        switch admission {
        case .run(nil): "begins"
        case .run(let state?): "goes on from \(Self.text(state))"
        case .waits: "waits"
        case .refused(let refusal): "refused: \(refusal)"
        }
    }

    private static func text(_ state: [Tensor]) -> String {
        state.map { "\($0.elements(as: Float.self)?.first ?? .nan)" }.joined(separator: ",")
    }

    private static func ask(
        _ table: inout Table,
        _ item: Int,
        _ position: Table.Position = [],
        of number: UInt64 = 1,
        at milliseconds: Int64 = 0
    ) -> String {
        Self.text(
            table.admit(item, position, of: Self.key(number), now: .milliseconds(milliseconds))
        )
    }

    /// The request that ran has ended; what is next.
    private static func end(
        _ table: inout Table,
        _ state: Float?,
        of number: UInt64 = 1,
        at milliseconds: Int64 = 0
    ) -> (next: String?, orphans: [Int]) {
        let turn = table.ended(
            Self.key(number),
            state: state.map(Self.state),
            now: .milliseconds(milliseconds)
        )
        return (turn.next.map { "\($0.item) on \(Self.text($0.state))" }, turn.orphans)
    }

    @Test("each request goes on from what the one before left, in the order in which they came")
    func order() {
        var table = Table()
        #expect(Self.ask(&table, 1, .start) == "begins")
        #expect(Self.ask(&table, 2) == "waits")
        #expect(Self.ask(&table, 3, .end) == "waits")
        #expect(Self.ask(&table, 4) == "refused: unknown")
        #expect(Self.end(&table, 10).next == "2 on 10.0")
        #expect(Self.end(&table, 20).next == "3 on 20.0")
        #expect(Self.end(&table, 30).next == nil)
        #expect(table.count == 0 && table.byteCount == 0)
        #expect(Self.ask(&table, 5) == "refused: unknown")
    }

    @Test("sequences know nothing of each other")
    func apart() {
        var table = Table()
        #expect(Self.ask(&table, 1, .start, of: 1) == "begins")
        #expect(Self.ask(&table, 2, .start, of: 2) == "begins")
        #expect(Self.end(&table, 10, of: 1).next == nil)
        #expect(Self.end(&table, 20, of: 2).next == nil)
        #expect(Self.ask(&table, 3, of: 1) == "goes on from 10.0")
        #expect(Self.ask(&table, 4, of: 2) == "goes on from 20.0")
        #expect(table.count == 2 && table.byteCount == 8)
    }

    @Test("a request that fails leaves the state as it was; one that fails to begin leaves nothing")
    func failures() {
        var table = Table()
        _ = Self.ask(&table, 1, .start)
        _ = Self.end(&table, 10)
        #expect(Self.ask(&table, 2) == "goes on from 10.0")
        #expect(Self.end(&table, nil).next == nil)
        #expect(Self.ask(&table, 3) == "goes on from 10.0")

        _ = Self.ask(&table, 1, .start, of: 2)
        #expect(Self.ask(&table, 5, of: 2) == "waits")
        let turn = Self.end(&table, nil, of: 2)
        #expect(turn.next == nil && turn.orphans == [5])
        #expect(Self.ask(&table, 6, of: 2) == "refused: unknown")
        #expect(table.count == 1)
    }

    @Test("a sequence that has begun does not begin again; a single request may be all of it")
    func positions() {
        var table = Table()
        #expect(Self.ask(&table, 1, [.start, .end]) == "begins")
        #expect(Self.ask(&table, 2, .start) == "refused: alreadyStarted")
        _ = Self.end(&table, 10)
        #expect(table.count == 0)
        #expect(Self.ask(&table, 3, .start) == "begins")
    }

    @Test("sequences, what waits in one, and what they hold are bounded")
    func bounds() {
        var table = Table(Table.Limits(countMax: 2, bytesMax: 8, waitingMax: 1))
        #expect(Self.ask(&table, 1, .start, of: 1) == "begins")
        #expect(Self.ask(&table, 2, of: 1) == "waits")
        #expect(Self.ask(&table, 3, of: 1) == "refused: tooManyWaiting(1)")
        #expect(Self.ask(&table, 4, .start, of: 2) == "begins")
        #expect(Self.ask(&table, 5, .start, of: 3) == "refused: tooManySequences(2)")
        _ = Self.end(&table, 1, of: 1)
        _ = table.cancel(Self.key(1)) { $0 == 2 }

        var full = Table(Table.Limits(countMax: 9, bytesMax: 8))
        for number in 1...2 as ClosedRange<UInt64> {
            #expect(Self.ask(&full, 1, .start, of: number) == "begins")
            _ = Self.end(&full, 1, of: number)
        }
        #expect(full.byteCount == 8)
        #expect(Self.ask(&full, 1, .start, of: 3) == "refused: tooManyBytes(8)")
        // Those that are there go on.
        #expect(Self.ask(&full, 1, .end, of: 1) == "goes on from 1.0")
        _ = Self.end(&full, 2, of: 1)
        #expect(Self.ask(&full, 1, .start, of: 3) == "begins")
    }

    @Test("a state may grow up to the room that there is, and not by one byte more")
    func growth() {
        var table = Table(Table.Limits(bytesMax: 10))
        _ = Self.ask(&table, 1, .start, of: 1)
        _ = Self.ask(&table, 1, .start, of: 2)
        #expect(table.keep(4, of: Self.key(1), isKept: false) == nil)
        _ = Self.end(&table, 1, of: 1)
        let refusal = Table.Refusal.stateTooLarge(byteCount: 7, bytesMax: 10)
        #expect(table.keep(7, of: Self.key(2), isKept: false) == refusal)
        #expect(table.byteCount == 4)
        #expect(table.keep(6, of: Self.key(2), isKept: false) == nil)
        #expect(table.byteCount == 10)
        // One that leaves nothing larger behind goes on, though all room is taken.
        #expect(table.keep(6, of: Self.key(2), isKept: false) == nil)
        #expect(table.keep(5, of: Self.key(2), isKept: false) == nil)
        #expect(table.byteCount == 9)
        // What it was to leave is not kept when it fails in the end.
        _ = Self.end(&table, nil, of: 2)
        #expect(table.byteCount == 4)
    }

    @Test("the state after a sequence's last request takes no room, but within its stream")
    func growthAtTheEnd() {
        var table = Table(Table.Limits(bytesMax: 4))
        _ = Self.ask(&table, 1, [.start, .end])
        #expect(table.keep(5, of: Self.key(1), isKept: false) == nil)
        #expect(table.byteCount == 0)
        #expect(table.keep(5, of: Self.key(1), isKept: true) != nil)
        #expect(table.keep(4, of: Self.key(1), isKept: true) == nil)
        _ = Self.end(&table, 1)
        #expect(table.byteCount == 0 && table.count == 0)
    }

    @Test("what waits can be taken out, what runs cannot")
    func cancel() {
        var table = Table()
        _ = Self.ask(&table, 1, .start)
        _ = Self.ask(&table, 2)
        _ = Self.ask(&table, 3)
        #expect(table.cancel(Self.key(1)) { $0 == 1 } == nil)
        #expect(table.cancel(Self.key(1)) { $0 == 2 } == 2)
        #expect(Self.end(&table, 10).next == "3 on 10.0")
    }

    @Test("a sequence ends when nothing is asked of it for too long, not while a request runs")
    func idle() {
        var table = Table(Table.Limits(idleMax: .seconds(60)))
        #expect(table.deadline == .never)
        _ = Self.ask(&table, 1, .start, of: 1)
        _ = Self.ask(&table, 2, .start, of: 2)
        _ = Self.end(&table, 10, of: 1, at: 1_000)
        #expect(table.deadline == .milliseconds(60_000))
        #expect(table.sweep(now: .milliseconds(59_999)) == 0)
        #expect(table.sweep(now: .milliseconds(60_999)) == 0)
        #expect(table.deadline == .milliseconds(61_000))
        #expect(table.sweep(now: .milliseconds(61_000)) == 1)
        #expect(table.count == 1 && table.byteCount == 0)
        #expect(Self.ask(&table, 3, of: 1, at: 77_000) == "refused: unknown")
        _ = Self.end(&table, 20, of: 2, at: 100_000)
        #expect(Self.ask(&table, 4, of: 2, at: 159_000) == "goes on from 20.0")
    }
}
