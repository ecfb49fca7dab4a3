/// A first-in, first-out queue in one array that is used round and round.
///
/// RoostWire's `Ring` for the path of every request: here, in the module that uses it, it is compiled
/// for its elements, there it runs as generic code and costs some hundred nanoseconds a request.
struct Queue<Element: Sendable>: Sendable {
    /// None before the first element: most queues of a worker with many models stay empty.
    private var slots: [Element?] = []
    private var head = 0
    private(set) var count = 0

    /// The oldest element.
    var first: Element? { self.count == 0 ? nil : self.slots[self.head] }

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

    /// Shows the oldest elements in their order.
    func forEach(max: Int, _ body: (Element) -> Void) {
        for offset in 0..<Swift.min(max, self.count) {
            if let element = self.slots[self.slot(offset)] { body(element) }
        }
    }

    /// Changes the first element that matches, in its place; `false` if none does.
    @discardableResult
    mutating func updateFirst(
        where matches: (Element) -> Bool,
        _ change: (inout Element) -> Void
    ) -> Bool {
        for offset in 0..<self.count {
            let slot = self.slot(offset)
            guard var element = self.slots[slot], matches(element) else { continue }
            change(&element)
            self.slots[slot] = element
            return true
        }
        return false
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

    /// What becomes of an element that ``extract(max:_:)`` shows.
    enum Verdict {
        case take
        case leave
        /// This one and all later ones stay.
        case stop
    }

    /// Removes what `decide` takes of the oldest elements, which it is shown in their order; the
    /// order of the others stays.
    ///
    /// - Parameter max: so many elements are looked at.
    mutating func extract(max: Int, _ decide: (Element) -> Verdict) -> [Element] {
        var taken: [Element] = []
        var left: [Element] = []
        scan: for _ in 0..<Swift.min(max, self.count) {
            guard let element = self.slots[self.head] else { break }
            switch decide(element) {
            case .take: taken.append(element)
            case .leave: left.append(element)
            case .stop: break scan
            }
            _ = self.popFirst()
        }
        for element in left.reversed() { self.prepend(element) }
        return taken
    }

    /// There is room: the element was here before.
    private mutating func prepend(_ element: Element) {
        self.head = (self.head + self.slots.count - 1) & (self.slots.count - 1)
        self.slots[self.head] = element
        self.count += 1
    }

    /// The size is a power of two: positions are masked, not divided.
    private func slot(_ offset: Int) -> Int { (self.head + offset) & (self.slots.count - 1) }

    private mutating func grow() {
        let ordered = (0..<self.count).map { self.slots[self.slot($0)] }
        self.slots = ordered + Array(repeating: nil, count: max(ordered.count, 16))
        self.head = 0
    }
}
