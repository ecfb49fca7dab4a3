import RoostWire
import RoostWireTestKit
import Testing

@Suite struct LinkSequenceTests {
    @Test("numbers begin with 1; a gap, a repeat and zero are not the next")
    func accept() {
        var sequence = LinkSequence()
        let first = [0, 2].map { sequence.accept($0) }
        #expect(first == [false, false])
        #expect(sequence.isFresh)
        let later = [1, 1, 3, 2, 0, 3].map { sequence.accept($0) }
        #expect(later == [true, false, false, true, false, true])
        #expect(!sequence.isFresh)
    }

    @Test("both directions count for themselves")
    func next() {
        var sequence = LinkSequence()
        let sent = (0..<3).map { _ in sequence.next() }
        #expect(sent == [1, 2, 3])
        let accepted = sequence.accept(1)
        #expect(accepted)
    }
}

@Suite struct InstanceIDTests {
    @Test("an instance is 32 hexadecimal digits")
    func description() {
        #expect(InstanceID(high: 0, low: 0xff).description == "000000000000000000000000000000ff")
        #expect(WireSample.sender.description == "0123456789abcdeffedcba9876543210")
    }

    @Test("two lives have two names")
    func random() {
        let names = Set(
            (0..<1000).map { _ in InstanceID.random(using: SystemRandomNumberGenerator()) }
        )
        #expect(names.count == 1000)
    }
}

@Suite struct RingTests {
    @Test("elements come out in the order they went in, over many turns")
    func order() {
        var ring = Ring<Int>()
        var model: [Int] = []
        var random = SplitMix(seed: 1)
        for number in 0..<20_000 {
            switch Int.random(in: 0..<8, using: &random) {
            case 0..<4:
                ring.append(number)
                model.append(number)
            case 4:
                ring.prepend(number)
                model.insert(number, at: 0)
            case 5 where !model.isEmpty:
                let wanted = model[Int.random(in: 0..<model.count, using: &random)]
                let removed = ring.removeFirst { $0 == wanted }
                #expect(removed == wanted)
                model.removeAll { $0 == wanted }
            default:
                let popped = ring.popFirst()
                #expect(popped == (model.isEmpty ? nil : model.removeFirst()))
            }
            #expect(ring.count == model.count)
        }
    }

    @Test("what is not there is not removed")
    func missing() {
        var ring = Ring<Int>()
        let none = ring.removeFirst { _ in true }
        #expect(none == nil)
        ring.append(1)
        let other = ring.removeFirst { $0 == 2 }
        #expect(other == nil)
        #expect(ring.count == 1)
    }
}
