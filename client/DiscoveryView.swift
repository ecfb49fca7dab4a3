internal import RoostWire

extension Discovery {
    /// One broker's list as it was told to this client.
    ///
    /// It holds just the workers that the broker lists, so that their number and the sum of their
    /// digests can be compared with the broker's; but within an incarnation a record never goes
    /// back: one of a lower revision counts as listed and changes nothing, and who drains once does
    /// so until the next incarnation. A lower incarnation is believed of a broker that knows all of
    /// its workers: it has forgotten the higher one, and the worker's clock was set back.
    struct View: Sendable {
        struct Entry: Sendable {
            /// The newest that the broker has said.
            var record: WorkerRecord
            /// The incarnation that it said last.
            var incarnation: UInt64
            /// ``WorkerRecord/digest`` of what it said last.
            var digest: UInt64
            /// ``WorkerRecord/wireBytes`` of the record that is kept.
            var bytes: Int
        }

        private(set) var entries: [String: Entry] = [:]
        /// What the records take, as they are sent.
        private(set) var bytes = 0
        /// The sum of the digests.
        private(set) var sum: UInt64 = 0

        var count: Int { self.entries.count }

        /// - Parameter isComplete: whether the broker knows all of its workers.
        mutating func upsert(_ told: WorkerRecord, isComplete: Bool) {
            let known = self.entries[told.workerID]
            let entry = Entry(told, after: known, isComplete: isComplete)
            if let known { self.discount(known) }
            self.count(entry)
            self.entries[told.workerID] = entry
        }

        /// The broker lists a worker no more.
        ///
        /// - Returns: the incarnation that it listed; `nil` if none, or a later one.
        mutating func remove(_ removal: Delta.Removal) -> UInt64? {
            guard let known = self.entries[removal.workerID],
                known.incarnation <= removal.incarnation
            else { return nil }
            self.entries[removal.workerID] = nil
            self.discount(known)
            return known.incarnation
        }

        /// A whole list takes the place of what is there.
        ///
        /// - Parameter isComplete: whether the broker knows all of its workers.
        /// - Returns: the records that are not in the new list, by worker id.
        mutating func replace(with list: [WorkerRecord], isComplete: Bool) -> [WorkerRecord] {
            var before = self.entries
            self.entries = [:]
            self.entries.reserveCapacity(list.count)
            self.bytes = 0
            self.sum = 0
            for told in list {
                let entry = Entry(
                    told,
                    after: before.removeValue(forKey: told.workerID),
                    isComplete: isComplete
                )
                // A worker that is listed twice counts once.
                if let twin = self.entries.updateValue(entry, forKey: told.workerID) {
                    self.discount(twin)
                }
                self.count(entry)
            }
            return before.values.map(\.record).sorted { $0.workerID < $1.workerID }
        }

        private mutating func count(_ entry: Entry) {
            self.bytes += entry.bytes
            self.sum &+= entry.digest
        }

        private mutating func discount(_ entry: Entry) {
            self.bytes -= entry.bytes
            self.sum &-= entry.digest
        }
    }
}

extension Discovery.View.Entry {
    fileprivate init(_ told: WorkerRecord, after known: Self?, isComplete: Bool) {
        var record = told
        if let known = known?.record, !isComplete || known.incarnation <= told.incarnation {
            record = told.following(known)
        }
        self.init(
            record: record,
            incarnation: told.incarnation,
            digest: told.digest,
            bytes: record.wireBytes
        )
    }
}

extension WorkerRecord {
    /// What the record takes in a message.
    var wireBytes: Int {
        var counter = WireWriter()
        self.encode(to: &counter)
        return counter.offset
    }

    /// What is known of the worker when this is told after `known`.
    fileprivate func following(_ known: WorkerRecord) -> WorkerRecord {
        guard (known.incarnation, known.revision) <= (self.incarnation, self.revision) else {
            var record = known
            if known.incarnation == self.incarnation, self.state == .draining {
                record.state = .draining
            }
            return record
        }
        guard known.incarnation == self.incarnation, known.state == .draining else { return self }
        var record = self
        record.state = .draining
        return record
    }
}
