/// Tensors by name, in order: a request's inputs or a result's outputs.
///
/// ```swift
/// let inputs: NamedTensors = ["image": image]
/// ```
public struct NamedTensors: Sendable, ExpressibleByDictionaryLiteral {
    /// A tensor and its name.
    public struct Element: Sendable {
        public let name: String
        public let tensor: Tensor
        public init(name: String, tensor: Tensor) {
            self.name = name
            self.tensor = tensor
        }
    }

    private var elements: [Element]

    public init(_ elements: [Element] = []) { self.elements = elements }

    public init(dictionaryLiteral elements: (String, Tensor)...) {
        self.elements = elements.map { Element(name: $0.0, tensor: $0.1) }
    }

    public mutating func append(_ name: String, _ tensor: Tensor) {
        self.elements.append(Element(name: name, tensor: tensor))
    }

    /// The first tensor of that name.
    public subscript(name: String) -> Tensor? {
        self.elements.first { $0.name == name }?.tensor
    }
}

extension NamedTensors: RandomAccessCollection {
    public var startIndex: Int { self.elements.startIndex }
    public var endIndex: Int { self.elements.endIndex }
    public subscript(position: Int) -> Element { self.elements[position] }
}
