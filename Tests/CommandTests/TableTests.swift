import RoostWire
import Testing

@testable import roost

@Suite
struct TableTests {
    @Test("columns are aligned and lines have no spaces at their ends")
    func columns() {
        var table = Table(columns: ["NAME", "SIZE", "NOTE"])
        table.alignRight(1)
        table.add(["a", "1", ""])
        table.add(["longer", "1000", "x"])
        #expect(table.text == "NAME    SIZE  NOTE\na          1\nlonger  1000  x")
    }

    @Test("the last cell of a short row widens no column")
    func shortRow() {
        var table = Table(columns: ["FILE", "LABEL", "WORKER"])
        _ = table.row(["a", "a long explanation of what went wrong"])
        #expect(table.row(["b", "cat", "w"]) == "b     cat    w")
    }

    @Test("small tensors are shown whole, large ones in part")
    func tensors() {
        let small = Tensor([1, 0.5, 0.00001, 12] as [Float], shape: [2, 2])
        #expect(TensorText(small).text == "[[  1.0000,   0.5000],\n [1.000e-5,  12.0000]]")
        let large = Tensor([Int32](0..<1000), shape: [1000])
        #expect(TensorText(large).text == "[0, 1, 2, 3, ..., 996, 997, 998, 999]")
        #expect(TensorText(Tensor(["a"], shape: [])).text == "\"a\"")
        #expect(TensorText(Tensor([] as [Float], shape: [0])).text == "[]")
    }
}
