import Dispatch

/// Threads outside of Swift's pool, for what blocks.
enum Threads {
    /// Runs `body` on that many threads at once, each with its number, and waits for all.
    static func run(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) async {
        await withCheckedContinuation { continuation in
            let group = DispatchGroup()
            for number in 0..<count {
                DispatchQueue(label: "thread \(number)").async(group: group) { body(number) }
            }
            group.notify(queue: .global()) { continuation.resume() }
        }
    }
}
