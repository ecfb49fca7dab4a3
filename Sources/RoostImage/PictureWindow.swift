/// A part of a picture.
package struct PictureWindow: Hashable, Sendable {
    package let columns: Range<Int>
    package let rows: Range<Int>

    package init(columns: Range<Int>, rows: Range<Int>) {
        self.columns = columns
        self.rows = rows
    }

    /// The middle of a picture, as torchvision's `CenterCrop` finds it: a rest of one half goes to
    /// the even side.
    package init(center size: (width: Int, height: Int), of whole: (width: Int, height: Int)) {
        func range(_ size: Int, _ whole: Int) -> Range<Int> {
            let start = Int((Double(whole - size) / 2).rounded(.toNearestOrEven))
            return start..<(start + size)
        }
        self.init(
            columns: range(size.width, whole.width),
            rows: range(size.height, whole.height)
        )
    }
}
