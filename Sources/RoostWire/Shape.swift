/// A tensor's dimensions, outermost first. A scalar has none.
///
/// At most ``rankMax`` dimensions are held, inline, so that a shape costs no allocation.
public struct Shape: Sendable {
    /// The largest rank that Roost carries.
    public static let rankMax = 8

    private var dimensions: InlineArray<8, Int>
    /// The number of dimensions.
    public private(set) var rank: Int

    /// A scalar's shape.
    public init() {
        self.dimensions = InlineArray(repeating: 0)
        self.rank = 0
    }

    /// A shape of those dimensions.
    ///
    /// - Precondition: at most ``rankMax`` dimensions, none negative.
    public init(_ dimensions: some Sequence<Int>) {
        self.init()
        for dimension in dimensions {
            precondition(
                self.append(dimension),
                "no shape: dimension \(dimension) of \(dimensions)"
            )
        }
    }

    /// Adds an innermost dimension; `false`, and no change, if there is no room or it is negative.
    @discardableResult
    public mutating func append(_ dimension: Int) -> Bool {
        guard self.rank < Self.rankMax, dimension >= 0 else { return false }
        self.dimensions[self.rank] = dimension
        self.rank += 1
        return true
    }

    /// The number of elements; `nil` if it does not fit an `Int`.
    public var elementCount: Int? {
        var product = 1
        var overflowed = false
        for index in 0..<self.rank {
            let dimension = self.dimensions[index]
            if dimension == 0 { return 0 }
            let (partial, overflow) = product.multipliedReportingOverflow(by: dimension)
            product = partial
            overflowed = overflowed || overflow
        }
        return overflowed ? nil : product
    }
}

extension Shape: RandomAccessCollection {
    public var startIndex: Int { 0 }
    public var endIndex: Int { self.rank }
    public subscript(position: Int) -> Int {
        precondition(position < self.rank, "dimension \(position) of a rank \(self.rank) shape")
        return self.dimensions[position]
    }
}

extension Shape: Hashable {
    public static func == (left: Shape, right: Shape) -> Bool { left.elementsEqual(right) }
    public func hash(into hasher: inout Hasher) {
        for dimension in self { hasher.combine(dimension) }
    }
}

extension Shape: ExpressibleByArrayLiteral, CustomStringConvertible {
    public init(arrayLiteral elements: Int...) { self.init(elements) }
    public var description: String {
        "[" + self.map(String.init).joined(separator: ", ") + "]"
    }
}
