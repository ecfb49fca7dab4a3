extension [Float] {
    /// As many numbers, of which no two blocks of 1024 are the same.
    ///
    /// Large arrays are quickly made so, also under a sanitizer, which watches each step of a loop:
    /// a test that counts to a million keeps the others' links silent for seconds.
    package static func numbered(_ count: Int) -> [Float] {
        var numbers = [Float](repeating: 0.5, count: count)
        for first in stride(from: 0, to: count, by: 1_024) { numbers[first] = Float(first) }
        if count > 1 { numbers[count - 1] = -Float(count) }
        return numbers
    }
}
