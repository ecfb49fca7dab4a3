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

    private let file: ByteWindow
    private(set) var fault: String?

    /// Reads the file. What is no model has nothing in it; ONNX Runtime says what is wrong.
    init(path: String) {
        self.file = ByteWindow(path: path)
        self.visit(0..<self.file.byteCount, .model, depth: 0)
    }

    /// The messages of onnx.proto that lead to what is looked for.
    private enum Message {
        case model, function, graph, node, attribute, tensor, sparseTensor, entry

        func child(_ number: Int) -> Message? {
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
        var fields = ProtobufReader(self.file, range)
        var key = ""
        var value = ""
        var isZipMap = false
        var attributes: [Range<Int>] = []
        while self.fault == nil, let field = fields.next() {
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
        var fields = ProtobufReader(self.file, range)
        var classes: [String] = []
        var isClasses = false
        while classes.count <= Self.classesMax, let field = fields.next() {
            switch (field.number, field.value) {
            case (1, .bytes(let content)): isClasses = self.text(content).hasPrefix("classlabels_")
            case (8, .number(let number)): classes.append(String(Int64(bitPattern: number)))
            case (8, .bytes(let content)):
                var numbers = ProtobufReader(self.file, content)
                while classes.count <= Self.classesMax, let number = numbers.nextNumber() {
                    classes.append(String(Int64(bitPattern: number)))
                }
            case (9, .bytes(let content)): classes.append(self.text(content))
            default: break
            }
        }
        if isClasses, !classes.isEmpty, classes.count <= Self.classesMax { self.classes = classes }
    }

    private func text(_ range: Range<Int>) -> String {
        self.file.text(range, bytesMax: Self.textBytesMax)
    }
}
