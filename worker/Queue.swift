/// A first-in, first-out queue in one array that is used round and round.
///
/// RoostWire's `Ring` for the path of every request: here, in the module that uses it, it is compiled
/// for its elements, there it runs as generic code and costs some hundred nanoseconds a request.
struct Queue<Element: Sendable>: Sendable {
    private var slots: [Element?] = Array(repeating: nil, count: 16)
    private var head = 0
    private(set) var count = 0

    /// The oldest element.
    var first: Element? { self.slots[self.head] }

    mutating func append(_ element: Element) {
        if self.count == self.slots.count { self.grow() }
        self.slots[self.slot(self.count)] = element
        self.count += 1
    }

    mutating func popFirst() -> Element? {
        guard self.count > 0 else { return nil }
        let element = self.slots[self.head].take()
        self.head = self.slot(1)
        self.count -= 1
        return element
    }

    /// The first element that matches.
    func first(where matches: (Element) -> Bool) -> Element? {
        for offset in 0..<self.count {
            if let element = self.slots[self.slot(offset)], matches(element) { return element }
        }
        return nil
    }

    /// Changes the first element that matches, in its place.
    mutating func updateFirst(
        where matches: (Element) -> Bool,
        _ change: (inout Element) -> Void
    ) {
        for offset in 0..<self.count {
            let slot = self.slot(offset)
            guard var element = self.slots[slot], matches(element) else { continue }
            change(&element)
            self.slots[slot] = element
            return
        }
    }

    /// Removes the first element that matches; the order of the others stays.
    mutating func removeFirst(where matches: (Element) -> Bool) -> Element? {
        for offset in 0..<self.count {
            guard let element = self.slots[self.slot(offset)], matches(element) else { continue }
            for later in offset..<(self.count - 1) {
                self.slots[self.slot(later)] = self.slots[self.slot(later + 1)]
            }
            self.slots[self.slot(self.count - 1)] = nil
            self.count -= 1
            return element
        }
        return nil
    }

    /// The size is a power of two: positions are masked, not divided.
    private func slot(_ offset: Int) -> Int { (self.head + offset) & (self.slots.count - 1) }

    private mutating func grow() {
        let ordered = (0..<self.count).map { self.slots[self.slot($0)] }
        self.slots = ordered + Array(repeating: nil, count: ordered.count)
        self.head = 0
    }
}
