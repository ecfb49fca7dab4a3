import Foundation
import RoostTestKit
import RoostWire
import Testing

@testable import RoostClient

@Suite(.timeLimit(.minutes(1)))
struct SavedListTests {
    private let now: Int64 = 1_800_000_000_000
    private static let day: Int64 = 86_400_000

    private func records(_ count: Int) -> [WorkerRecord] {
        (0..<count).map {
            .sample("worker-\($0)", zone: "z", endpoint: try? Endpoint("127.0.0.1:1"))
        }
    }

    private func bytes(_ records: [WorkerRecord]) -> Int {
        records.reduce(0) { $0 + $1.wireBytes }
    }

    private func decode(
        _ bytes: [UInt8],
        max: Int = 64 << 20,
        at time: Int64? = nil
    ) throws(SavedList.Problem) -> [WorkerRecord] {
        try SavedList.decode(bytes, recordBytesMax: max, time: time ?? self.now)
    }

    @Test(
        "what is saved is read again, in one part and in several",
        arguments: [0, 1, 1_024, 1_025]
    )
    func roundTrip(count: Int) throws {
        let records = self.records(count)
        let bytes = SavedList.encode(records, time: self.now)
        #expect(try self.decode(bytes) == records)
        let max = self.bytes(records)
        #expect(bytes.count <= SavedList.fileBytesMax(recordBytesMax: max))
        #expect(SavedList.fileBytesMax(recordBytesMax: .max) == .max)
    }

    @Test(
        "a list of more than a day ago is passed over, and one of more than a day to come",
        arguments: [(day, true), (day + 1, false), (-day, true), (-day - 1, false)]
    )
    func age(age: Int64, isGood: Bool) throws {
        let bytes = SavedList.encode(self.records(1), time: self.now - age)
        if isGood {
            #expect(try self.decode(bytes).count == 1)
        } else {
            #expect(throws: SavedList.Problem.old) { try self.decode(bytes) }
        }
        let never = SavedList.encode(self.records(1), time: .min)
        #expect(throws: SavedList.Problem.old) { try self.decode(never) }
    }

    @Test("the records may take as many bytes as allowed, and not one more")
    func bound() throws {
        let records = self.records(3)
        let bytes = SavedList.encode(records, time: self.now)
        #expect(try self.decode(bytes, max: self.bytes(records)).count == 3)
        #expect(throws: SavedList.Problem.tooLong) {
            try self.decode(bytes, max: self.bytes(records) - 1)
        }
    }

    @Test("every changed byte and every cut is found")
    func damaged() throws {
        let bytes = SavedList.encode(self.records(2), time: self.now)
        for position in bytes.indices {
            var other = bytes
            other[position] ^= 1
            #expect(throws: SavedList.Problem.self) { try self.decode(other) }
            #expect(throws: SavedList.Problem.self) { try self.decode(Array(bytes[..<position])) }
        }
        #expect(throws: SavedList.Problem.damaged) { try self.decode(bytes + [0]) }
    }

    @Test("what was never a list is told from what is damaged")
    func reasons() {
        let bytes = SavedList.encode(self.records(2), time: self.now)
        func problem(_ position: Int, _ value: UInt8) -> SavedList.Problem? {
            var other = bytes
            other[position] = value
            do throws(SavedList.Problem) {
                _ = try self.decode(other)
                return nil
            } catch { return error }
        }
        #expect(problem(0, 0) == .notAList)
        #expect(problem(8, 9) == .otherVersion)
        #expect(problem(12, 9) == .damaged)
        #expect(throws: SavedList.Problem.notAList) { try self.decode([]) }
    }

    @Test("a sound checksum over nonsense is no trap")
    func nonsense() throws {
        let bytes = SavedList.encode(self.records(2), time: self.now)
        for position in SavedList.headerBytes..<bytes.count {
            for value in [0, 1, 0x7f, 0xff] as [UInt8] {
                var other = bytes
                other[position] = value
                SavedList.seal(&other)
                // Good or bad, it comes to an end.
                _ = try? self.decode(other)
            }
        }
        for position in 12..<16 {
            var other = bytes
            other[position] = 0xff
            SavedList.seal(&other)
            #expect(throws: SavedList.Problem.damaged) { try self.decode(other) }
        }
    }

    // MARK: The file

    private func withFolder(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "roost-list-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: folder) }
        try await body(folder.path)
    }

    @Test("a file is written whole, over the one before, and leaves nothing beside it")
    func file() async throws {
        try await self.withFolder { folder in
            let file = ListFile("\(folder)/list", bytesMax: 1 << 20)
            let none = try await file.load().get()
            #expect(none == [])
            for count in [3, 2] {
                let problem = await file.save(self.records(count))
                #expect(problem == nil)
                let found = try await file.load().get()
                #expect(found == self.records(count))
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["list"])
        }
    }

    @Test("a file that cannot be used says why")
    func unusable() async throws {
        try await self.withFolder { folder in
            func problem(_ path: String, _ bytes: [UInt8]?) async throws -> String? {
                if let bytes { try Data(bytes).write(to: URL(filePath: path)) }
                do {
                    _ = try await ListFile(path, bytesMax: 10).load().get()
                    return nil
                } catch { return "\(error)" }
            }
            let none = "listFile \(folder)/list is passed over: "
            let empty = try await problem("\(folder)/list", [])
            #expect(empty == none + "it is not a list of workers")
            let long = [UInt8](
                repeating: 0,
                count: SavedList.fileBytesMax(recordBytesMax: 10) + 1
            )
            let tooLong = try await problem("\(folder)/list", long)
            #expect(tooLong == none + "it is longer than listBytesMax allows")
            let full = try await problem("\(folder)/list", long.dropLast())
            #expect(full == none + "it is not a list of workers")
            let aFolder = try await problem(folder, nil)
            #expect(aFolder?.contains("passed over") == true)
            let denied = await ListFile("\(folder)/no/list", bytesMax: 1 << 20)
                .save(self.records(1))
            #expect(denied?.message.contains("cannot be written: No such file") == true)
            // The list cannot take the place of a folder; nothing is left of the attempt.
            try FileManager.default.createDirectory(
                atPath: "\(folder)/folder",
                withIntermediateDirectories: false
            )
            let folderTaken = await ListFile("\(folder)/folder", bytesMax: 1 << 20)
                .save(self.records(1))
            #expect(folderTaken != nil)
            let left = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
            #expect(left == ["folder", "list"])
        }
    }
}

extension ListFile {
    fileprivate func load() async -> Result<[WorkerRecord], RoostError> {
        await withCheckedContinuation { continuation in
            self.load { continuation.resume(returning: $0) }
        }
    }

    fileprivate func save(_ records: [WorkerRecord]) async -> RoostError? {
        await withCheckedContinuation { continuation in
            self.save(records) { continuation.resume(returning: $0) }
        }
    }
}

extension SavedList {
    /// Makes the checksum fit.
    fileprivate static func seal(_ bytes: inout [UInt8]) {
        let sum = bytes.withUnsafeBytes { Self.checksum($0) }
        withUnsafeBytes(of: sum.littleEndian) { bytes.replaceSubrange(32..<40, with: $0) }
    }
}
