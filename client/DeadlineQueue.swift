internal import RoostWire

/// The deadlines of the calls under way, earliest first: a binary heap that knows where each slot
/// is, so that a call that ends early takes its deadline with it.
struct DeadlineQueue: Sendable {
    private struct Entry: Sendable {
        let deadline: Moment
        let slot: Int
    }

    private var heap: [Entry] = []
    /// Slot to place in the heap; -1: it has no deadline.
    private var places: [Int] = []

    var first: (slot: Int, deadline: Moment)? {
        self.heap.first.map { ($0.slot, $0.deadline) }
    }

    /// - Precondition: the slot has no deadline yet.
    mutating func insert(_ slot: Int, deadline: Moment) {
        while self.places.count <= slot { self.places.append(-1) }
        precondition(self.places[slot] == -1, "slot \(slot) has a deadline already")
        self.heap.append(Entry(deadline: deadline, slot: slot))
        self.places[slot] = self.heap.count - 1
        self.rise(self.heap.count - 1)
    }

    /// Forgets the slot's deadline, if it has one.
    mutating func remove(_ slot: Int) {
        guard slot < self.places.count, self.places[slot] >= 0 else { return }
        let place = self.places[slot]
        let last = self.heap.count - 1
        if place != last { self.exchange(place, last) }
        self.heap.removeLast()
        self.places[slot] = -1
        guard place < last else { return }
        self.rise(place)
        self.sink(place)
    }

    private mutating func rise(_ start: Int) {
        var place = start
        while place > 0 {
            let parent = (place - 1) / 2
            guard self.heap[place].deadline < self.heap[parent].deadline else { return }
            self.exchange(place, parent)
            place = parent
        }
    }

    private mutating func sink(_ start: Int) {
        var place = start
        while true {
            var least = place
            for child in (2 * place + 1)...(2 * place + 2) where child < self.heap.count {
                if self.heap[child].deadline < self.heap[least].deadline { least = child }
            }
            guard least != place else { return }
            self.exchange(place, least)
            place = least
        }
    }

    private mutating func exchange(_ one: Int, _ other: Int) {
        self.heap.swapAt(one, other)
        self.places[self.heap[one].slot] = one
        self.places[self.heap[other].slot] = other
    }
}
