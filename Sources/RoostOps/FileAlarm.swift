/// Says once that the open files come near their limit, and again only after they were fewer.
package struct FileAlarm: Sendable {
    /// Shares of the limit, in percent: above the one it is raised, below the other it is over.
    private static let (raised, over) = (80, 70)

    package let limit: Int
    private var isUp = false

    package init(limit: Int) { self.limit = limit }

    /// - Parameter count: how many are open; `nil` for so many that they cannot be counted.
    package mutating func isRaised(by count: Int?) -> Bool {
        let percent = count.map { Double($0) / Double(max(self.limit, 1)) * 100 } ?? 100
        if self.isUp {
            self.isUp = percent >= Double(Self.over)
            return false
        }
        self.isUp = percent >= Double(Self.raised)
        return self.isUp
    }
}
