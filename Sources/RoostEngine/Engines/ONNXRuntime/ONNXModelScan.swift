internal import Glibc

/// What a model's file says that ONNX Runtime is not asked for: where the weights lie that are not
/// in it, and the names of a classifier's classes.
///
/// The file is read as little as possible: of each field its number and length, and the rest only
/// where it may matter.
struct ONNXModelScan {
    /// The files with weights, as the model names them, each once.
    private(set) var externalFiles: [String] = []
    /// The classes that the last `ZipMap` gives probabilities of, in the order of its columns.
    private(set) var classes: [String]?

    /// How deep messages may lie in each other: the branches of conditions and bodies of loops.
    private static let depthMax = 200
    /// The most files with weights.
    private static let externalFilesMax = 4_096
    /// The longest text that is read: a file's name, a class.
    private static let textBytesMax = 4_096
    private static let classesMax = 100_000

    private let file: FileWindow
    private(set) var fault: String?

    /// Reads the file. What is no model has nothing in it; ONNX Runtime says what is wrong.
    init(path: String) {
        self.file = FileWindow(path: path)
        self.visit(0..<self.file.byteCount, .model, depth: 0)
    }

    /// The messages of onnx.proto that lead to what is looked for.
    private enum Message {
        case model, function, graph, node, attribute, tensor, sparseTensor, entry

        func child(_ number: UInt64) -> Message? {
            switch (self, number) {
            case (.model, 7), (.attribute, 6), (.attribute, 11): .graph
            case (.model, 25): .function
            case (.graph, 1), (.function, 7): .node
            case (.graph, 5), (.attribute, 5), (.attribute, 10): .tensor
            case (.sparseTensor, 1), (.sparseTensor, 2): .tensor
            case (.graph, 15), (.attribute, 22), (.attribute, 23): .sparseTensor
            case (.node, 5): .attribute
            case (.tensor, 13): .entry
            default: nil
            }
        }
    }

    private mutating func visit(_ range: Range<Int>, _ message: Message, depth: Int) {
        guard depth <= Self.depthMax else {
            self.fault = "its graphs lie more than \(Self.depthMax) deep in each other"
            return
        }
        var fields = ProtobufFields(range)
        var key = ""
        var value = ""
        var isZipMap = false
        var attributes: [Range<Int>] = []
        while self.fault == nil, let field = fields.next(self.file) {
            guard case .bytes(let content) = field.value else { continue }
            switch (message, field.number) {
            case (.entry, 1): key = self.text(content)
            case (.entry, 2): value = self.text(content)
            case (.node, 4): isZipMap = self.text(content) == "ZipMap"
            default:
                if message == .node, field.number == 5 { attributes.append(content) }
                guard let child = message.child(field.number) else { continue }
                self.visit(content, child, depth: depth + 1)
            }
        }
        if message == .entry, key == "location" { self.add(externalFile: value) }
        if isZipMap { for attribute in attributes { self.readClasses(attribute) } }
    }

    private mutating func add(externalFile name: String) {
        guard !self.externalFiles.contains(name) else { return }
        guard self.externalFiles.count < Self.externalFilesMax else {
            self.fault = "its weights lie in more than \(Self.externalFilesMax) files"
            return
        }
        self.externalFiles.append(name)
    }

    /// The attributes `classlabels_int64s` and `classlabels_strings`.
    private mutating func readClasses(_ range: Range<Int>) {
        var fields = ProtobufFields(range)
        var classes: [String] = []
        var isClasses = false
        while classes.count <= Self.classesMax, let field = fields.next(self.file) {
            switch (field.number, field.value) {
            case (1, .bytes(let content)): isClasses = self.text(content).hasPrefix("classlabels_")
            case (8, .number(let number)): classes.append(String(Int64(bitPattern: number)))
            case (8, .bytes(let content)):
                var position = content.lowerBound
                while position < content.upperBound, classes.count <= Self.classesMax,
                    let number = self.file.number(at: &position, end: content.upperBound)
                {
                    classes.append(String(Int64(bitPattern: number)))
                }
            case (9, .bytes(let content)): classes.append(self.text(content))
            default: break
            }
        }
        if isClasses, !classes.isEmpty, classes.count <= Self.classesMax { self.classes = classes }
    }

    private func text(_ range: Range<Int>) -> String {
        let range = range.prefix(Self.textBytesMax)
        return String(decoding: range.compactMap { self.file.byte(at: $0) }, as: UTF8.self)
    }
}

/// The fields of one protocol buffer message, in order. It ends where the message is broken.
private struct ProtobufFields {
    enum Value {
        case number(UInt64)
        case bytes(Range<Int>)
        case skipped
    }

    private var position: Int
    private let end: Int

    init(_ range: Range<Int>) {
        self.position = range.lowerBound
        self.end = range.upperBound
    }

    mutating func next(_ file: FileWindow) -> (number: UInt64, value: Value)? {
        guard self.position < self.end,
            let tag = file.number(at: &self.position, end: self.end)
        else { return nil }
        switch tag & 7 {
        case 0:
            guard let value = file.number(at: &self.position, end: self.end) else { return nil }
            return (tag >> 3, .number(value))
        case 2:
            guard let number = file.number(at: &self.position, end: self.end),
                let count = Int(exactly: number), count <= self.end - self.position
            else { return nil }
            defer { self.position += count }
            return (tag >> 3, .bytes(self.position..<self.position + count))
        case 1, 5:
            self.position += tag & 7 == 1 ? 8 : 4
            return self.position <= self.end ? (tag >> 3, .skipped) : nil
        default: return nil
        }
    }
}

/// A file read here and there, a few kilobytes at a time. It is not mapped: a file that shrinks
/// meanwhile must not end the process.
private final class FileWindow {
    private static let windowBytes = 4_096

    private let descriptor: Int32
    private var window = [UInt8](repeating: 0, count: FileWindow.windowBytes)
    private var start = 0
    private var count = 0
    let byteCount: Int

    init(path: String) {
        self.descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        var status = stat()
        let isFile =
            self.descriptor >= 0 && fstat(self.descriptor, &status) == 0
            && status.st_mode & S_IFMT == S_IFREG
        self.byteCount = isFile ? Int(status.st_size) : 0
    }

    deinit {
        if self.descriptor >= 0 { close(self.descriptor) }
    }

    func byte(at position: Int) -> UInt8? {
        if position < self.start || position >= self.start + self.count {
            self.count = self.window.withUnsafeMutableBytes {
                max(0, pread(self.descriptor, $0.baseAddress!, $0.count, position))
            }
            self.start = position
            guard self.count > 0 else { return nil }
        }
        return self.window[position - self.start]
    }

    /// A number in base 128, low digits first.
    func number(at position: inout Int, end: Int) -> UInt64? {
        var number: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard position < end, let byte = self.byte(at: position) else { return nil }
            position += 1
            number |= UInt64(byte & 127) << shift
            if byte < 128 { return number }
        }
        return nil
    }
}
