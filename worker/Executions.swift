internal import RoostWire

/// What is being executed, by slots that are used again.
struct Executions: Sendable {
    /// A batch, perhaps of one request.
    struct Execution: Sendable {
        let place: Int
        let rows: Int
        let requests: Int
        /// That of its requests.
        let form: Int
        let started: Moment
        /// What it may be believed to take, in nanoseconds: nothing if nobody can say.
        let believed: Int64
        /// What the model's share was charged: a guess, if nothing better is known.
        let expected: Int64
    }

    /// By slot; `nil` where nothing runs.
    private var slots: [Execution?] = []
    private var freeSlots: [Int] = []
    private(set) var count = 0
    /// Requests in them.
    private(set) var requests = 0
    /// What they were believed to take when they began, in nanoseconds.
    private(set) var work: Int64 = 0

    mutating func begin(_ execution: Execution) -> Int {
        self.count += 1
        self.requests += execution.requests
        self.work += execution.believed
        let slot = self.freeSlots.popLast() ?? self.slots.count
        if slot == self.slots.count {
            self.slots.append(execution)
        } else {
            self.slots[slot] = execution
        }
        return slot
    }

    mutating func end(_ slot: Int) -> Execution {
        guard let execution = self.slots[slot].take() else {
            preconditionFailure("an execution ended in slot \(slot) and none was running there")
        }
        self.freeSlots.append(slot)
        self.count -= 1
        self.requests -= execution.requests
        self.work -= execution.believed
        return execution
    }

    /// The model's place whose execution runs there.
    func place(of slot: Int) -> Int {
        guard let execution = self.slots[slot] else {
            preconditionFailure("nothing is executed in slot \(slot)")
        }
        return execution.place
    }

    /// What is left of them on the average, in nanoseconds.
    ///
    /// - Parameter place: of that model's only.
    func left(of place: Int? = nil, now: Moment) -> Int64 {
        var left: Int64 = 0
        for case .some(let execution) in self.slots
        where (place ?? execution.place) == execution.place {
            let age = now.nanoseconds - execution.started.nanoseconds
            left += max(execution.believed - age, 0)
        }
        return left
    }

    func forEach(_ body: (Execution) -> Void) {
        for case .some(let execution) in self.slots { body(execution) }
    }
}
