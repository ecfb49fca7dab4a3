/// A value of a TOML document.
indirect enum TOMLValue: Hashable, Sendable {
    case table([TOMLEntry])
    case array([TOMLValue])
    case string(String)
    case integer(Int64)
    case float(Double)
    case boolean(Bool)
}

/// A key and what it is set to.
struct TOMLEntry: Hashable, Sendable {
    let key: String
    /// The line where the key stands; the first is 1.
    let line: Int
    let value: TOMLValue
}

/// A document is no TOML, or has what Roost does not take.
struct TOMLSyntaxError: Error, Hashable {
    let line: Int
    let reason: String
}
