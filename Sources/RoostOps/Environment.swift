package import ArgumentParser
internal import Glibc

/// The settings of a program: a flag, else its environment variable, else the default.
///
/// One key names both: `heartbeat-interval` is `--heartbeat-interval` and
/// `ROOST_HEARTBEAT_INTERVAL`. A variable that is set to nothing counts as not set.
package struct Environment: Sendable {
    private let lookup: @Sendable (String) -> String?

    /// This process's environment.
    package static let process = Environment { name in
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }

    package init(_ lookup: @escaping @Sendable (String) -> String?) { self.lookup = lookup }

    /// `heartbeat-interval` -> `ROOST_HEARTBEAT_INTERVAL`
    package static func variable(_ key: String) -> String {
        "ROOST_" + String(key.map { $0 == "-" ? "_" : $0 }).uppercased()
    }

    /// A variable as it is, by its full name.
    package func text(_ variable: String) -> String? { self.lookup(variable) }

    /// The flag's value if it was given, else the variable's; `nil` if there is neither.
    package func value<Value: ExpressibleByArgument>(
        _ key: String,
        flag: Value?
    ) throws(CommandError) -> Value? {
        if let flag { return flag }
        let variable = Self.variable(key)
        guard let text = self.lookup(variable) else { return nil }
        guard let value = Value(argument: text) else { throw Self.bad(variable, text, Value.self) }
        return value
    }

    package func value<Value: ExpressibleByArgument>(
        _ key: String,
        flag: Value?,
        default fallback: Value
    ) throws(CommandError) -> Value {
        try self.value(key, flag: flag) ?? fallback
    }

    /// The flags' values if any was given, else the variable's, separated by commas.
    package func values<Value: ExpressibleByArgument>(
        _ key: String,
        flags: [Value],
        default fallback: [Value]
    ) throws(CommandError) -> [Value] {
        guard flags.isEmpty else { return flags }
        let variable = Self.variable(key)
        guard let text = self.lookup(variable) else { return fallback }
        var values: [Value] = []
        for part in text.split(separator: ",") {
            guard let value = Value(argument: String(part)) else {
                throw Self.bad(variable, String(part), Value.self)
            }
            values.append(value)
        }
        return values.isEmpty ? fallback : values
    }

    private static func bad<Value: ExpressibleByArgument>(
        _ variable: String,
        _ text: String,
        _: Value.Type
    ) -> CommandError {
        CommandError(
            .configuration,
            "the environment variable \(variable) is '\(text)', but must be "
                + self.expected(Value.self)
        )
    }

    private static func expected<Value: ExpressibleByArgument>(_: Value.Type) -> String {
        if let described = Value.self as? any DescribedArgument.Type { return described.expected }
        if !Value.allValueStrings.isEmpty {
            return "one of " + Value.allValueStrings.joined(separator: ", ")
        }
        return Value.self == Int.self ? "a whole number" : "a value of another kind"
    }
}
