import RoostOps
import RoostWire
import Testing

@testable import roost

@Suite
struct TensorReaderTests {
    private static func read(_ text: String, _ datatype: DataType) throws -> Tensor {
        try TensorReader(datatype: datatype).tensor(JSON.parse(text))
    }

    @Test("nesting is the shape")
    func shape() throws {
        let tensor = try Self.read("[[[1, 2]], [[3, 4.5]]]", .fp32)
        #expect(tensor.shape == [2, 1, 2])
        #expect(tensor.elements() == [1, 2, 3, 4.5] as [Float])
        #expect(try Self.read("7", .int64).shape == [])
        #expect(try Self.read("[[], []]", .fp32).shape == [2, 0])
    }

    @Test("whole numbers keep all their digits")
    func integers() throws {
        #expect(try Self.read("[18446744073709551615]", .uint64).elements() == [UInt64.max])
        #expect(try Self.read("[-9223372036854775808, 3.0]", .int64).elements() == [Int64.min, 3])
    }

    @Test("texts and booleans are taken by their datatypes")
    func others() throws {
        #expect(try Self.read(#"["a", "ä"]"#, .bytes).strings() == ["a", "ä"])
        #expect(try Self.read("[true, false]", .bool).elements() == [true, false])
        #expect(try Self.read("[1.0, -2]", .bf16).bf16Elements == [1, -2])
        #expect(try Self.read("[NaN]", .fp64).elements(as: Double.self)?[0].isNaN == true)
    }

    @Test(
        "what does not fit is an error that says where",
        arguments: [
            ("[1, 300]", DataType.uint8, "300 at [1]"), ("[1.5]", .int32, "1.5 at [0]"),
            ("[[1, 2], [3]]", .fp32, "[1]"), ("[1, [2]]", .fp32, "[1]"),
            ("[\"a\"]", .fp32, "\"a\" at [0]"), ("[1]", .bool, "1 at [0]"),
            ("[true]", .fp32, "true at [0]"), ("{}", .fp32, "an object"),
            ("[[[[[[[[[1]]]]]]]]]", .fp32, "nested 9 deep"),
        ]
    )
    func problems(text: String, datatype: DataType, words: String) {
        #expect {
            try Self.read(text, datatype)
        } throws: { error in
            (error as? TensorReader.Problem)?.reason.contains(words) == true
        }
    }
}
