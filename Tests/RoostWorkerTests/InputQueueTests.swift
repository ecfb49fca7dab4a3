import RoostWire
import Testing

@testable import RoostWorker

struct InputQueueTests {
    private func input(_ index: UInt32, isLast: Bool = false, isEmpty: Bool = false) -> InferInput {
        let x = Tensor([Float(index)], shape: [1])
        return InferInput(index: index, isLast: isLast, inputs: isEmpty ? [:] : ["x": x])
    }

    private func receive(_ queue: inout InputQueue, _ indexes: ClosedRange<UInt32>) throws {
        for index in indexes { try queue.receive(self.input(index), byteCount: 10) }
    }

    @Test("inputs come out in the order in which they came, and their bytes are counted")
    func order() throws {
        var queue = InputQueue(size: 4, isOpen: true)
        #expect(queue.grant(isTight: false) == 4)
        try self.receive(&queue, 1...3)
        #expect(queue.byteCount == 30)
        for index in 1...3 {
            let x: [Float]? = queue.next()?.inputs["x"]?.elements()
            #expect(x == [Float(index)])
            #expect(queue.byteCount == 30 - 10 * index)
        }
        #expect(queue.next() == nil)
        #expect(!queue.hasEnded)
    }

    @Test("as many inputs as there is credit for are taken, and not one more")
    func credit() throws {
        var queue = InputQueue(size: 4, isOpen: true)
        #expect(throws: WireError.self) { try queue.receive(self.input(1), byteCount: 1) }
        #expect(queue.grant(isTight: false) == 4)
        #expect(queue.grant(isTight: false) == 0)
        try self.receive(&queue, 1...4)
        #expect(throws: WireError.self) { try queue.receive(self.input(5), byteCount: 1) }
        #expect(queue.count == 4)
    }

    @Test("credit comes back for half of the size at a time")
    func halves() throws {
        var queue = InputQueue(size: 4, isOpen: true)
        _ = queue.grant(isTight: false)
        try self.receive(&queue, 1...4)
        #expect(queue.grant(isTight: false) == 0)
        _ = queue.next()
        #expect(queue.grant(isTight: false) == 0)
        _ = queue.next()
        #expect(queue.grant(isTight: false) == 2)
        #expect(queue.credit == 2)
        _ = queue.next()
        _ = queue.next()
        #expect(queue.grant(isTight: false) == 2)
        var one = InputQueue(size: 1, isOpen: true)
        #expect(one.grant(isTight: false) == 1)
        try one.receive(self.input(1), byteCount: 1)
        #expect(one.grant(isTight: false) == 0)
        _ = one.next()
        #expect(one.grant(isTight: false) == 1)
    }

    @Test("where memory is short one input waits or is on its way")
    func tight() throws {
        var queue = InputQueue(size: 4, isOpen: true)
        #expect(queue.grant(isTight: true) == 1)
        #expect(queue.grant(isTight: true) == 0)
        try queue.receive(self.input(1), byteCount: 1)
        #expect(queue.grant(isTight: true) == 0)
        _ = queue.next()
        #expect(queue.grant(isTight: true) == 1)
        #expect(queue.grant(isTight: false) == 3)
        #expect(queue.grant(isTight: true) == 0)
    }

    @Test("a number that is left out or comes again is refused")
    func numbers() throws {
        var queue = InputQueue(size: 4, isOpen: true)
        _ = queue.grant(isTight: false)
        for index in [0, 2] as [UInt32] {
            #expect(throws: WireError.self) { try queue.receive(self.input(index), byteCount: 1) }
        }
        try queue.receive(self.input(1), byteCount: 1)
        #expect(throws: WireError.self) { try queue.receive(self.input(1), byteCount: 1) }
    }

    @Test("behind the last nothing may come, and no credit is given", arguments: [true, false])
    func last(isEmpty: Bool) throws {
        var queue = InputQueue(size: 4, isOpen: true)
        _ = queue.grant(isTight: false)
        try self.receive(&queue, 1...3)
        try queue.receive(self.input(4, isLast: true, isEmpty: isEmpty), byteCount: 1)
        #expect(queue.hasEnded)
        #expect(queue.count == (isEmpty ? 3 : 4))
        for _ in 0..<4 { _ = queue.next() }
        #expect(queue.grant(isTight: false) == 0)
        #expect(throws: WireError.self) { try queue.receive(self.input(5), byteCount: 1) }
    }

    @Test("that no more come needs no credit; nothing at all does, as any other input")
    func empty() throws {
        var queue = InputQueue(size: 1, isOpen: true)
        let nothing = self.input(1, isEmpty: true)
        #expect(throws: WireError.self) { try queue.receive(nothing, byteCount: 1) }
        try queue.receive(self.input(1, isLast: true, isEmpty: true), byteCount: 1)
        #expect(queue.hasEnded)
        #expect(queue.byteCount == 0)
    }

    @Test("a stream that is not open takes none, and is at their end from the start")
    func closed() {
        var queue = InputQueue(size: 0, isOpen: false)
        #expect(queue.hasEnded)
        #expect(queue.grant(isTight: false) == 0)
        let last = self.input(1, isLast: true, isEmpty: true)
        #expect(throws: WireError.self) { try queue.receive(last, byteCount: 1) }
    }

    @Test("what is let go holds nothing")
    func clear() throws {
        var queue = InputQueue(size: 4, isOpen: true)
        _ = queue.grant(isTight: false)
        try self.receive(&queue, 1...4)
        queue.clear()
        #expect(queue.byteCount == 0)
        #expect(queue.next() == nil)
    }
}
