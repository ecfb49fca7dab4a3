/// A set that can be gone through in an order that depends on nothing but what was done to it: what
/// a seeded simulation does twice comes out the same.
struct Roll<Element: Hashable & Sendable>: Sendable {
    private(set) var elements: [Element] = []
    private var places: [Element: Int] = [:]

    var isEmpty: Bool { self.elements.isEmpty }

    func contains(_ element: Element) -> Bool { self.places[element] != nil }

    mutating func insert(_ element: Element) {
        guard self.places[element] == nil else { return }
        self.places[element] = self.elements.count
        self.elements.append(element)
    }

    /// Takes an element out; the last one takes its place.
    mutating func remove(_ element: Element) {
        guard let place = self.places.removeValue(forKey: element) else { return }
        let last = self.elements.removeLast()
        guard place < self.elements.count else { return }
        self.elements[place] = last
        self.places[last] = place
    }

    /// Takes all out.
    mutating func takeAll() -> [Element] {
        defer { self = Roll() }
        return self.elements
    }
}
