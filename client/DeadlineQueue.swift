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
        self.places[slot] = -1
        let last = self.heap.removeLast()
        guard place < self.heap.count else { return }
        // The last entry fills the gap, and moves from there to where it belongs.
        self.fill(place, with: last)
    }

    private mutating func rise(_ start: Int) { self.fill(start, with: self.heap[start]) }

    /// Puts an entry into a gap, or above it or below it, moving others into the gap.
    private mutating func fill(_ gap: Int, with entry: Entry) {
        var gap = gap
        self.heap.withUnsafeMutableBufferPointer { heap in
            self.places.withUnsafeMutableBufferPointer { places in
                while gap > 0, entry.deadline < heap[(gap - 1) / 2].deadline {
                    heap[gap] = heap[(gap - 1) / 2]
                    places[heap[gap].slot] = gap
                    gap = (gap - 1) / 2
                }
                while 2 * gap + 1 < heap.count {
                    var least = 2 * gap + 1
                    if least + 1 < heap.count, heap[least + 1].deadline < heap[least].deadline {
                        least += 1
                    }
                    guard heap[least].deadline < entry.deadline else { break }
                    heap[gap] = heap[least]
                    places[heap[gap].slot] = gap
                    gap = least
                }
                heap[gap] = entry
                places[entry.slot] = gap
            }
        }
    }
}
