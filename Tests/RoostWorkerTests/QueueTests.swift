import Testing

@testable import RoostWorker

@Suite
struct QueueTests {
    @Test("elements come out in the order they went in, round and round, however many")
    func order() {
        var queue = Queue<Int>()
        var (next, expected) = (0, 0)
        // Grows past its first size with its head in the middle.
        for step in 0..<200 {
            for _ in 0..<(step % 7) {
                queue.append(next)
                next += 1
            }
            for _ in 0..<(step % 5) where queue.count > 0 {
                #expect(queue.first == expected)
                #expect(queue.popFirst() == expected)
                expected += 1
            }
            #expect(queue.count == next - expected)
        }
        while let element = queue.popFirst() {
            #expect(element == expected)
            expected += 1
        }
        #expect(expected == next)
        #expect(queue.first == nil)
    }

    @Test("removing and changing one leaves the order of the others", arguments: [0, 9, 15])
    func middle(head: Int) {
        var queue = Queue<Int>()
        for element in 0..<head {
            queue.append(element)
            _ = queue.popFirst()
        }
        for element in 1...10 { queue.append(element) }
        #expect(queue.removeFirst { $0 == 4 } == 4)
        #expect(queue.removeFirst { $0 == 4 } == nil)
        queue.updateFirst(where: { $0 > 6 }) { $0 += 100 }
        #expect(queue.first { $0 > 6 } == 107)
        #expect(queue.first { $0 > 500 } == nil)
        var rest: [Int] = []
        while let element = queue.popFirst() { rest.append(element) }
        #expect(rest == [1, 2, 3, 5, 6, 107, 8, 9, 10])
    }
}
