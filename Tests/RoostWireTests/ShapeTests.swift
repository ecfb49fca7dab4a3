import RoostWire
import Testing

@Suite struct ShapeTests {
    @Test(
        "the number of elements is the product, or nothing if it is too large",
        arguments: [
            ([], 1), ([0], 0), ([7], 7), ([2, 3, 4], 24), ([1 << 31, 1 << 31], 1 << 62),
            ([1 << 32, 1 << 31], nil), ([Int.max, Int.max, 0], 0), ([0, Int.max, Int.max], 0),
            ([Int.max, 1], Int.max), ([Int.max, 2], nil),
        ] as [([Int], Int?)]
    )
    func elementCount(dimensions: [Int], expected: Int?) {
        #expect(Shape(dimensions).elementCount == expected)
    }

    @Test("eight dimensions fit, a ninth does not")
    func rank() {
        var shape = Shape(1...8)
        #expect(shape.rank == 8)
        let added = shape.append(9)
        #expect(!added)
        #expect(shape == [1, 2, 3, 4, 5, 6, 7, 8])
    }

    @Test("a negative dimension is not taken")
    func negative() {
        var shape: Shape = [1]
        let added = shape.append(-1)
        #expect(!added)
        #expect(shape == [1])
    }

    @Test("shapes are equal by their dimensions")
    func equality() {
        #expect(Shape([2, 3]) == [2, 3])
        #expect(Shape([2, 3]) != [3, 2])
        #expect(Shape([2]) != [2, 1])
        #expect(Shape() == [])
        #expect(Set([Shape([1, 2]), [1, 2], [2, 1]]).count == 2)
        #expect(Shape([2, 3]).description == "[2, 3]")
    }
}

@Suite struct DataTypeTests {
    @Test("names and numbers are those of the wire")
    func names() {
        let expected = [
            "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
            "FP16", "FP32", "FP64", "BF16", "BYTES",
        ]
        #expect(DataType.allCases.map(\.name) == expected)
        #expect(DataType.allCases.map(\.rawValue) == Array(1...14))
        for datatype in DataType.allCases { #expect(DataType(name: datatype.name) == datatype) }
        #expect(DataType(name: "fp32") == nil)
        #expect(DataType(name: "") == nil)
    }
}
