/// What an INFER says beyond a request that is answered by one RESULT and remembered by nobody: the
/// last fields of its meta part, if the header's flag `extended` is set.
package struct InferExtension: Hashable, Sendable {
    /// Where in its sequence a request stands. One that is neither continues it.
    package struct Position: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        /// The sequence begins: the worker makes the state that its other requests go on with.
        package static let start = Position(rawValue: 1)
        /// The sequence is over: the worker forgets the state.
        package static let end = Position(rawValue: 2)
    }

    /// The sequence that the request belongs to, chosen by the client; 0: none.
    package var sequence: UInt64
    package var position: Position
    /// How many ITEMs the worker may send before it is given more credit; 0: the request is no
    /// stream and is answered by RESULT.
    package var itemCredit: UInt32
    /// Whether INPUTs follow, up to one that is the last.
    package var isOpen: Bool

    package init(
        sequence: UInt64 = 0,
        position: Position = [],
        itemCredit: UInt32 = 0,
        isOpen: Bool = false
    ) {
        self.sequence = sequence
        self.position = position
        self.itemCredit = itemCredit
        self.isOpen = isOpen
    }

    init(from reader: inout WireReader) throws(WireError) {
        self.sequence = try reader.integer()
        self.position = Position(rawValue: try reader.integer())
        self.itemCredit = try reader.integer()
        self.isOpen = try reader.boolean()
        guard self.position.isSubset(of: [.start, .end]) else { throw WireError(.badValue) }
        // A position in no sequence, and inputs for what is no stream, mean nothing.
        guard self.sequence != 0 || self.position.isEmpty, self.itemCredit > 0 || !self.isOpen
        else { throw WireError(.badValue) }
    }

    func encode(to writer: inout WireWriter) {
        writer.integer(self.sequence)
        writer.integer(self.position.rawValue)
        writer.integer(self.itemCredit)
        writer.integer(UInt8(self.isOpen ? 1 : 0))
    }
}
