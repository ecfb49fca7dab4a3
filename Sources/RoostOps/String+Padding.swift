extension String {
    /// The text with spaces behind it, or before it, up to that many characters.
    package func padding(to width: Int, onTheLeft: Bool = false) -> String {
        let missing = width - self.count
        guard missing > 0 else { return self }
        let spaces = String(repeating: " ", count: missing)
        return onTheLeft ? spaces + self : self + spaces
    }
}
