/// Numbers as TOML writes them.
enum TOMLNumber {
    /// The integer or float; `nil` if the word is neither, or an integer that 64 bits do not hold.
    static func value(_ word: String) -> TOMLValue? {
        let sign = word.first == "-" || word.first == "+" ? word.prefix(1) : ""
        let digits = word.dropFirst(sign.count)
        if digits == "inf" { return .float(sign == "-" ? -.infinity : .infinity) }
        if digits == "nan" { return .float(.nan) }
        for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] where word.hasPrefix(prefix) {
            return self.plain(word.dropFirst(2))
                .flatMap { Int64($0, radix: radix) }.map { .integer($0) }
        }
        guard let plain = self.plain(digits) else { return nil }
        let mark = plain.firstIndex { !$0.isDigit } ?? plain.endIndex
        let whole = plain[..<mark]
        guard !whole.isEmpty, whole == "0" || whole.first != "0" else { return nil }
        if mark == plain.endIndex { return Int64(sign + plain).map { .integer($0) } }
        guard self.isFraction(plain[mark...]) else { return nil }
        return Double(sign + plain).map { .float($0) }
    }

    /// Without the underscores, each of which stands between two digits.
    private static func plain(_ digits: Substring) -> String? {
        let parts = digits.split(separator: "_", omittingEmptySubsequences: false)
        for (left, right) in zip(parts, parts.dropFirst()) {
            guard left.last?.isHexDigit == true, right.first?.isHexDigit == true else { return nil }
        }
        // Nor a sign, which the standard library would take.
        let plain = parts.joined()
        return plain.first?.isHexDigit == true ? plain : nil
    }

    /// `.5`, `e-3` or `.5e3`.
    private static func isFraction(_ text: Substring) -> Bool {
        var rest = text
        if rest.first == "." {
            let digits = rest.dropFirst().prefix { $0.isDigit }
            guard !digits.isEmpty else { return false }
            rest = rest.dropFirst(1 + digits.count)
        }
        guard !rest.isEmpty else { return true }
        guard rest.removeFirst().lowercased() == "e" else { return false }
        if rest.first == "-" || rest.first == "+" { rest.removeFirst() }
        return !rest.isEmpty && rest.allSatisfy(\.isDigit)
    }
}

extension Character {
    /// The standard library's properties take digits of all scripts.
    fileprivate var isDigit: Bool { ("0"..."9").contains(self) }
}
