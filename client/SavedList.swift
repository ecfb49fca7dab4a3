internal import RoostWire

/// A list of workers as it is written to a file: a header, then the wire's SNAPSHOTs.
///
/// | bytes | what |
/// |---|---|
/// | 8 | `ROOSTLST` |
/// | 4 | version of the format, 2 |
/// | 4 | how many parts follow |
/// | 8 | when it was saved, in ms since 1970 |
/// | 8 | how many bytes follow the header |
/// | 8 | FNV-1a (64 bits) over the 32 bytes before and all that follow |
/// | | of each part its size (4 bytes), and the fields of a SNAPSHOT |
///
/// Numbers are little-endian. The time is the only one in Roost that is the wall clock's: two
/// processes have no other in common. A file is as hostile as the network.
enum SavedList {
    /// Why a file is passed over.
    enum Problem: Error, Hashable, Sendable, CustomStringConvertible {
        case tooLong, notAList, otherVersion, damaged, old

        var description: String {
            switch self {
            case .tooLong: "it is longer than listBytesMax allows"
            case .notAList: "it is not a list of workers"
            case .otherVersion: "it was written by another version"
            case .damaged: "it is damaged"
            case .old: "it was saved more than \(SavedList.ageMax.components.seconds / 3_600) h ago"
            }
        }
    }

    static let magic: UInt64 = 0x5453_4C54_534F_4F52  // "ROOSTLST"
    static let version: UInt32 = 2
    static let headerBytes = 40
    /// An older list says too little about a fleet (PROTOCOL, §1.6).
    static let ageMax: Duration = .seconds(86_400)
    /// What a part takes beyond its records: its size, and the fields of a SNAPSHOT without any.
    static let partBytes = 4 + 19

    /// How long a file may be whose records take that many bytes.
    static func fileBytesMax(recordBytesMax: Int) -> Int {
        let parts = WireLimits.workersMax / WireLimits.recordsMax + 1
        let overhead = Self.headerBytes + parts * Self.partBytes
        return min(recordBytesMax, .max - overhead) + overhead
    }

    /// The file's bytes.
    ///
    /// - Parameter time: now, in milliseconds since 1970.
    static func encode(_ records: [WorkerRecord], time: Int64) -> [UInt8] {
        let starts = stride(from: 0, to: max(records.count, 1), by: WireLimits.recordsMax)
        let count = (records.count + WireLimits.recordsMax - 1) / WireLimits.recordsMax
        let parts = starts.enumerated().map { number, start in
            Snapshot(
                sequence: 0,
                part: UInt32(number),
                parts: UInt32(max(count, 1)),
                complete: true,
                records: Array(records[start..<min(start + WireLimits.recordsMax, records.count)])
            )
        }
        let sizes = parts.map(\.metaBytes)
        let body = sizes.reduce(0) { $0 + 4 + $1 }
        let total = Self.headerBytes + body
        return [UInt8](unsafeUninitializedCapacity: total) { target, initialized in
            guard let base = UnsafeMutableRawPointer(target.baseAddress) else { return }
            var writer = WireWriter(into: base)
            writer.integer(Self.magic)
            writer.integer(Self.version)
            writer.integer(UInt32(parts.count))
            writer.integer(time)
            writer.integer(UInt64(body))
            var rest = WireWriter(into: base + Self.headerBytes)
            for (part, size) in zip(parts, sizes) {
                rest.integer(UInt32(size))
                part.encode(to: &rest)
            }
            writer.integer(Self.checksum(UnsafeRawBufferPointer(start: base, count: total)))
            initialized = total
        }
    }

    /// The records of a file.
    ///
    /// - Parameter recordBytesMax: what they may take together.
    static func decode(
        _ bytes: [UInt8],
        recordBytesMax: Int,
        time: Int64
    ) throws(Problem) -> [WorkerRecord] {
        guard bytes.count >= Self.headerBytes else { throw .notAList }
        do {
            return try bytes.withUnsafeBytes {
                try Self.read($0, recordBytesMax: recordBytesMax, time: time)
            }
        } catch let problem as Problem {
            throw problem
        } catch {
            throw .damaged
        }
    }

    private static func read(
        _ bytes: UnsafeRawBufferPointer,
        recordBytesMax: Int,
        time: Int64
    ) throws -> [WorkerRecord] {
        var reader = WireReader(bytes)
        guard try reader.integer(UInt64.self) == Self.magic else { throw Problem.notAList }
        guard try reader.integer(UInt32.self) == Self.version else { throw Problem.otherVersion }
        let parts = try reader.integer(UInt32.self)
        let saved = try reader.integer(Int64.self)
        let body = try reader.integer(UInt64.self)
        let checksum = try reader.integer(UInt64.self)
        guard body == UInt64(reader.remaining), checksum == Self.checksum(bytes) else {
            throw Problem.damaged
        }
        // A clock may have been set back meanwhile: a time to come is judged like one gone by.
        let (age, overflow) = time.subtractingReportingOverflow(saved)
        guard !overflow, age.magnitude <= UInt64(Self.ageMax.components.seconds) * 1_000 else {
            throw Problem.old
        }
        var records: [WorkerRecord] = []
        var recordBytes = 0
        for number in 0..<parts {
            let size = Int(try reader.integer(UInt32.self))
            var part = WireReader(try reader.raw(size))
            let snapshot = try Snapshot(from: &part)
            guard part.remaining == 0, snapshot.part == number, snapshot.parts == parts else {
                throw Problem.damaged
            }
            records += snapshot.records
            recordBytes += snapshot.records.reduce(0) { $0 + $1.wireBytes }
            guard records.count <= WireLimits.workersMax, recordBytes <= recordBytesMax else {
                throw Problem.tooLong
            }
        }
        guard reader.remaining == 0 else { throw Problem.damaged }
        return records
    }

    /// Over all but the checksum itself.
    static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var hash = FNV1a()
        hash.add(UnsafeRawBufferPointer(rebasing: bytes[..<(Self.headerBytes - 8)]))
        hash.add(UnsafeRawBufferPointer(rebasing: bytes[Self.headerBytes...]))
        return hash.value
    }
}
