import RoostOps

/// Rows of text in aligned columns. A column is as wide as its widest cell so far, so that a table
/// can also be printed row by row.
struct Table: Sendable {
    private var widths: [Int]
    private var rightAligned: Set<Int> = []
    private var rows: [[String]] = []

    /// A table with those headings; columns may be given a least width.
    init(columns: [String], widths: [Int] = []) {
        self.widths = columns.enumerated().map { index, name in
            max(name.count, index < widths.count ? widths[index] : 0)
        }
        self.rows = [columns]
    }

    mutating func alignRight(_ column: Int) { self.rightAligned.insert(column) }

    /// Adds a row to be printed with the others.
    mutating func add(_ row: [String]) {
        self.measure(row)
        self.rows.append(row)
    }

    /// All rows, one a line.
    var text: String { self.rows.map(self.line).joined(separator: "\n") }

    /// The headings as they stand above the rows of ``row(_:)``.
    var heading: String { self.line(self.rows[0]) }

    /// One row, as wide as the ones before it or wider.
    mutating func row(_ cells: [String]) -> String {
        self.measure(cells)
        return self.line(cells)
    }

    private mutating func measure(_ row: [String]) {
        // The last cell of a short row may stretch over the columns that it leaves out.
        let isShort = row.count < self.widths.count
        for (column, cell) in row.enumerated() where column < self.widths.count {
            if isShort, column == row.count - 1 { continue }
            self.widths[column] = max(self.widths[column], cell.count)
        }
    }

    private func line(_ row: [String]) -> String {
        var line = ""
        for (column, cell) in row.enumerated() {
            if column > 0 { line += "  " }
            line += cell.padding(
                to: self.widths[column],
                onTheLeft: self.rightAligned.contains(column)
            )
        }
        while line.last == " " { line.removeLast() }
        return line
    }
}
