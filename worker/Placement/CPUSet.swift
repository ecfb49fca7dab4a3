/// CPUs by their numbers, as `taskset` and `numactl` write them: `0-3,8`.
package struct CPUSet: Hashable, Sendable, CustomStringConvertible {
    /// How many CPUs are told apart: the most that Linux is built for.
    package static let countMax = 8_192

    /// A list that is none.
    package struct ListError: Error, Hashable, Sendable {
        /// Words that go on from the list: `'3-1' ends before it begins`.
        package let reason: String
    }

    /// Ascending, each once.
    package let numbers: [Int]

    package init(_ numbers: some Sequence<Int>) {
        self.numbers = Set(numbers).filter((0..<Self.countMax).contains).sorted()
    }

    /// Reads a list: numbers and ranges, separated by commas.
    package init(list: String) throws(ListError) {
        var numbers: [Int] = []
        guard !list.allSatisfy(\.isWhitespace) else { throw ListError(reason: "it names no CPU") }
        for part in list.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false)
                .map { Self.number($0) }
            guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1]
            else {
                throw ListError(
                    reason: "'\(part.prefix(40))' is neither a CPU's number, up to "
                        + "\(Self.countMax - 1), nor a range such as 0-3"
                )
            }
            guard first <= last else {
                throw ListError(reason: "the range '\(part)' ends before it begins")
            }
            numbers += first...last
            // Each number counts once; who repeats a range for ever must not fill the memory.
            if numbers.count > Self.countMax { numbers = Array(Set(numbers)) }
        }
        self.init(numbers)
    }

    private static func number(_ text: Substring) -> Int? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let value = Int(text), value < Self.countMax
        else { return nil }
        return value
    }

    package var count: Int { self.numbers.count }
    package var isEmpty: Bool { self.numbers.isEmpty }

    package func subtracting(_ other: CPUSet) -> CPUSet {
        CPUSet(Set(self.numbers).subtracting(other.numbers))
    }

    package func intersection(_ other: CPUSet) -> CPUSet {
        CPUSet(Set(self.numbers).intersection(other.numbers))
    }

    /// `0-3,8`; nothing if it is empty.
    package var description: String {
        var ranges: [ClosedRange<Int>] = []
        for number in self.numbers {
            if let last = ranges.last, last.upperBound + 1 == number {
                ranges[ranges.count - 1] = last.lowerBound...number
            } else {
                ranges.append(number...number)
            }
        }
        return ranges.map {
            $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)"
        }
        .joined(separator: ",")
    }
}
