/// What will happen, earliest first; of one moment in the order in which it was planned.
struct EventQueue {
    struct Event {
        let time: Int64
        let sequence: UInt64
        let action: () -> Void
    }

    private var heap: [Event] = []
    private var planned: UInt64 = 0

    var count: Int { self.heap.count }
    var nextTime: Int64? { self.heap.first?.time }

    mutating func plan(at time: Int64, _ action: @escaping () -> Void) {
        self.planned += 1
        self.heap.append(Event(time: time, sequence: self.planned, action: action))
        var child = self.heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard Self.isEarlier(self.heap[child], self.heap[parent]) else { break }
            self.heap.swapAt(child, parent)
            child = parent
        }
    }

    mutating func popFirst() -> Event? {
        guard let first = self.heap.first else { return nil }
        let last = self.heap.removeLast()
        guard !self.heap.isEmpty else { return first }
        self.heap[0] = last
        var parent = 0
        while true {
            var least = 2 * parent + 1
            guard least < self.heap.count else { break }
            if least + 1 < self.heap.count, Self.isEarlier(self.heap[least + 1], self.heap[least]) {
                least += 1
            }
            guard Self.isEarlier(self.heap[least], self.heap[parent]) else { break }
            self.heap.swapAt(parent, least)
            parent = least
        }
        return first
    }

    mutating func removeAll() { self.heap.removeAll() }

    private static func isEarlier(_ left: Event, _ right: Event) -> Bool {
        left.time != right.time ? left.time < right.time : left.sequence < right.sequence
    }
}
