/// A first-in, first-out queue in one array that is used round and round.
package struct Ring<Element: Sendable>: Sendable {
    private var slots: [Element?] = Array(repeating: nil, count: 16)
    private var head = 0
    package private(set) var count = 0

    package init() {}

    /// The element that ``popFirst()`` would return.
    package var first: Element? { self.slots[self.head] }

    package mutating func append(_ element: Element) {
        if self.count == self.slots.count { self.grow() }
        self.slots[(self.head + self.count) & (self.slots.count - 1)] = element
        self.count += 1
    }

    /// Puts an element back in front.
    package mutating func prepend(_ element: Element) {
        if self.count == self.slots.count { self.grow() }
        self.head = (self.head - 1) & (self.slots.count - 1)
        self.slots[self.head] = element
        self.count += 1
    }

    package mutating func popFirst() -> Element? {
        guard self.count > 0 else { return nil }
        let element = self.slots[self.head].take()
        self.head = (self.head + 1) & (self.slots.count - 1)
        self.count -= 1
        return element
    }

    /// Removes the first element that matches; the order of the others stays.
    package mutating func removeFirst(where matches: (Element) -> Bool) -> Element? {
        let mask = self.slots.count - 1
        for offset in 0..<self.count {
            guard let element = self.slots[(self.head + offset) & mask], matches(element) else {
                continue
            }
            for later in offset..<(self.count - 1) {
                self.slots[(self.head + later) & mask] = self.slots[(self.head + later + 1) & mask]
            }
            self.slots[(self.head + self.count - 1) & mask] = nil
            self.count -= 1
            return element
        }
        return nil
    }

    private mutating func grow() {
        // The size stays a power of two: positions are masked, not divided.
        let ordered = (0..<self.count).map { self.slots[(self.head + $0) & (self.slots.count - 1)] }
        self.slots = ordered + Array(repeating: nil, count: ordered.count)
        self.head = 0
    }
}
