internal import RoostWire

/// The list that matches a selector at one moment, ready to be sent: encoded once, and shared by all
/// clients that are being sent it.
final class SnapshotList: Sendable {
    let sequence: UInt64
    let isComplete: Bool
    /// Frame 0 of each part; the link's number is still to be written into it.
    let frames: [[UInt8]]
    let byteCount: Int

    /// - Parameter header: of every part.
    init(
        _ records: [WorkerRecord],
        sequence: UInt64,
        isComplete: Bool,
        header: FrameHeader
    ) {
        self.sequence = sequence
        self.isComplete = isComplete
        self.frames = Snapshot.parts(records, sequence: sequence, complete: isComplete)
            .map { $0.frame(header) }
        self.byteCount = self.frames.reduce(0) { $0 + $1.count }
    }
}

extension Snapshot {
    /// The list cut into messages of bounded size; one empty message for an empty list.
    static func parts(
        _ records: [WorkerRecord],
        sequence: UInt64,
        complete: Bool
    ) -> [Snapshot] {
        var groups: [ArraySlice<WorkerRecord>] = []
        var start = 0
        var bytes = 0
        for (index, record) in records.enumerated() {
            bytes += record.encodedBytes
            let count = index + 1 - start
            if bytes >= WireLimits.snapshotPartBytes || count == WireLimits.recordsMax {
                groups.append(records[start...index])
                start = index + 1
                bytes = 0
            }
        }
        if start < records.count || groups.isEmpty { groups.append(records[start...]) }
        return groups.enumerated().map { index, records in
            Snapshot(
                sequence: sequence,
                part: UInt32(index),
                parts: UInt32(groups.count),
                complete: complete,
                records: Array(records)
            )
        }
    }
}
