import Testing

/// Shares the machine among the tests of faults: those that mostly wait overlap, those that
/// measure have it to themselves.
struct Machine: TestTrait, TestScoping {
    /// How many may overlap.
    private static let shares = 4
    private static let turns = Turns(free: Machine.shares)

    private let share: Int

    @concurrent
    func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        await Self.turns.take(self.share)
        do {
            try await function()
        } catch {
            await Self.turns.give(self.share)
            throw error
        }
        await Self.turns.give(self.share)
    }

    static func test(sharing: Bool) -> Machine { Machine(share: sharing ? 1 : Self.shares) }
}

extension Trait where Self == Machine {
    /// Other tests may run at the same time.
    static var sharesMachine: Machine { .test(sharing: true) }
    /// No other test runs at the same time.
    static var needsMachine: Machine { .test(sharing: false) }
}

/// A semaphore whose waiters go in the order in which they came.
private actor Turns {
    private var free: Int
    private var waiting: [(share: Int, continuation: CheckedContinuation<Void, Never>)] = []

    init(free: Int) { self.free = free }

    func take(_ share: Int) async {
        if self.waiting.isEmpty, self.free >= share {
            self.free -= share
            return
        }
        await withCheckedContinuation { self.waiting.append((share, $0)) }
    }

    func give(_ share: Int) {
        self.free += share
        while let first = self.waiting.first, self.free >= first.share {
            self.free -= first.share
            self.waiting.removeFirst()
            first.continuation.resume()
        }
    }
}
