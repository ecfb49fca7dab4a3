internal import Glibc

/// Reads what a ``ChildProcess`` writes until both streams end.
struct ChildReader: Sendable {
    let output: Int32
    let error: Int32
    let record: ChildRecord

    func run() {
        var open: [(descriptor: Int32, stream: ChildProcess.Stream, rest: [UInt8])] = [
            (self.output, .output, []), (self.error, .error, []),
        ]
        while !open.isEmpty {
            var events = open.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
            // The output of a process that has ended may be held open by one that it started.
            let ready = poll(&events, nfds_t(events.count), self.record.exit == nil ? 100 : 1000)
            if ready == 0, self.record.exit != nil { break }
            for index in open.indices.reversed() where events[index].revents != 0 {
                guard !self.read(&open[index]) else { continue }
                close(open[index].descriptor)
                open.remove(at: index)
            }
        }
        for entry in open { close(entry.descriptor) }
        self.record.outputFinished()
    }

    /// Takes what is there; false at the stream's end.
    private func read(
        _ entry: inout (descriptor: Int32, stream: ChildProcess.Stream, rest: [UInt8])
    ) -> Bool {
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        let count = Glibc.read(entry.descriptor, &bytes, bytes.count)
        if count < 0, errno == EINTR { return true }
        var pieces = (entry.rest + bytes.prefix(max(count, 0)))
            .split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        entry.rest = pieces.popLast().map(Array.init) ?? []
        if count <= 0, !entry.rest.isEmpty { pieces.append(entry.rest[...]) }
        self.record.append(pieces.map { String(decoding: $0, as: UTF8.self) }, to: entry.stream)
        return count > 0
    }
}
