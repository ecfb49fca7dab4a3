/// A first-in, first-out queue in one array that is used round and round.
///
/// Inlinable, so that the modules that use it compile it for their own elements: through generic
/// code each request would pay hundreds of nanoseconds for what is a store and a load.
package struct Ring<Element: Sendable>: Sendable {
    @usableFromInline var slots: [Element?] = Array(repeating: nil, count: 16)
    @usableFromInline var head = 0
    @usableFromInline package internal(set) var count = 0

    @inlinable package init() {}

    /// The element that ``popFirst()`` would return.
    @inlinable package var first: Element? { self.slots[self.head] }

    @inlinable package mutating func append(_ element: Element) {
        if self.count == self.slots.count { self.grow() }
        self.slots[(self.head + self.count) & (self.slots.count - 1)] = element
        self.count += 1
    }

    /// Puts an element back in front.
    @inlinable package mutating func prepend(_ element: Element) {
        if self.count == self.slots.count { self.grow() }
        self.head = (self.head - 1) & (self.slots.count - 1)
        self.slots[self.head] = element
        self.count += 1
    }

    @inlinable package mutating func popFirst() -> Element? {
        guard self.count > 0 else { return nil }
        let element = self.slots[self.head].take()
        self.head = (self.head + 1) & (self.slots.count - 1)
        self.count -= 1
        return element
    }

    /// Removes the first element that matches; the order of the others stays.
    @inlinable package mutating func removeFirst(where matches: (Element) -> Bool) -> Element? {
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

    /// The first element that matches.
    @inlinable package func first(where matches: (Element) -> Bool) -> Element? {
        let mask = self.slots.count - 1
        for offset in 0..<self.count {
            if let element = self.slots[(self.head + offset) & mask], matches(element) {
                return element
            }
        }
        return nil
    }

    /// Changes the first element that matches, in its place.
    @inlinable package mutating func updateFirst(
        where matches: (Element) -> Bool,
        _ change: (inout Element) -> Void
    ) {
        let mask = self.slots.count - 1
        for offset in 0..<self.count {
            let slot = (self.head + offset) & mask
            guard var element = self.slots[slot], matches(element) else { continue }
            change(&element)
            self.slots[slot] = element
            return
        }
    }

    @inlinable mutating func grow() {
        // The size stays a power of two: positions are masked, not divided.
        let ordered = (0..<self.count).map { self.slots[(self.head + $0) & (self.slots.count - 1)] }
        self.slots = ordered + Array(repeating: nil, count: ordered.count)
        self.head = 0
    }
}
