import RoostOps
import RoostWire

/// The names of a model's classes.
struct Labels: Sendable {
    private let names: [String]

    init(_ names: [String]) { self.names = names }

    /// Names from a file, one a line. Blocks.
    init(file: String) throws(CommandError) {
        let bytes = try FileBytes.read(file, byteCountMax: 16 << 20, what: "a file of labels")
        let text = bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        var lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        if lines.last?.isEmpty == true { lines.removeLast() }
        self.names = lines.map(String.init)
    }

    /// The class's name, or `class 7`.
    subscript(index: Int) -> String {
        self.names.indices.contains(index) ? self.names[index] : "class \(index)"
    }
}
