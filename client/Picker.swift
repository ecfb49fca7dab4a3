/// Chooses a worker for a request: policy `rotate`.
///
/// Workers are taken in turn, beginning after the last one chosen; of those with credit, the first
/// with the fewest of our own requests outstanding. Among equal workers that is round-robin; one
/// that answers more slowly gets fewer (PROTOCOL.md §2).
struct Picker: Sendable {
    private var last = -1

    /// The position of the chosen candidate; `nil` if none can take a request.
    ///
    /// - Parameters:
    ///   - count: how many candidates there are, in a fixed order.
    ///   - outstanding: our requests at a candidate; `nil` if it can take none.
    mutating func pick(of count: Int, outstanding: (Int) -> Int?) -> Int? {
        var best: Int?
        var fewest = Int.max
        for step in 1..<(count + 1) {
            let position = (self.last + step) % count
            guard let requests = outstanding(position), requests < fewest else { continue }
            best = position
            fewest = requests
            if requests == 0 { break }
        }
        if let best { self.last = best }
        return best
    }
}
