/// The tables of a TOML document while it is read: what may be added where.
final class TOMLTree {
    /// How a table came to be, which decides what may still be added to it.
    enum Kind {
        /// By its own `[header]`, or it is the document.
        case header
        /// By the header of a table in it; its own may follow.
        case implied
        /// By a dotted key.
        case dotted
    }

    private enum Item {
        case value(TOMLValue)
        case table(TOMLTree)
    }

    private var kind: Kind
    private var items: [(key: String, line: Int, item: Item)] = []
    private var places: [String: Int] = [:]

    init(_ kind: Kind) { self.kind = kind }

    /// The table that a header opens.
    func open(_ path: [String], line: Int) throws(TOMLSyntaxError) -> TOMLTree {
        var table = self
        for (depth, key) in path.enumerated() {
            let isLast = depth == path.count - 1
            guard let place = table.places[key] else {
                table = table.append(key, line, isLast ? .header : .implied)
                continue
            }
            let known = table.items[place]
            guard case .table(let next) = known.item else {
                throw Self.twice(key, line, first: known.line)
            }
            if isLast {
                guard next.kind == .implied else {
                    throw Self.twice(key, line, first: known.line)
                }
                next.kind = .header
                table.items[place].line = line
            }
            table = next
        }
        return table
    }

    /// Sets a key, which may be dotted.
    func set(_ path: [String], _ value: TOMLValue, line: Int) throws(TOMLSyntaxError) {
        var table = self
        for key in path.dropLast() {
            guard let place = table.places[key] else {
                table = table.append(key, line, .dotted)
                continue
            }
            let known = table.items[place]
            guard case .table(let next) = known.item, next.kind == .dotted else {
                throw Self.twice(key, line, first: known.line)
            }
            table = next
        }
        guard let key = path.last else { preconditionFailure("a key without a name") }
        if let place = table.places[key] {
            throw Self.twice(key, line, first: table.items[place].line)
        }
        table.places[key] = table.items.count
        table.items.append((key, line, .value(value)))
    }

    /// What has been set, in the order of the lines.
    var entries: [TOMLEntry] {
        self.items.map { key, line, item in
            switch item {
            case .value(let value): TOMLEntry(key: key, line: line, value: value)
            case .table(let table): TOMLEntry(key: key, line: line, value: .table(table.entries))
            }
        }
    }

    private func append(_ key: String, _ line: Int, _ kind: Kind) -> TOMLTree {
        let table = TOMLTree(kind)
        self.places[key] = self.items.count
        self.items.append((key, line, .table(table)))
        return table
    }

    private static func twice(_ key: String, _ line: Int, first: Int) -> TOMLSyntaxError {
        TOMLSyntaxError(
            line: line,
            reason: "\(ConfigurationProblems.quoted(key)) is set twice, first in line \(first)"
        )
    }
}
