import RoostWire
import Testing

@testable import RoostClient

@Suite struct StreamWindowTests {
    private static let summary = StreamSummary(
        items: 0,
        version: 1,
        worker: "w",
        attempts: 1,
        queueTime: .zero,
        computeTime: .zero,
        earlierAttempts: []
    )

    private func item(_ index: Int) -> InferItem {
        InferItem(index: UInt32(index), outputs: [:])
    }

    /// What the reader finds, in words: `3` an item, `3+2` one that gives credit, `.` the good end.
    private func read(_ window: inout StreamWindow) -> String {
        switch window.next() {
        case .item(let item, credit: 0): "\(item.index)"
        case .item(let item, let credit): "\(item.index)+\(credit)"
        case .end(.complete): "."
        case .end(.failed(let error)): "\(error.code)"
        case .wait: "wait"
        }
    }

    @Test("items are taken as there is credit, and one more is not", arguments: [1, 2, 16])
    func credit(size: Int) throws {
        var window = StreamWindow(size: size)
        for index in 0..<size { try window.receive(self.item(index)) }
        #expect(window.received == size)
        let error = #expect(throws: WireError.self) { try window.receive(self.item(size)) }
        #expect(error?.reason == .badValue)
        #expect(window.received == size)
    }

    @Test("an item that is not the next one is not taken", arguments: [0, 2, Int(UInt32.max)])
    func order(index: Int) throws {
        var window = StreamWindow(size: 4)
        try window.receive(self.item(0))
        #expect(throws: WireError.self) { try window.receive(self.item(index)) }
        try window.receive(self.item(1))
    }

    @Test("credit is given for half of the window at a time, and never for more than was read")
    func renewal() throws {
        var window = StreamWindow(size: 4)
        for index in 0..<4 { try window.receive(self.item(index)) }
        #expect((0..<5).map { _ in self.read(&window) } == ["0", "1+2", "2", "3+2", "wait"])
        for index in 4..<8 { try window.receive(self.item(index)) }
        #expect(throws: WireError.self) { try window.receive(self.item(8)) }
    }

    @Test("a window of one, or of an odd size, never stops", arguments: [1, 3, 5])
    func smallWindows(size: Int) throws {
        var window = StreamWindow(size: size)
        var (credit, sent) = (size, 0)
        for read in 0..<100 {
            while credit > 0 {
                try window.receive(self.item(sent))
                credit -= 1
                sent += 1
            }
            guard case .item(let item, let more) = window.next() else {
                Issue.record("the stream stopped after \(read)")
                return
            }
            #expect(item.index == read)
            credit += Int(more)
        }
    }

    @Test("what came before the end is read before it, and gives no credit any more")
    func end() throws {
        var window = StreamWindow(size: 2)
        try window.receive(self.item(0))
        window.finish(.complete(Self.summary))
        window.finish(.failed(InferenceError(.closed, "")))
        #expect(window.isReady)
        #expect((0..<3).map { _ in self.read(&window) } == ["0", ".", "."])
    }

    @Test("who gives up reads nothing more, unless all was read already")
    func discard() throws {
        var window = StreamWindow(size: 2)
        try window.receive(self.item(0))
        window.finish(.complete(Self.summary))
        window.discard(InferenceError(.cancelled, ""))
        #expect(self.read(&window) == "cancelled")
        var other = StreamWindow(size: 2)
        other.finish(.complete(Self.summary))
        other.discard(InferenceError(.cancelled, ""))
        #expect(self.read(&other) == ".")
    }

    @Test("of two tasks that wait for an item one is told at once", .timeLimit(.minutes(1)))
    func twoReaders() async {
        let buffer = StreamBuffer(size: 1)
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<2 { group.addTask { await buffer.wait() } }
            #expect(await group.next() == false)
            buffer.finish(.complete(Self.summary))
            #expect(await group.next() == true)
        }
    }
}

@Suite struct InputWindowTests {
    @Test("as many inputs go as the worker takes, numbered from 1, and one more does not")
    func credit() {
        var window = InputWindow()
        #expect(window.open(hasWaiting: false) == true)
        #expect(window.send(byteCount: 8) == nil)
        #expect(window.grant(2) == 0)
        #expect(window.send(byteCount: 8) == 1)
        #expect(window.send(byteCount: 9) == 2)
        #expect(window.send(byteCount: 10) == nil)
        #expect(window.grant(1) == 8)
        #expect(window.send(byteCount: 10) == 3)
        #expect(window.end() == 19)
        #expect(window.end() == 0)
    }

    @Test("credit beyond the bound is not remembered, and none is too much")
    func bound() {
        var window = InputWindow()
        #expect(window.grant(.max) == 0)
        #expect(window.grant(.max) == 0)
        for _ in 0..<InputWindow.creditMax { #expect(window.send(byteCount: 1) != nil) }
        #expect(window.send(byteCount: 1) == nil)
        #expect(window.grant(.max) == InputWindow.creditMax)
    }

    @Test("the worker is told once that no more come, with the next number")
    func close() {
        var window = InputWindow()
        _ = window.open(hasWaiting: false)
        #expect(window.close() == nil)
        _ = window.grant(1)
        _ = window.send(byteCount: 1)
        window.finish()
        #expect(window.close() == 2)
        #expect(window.close() == nil)
    }

    @Test("a request that goes out anew says that no more come, and has no credit left")
    func restart() {
        var window = InputWindow()
        #expect(window.open(hasWaiting: false) == true)
        _ = window.grant(5)
        window.finish()
        #expect(window.close() == 1)
        #expect(window.open(hasWaiting: true) == true)
        #expect(window.send(byteCount: 1) == nil)
        #expect(window.open(hasWaiting: false) == false)
        #expect(window.close() == nil)
    }
}
