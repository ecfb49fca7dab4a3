internal import Dispatch
internal import Glibc
internal import RoostWire
internal import Synchronization

/// Where a client's list outlives its process. Reads and writes on a thread of its own.
final class ListFile: Sendable {
    private let path: String
    private let recordBytesMax: Int
    private let queue = DispatchQueue(label: "roost.list-file")
    /// The list that is to be written. A newer one takes its place if the disk is slow.
    private let pending = Mutex<[WorkerRecord]?>(nil)
    /// The file is written under a name of its own first: several processes may do so at once.
    private let temporaryPath: String

    init(_ path: String, bytesMax: Int) {
        self.path = path
        self.recordBytesMax = bytesMax
        self.temporaryPath = "\(path).\(InstanceID.random(using: SystemRandomNumberGenerator()))"
    }

    /// Reads the list. None if there is no file.
    func load(_ finish: @escaping @Sendable (Result<[WorkerRecord], RoostError>) -> Void) {
        self.queue.async { finish(Result { () throws(RoostError) in try self.read() }) }
    }

    /// Writes the list, all or nothing.
    func save(
        _ records: [WorkerRecord],
        _ finish: @escaping @Sendable (RoostError?) -> Void
    ) {
        let isUnderWay = self.pending.withLock { pending in
            defer { pending = records }
            return pending != nil
        }
        guard !isUnderWay else { return }
        self.queue.async {
            guard let records = self.pending.withLock({ $0.take() }) else { return }
            do throws(RoostError) {
                try self.write(SavedList.encode(records, time: Self.time))
                finish(nil)
            } catch {
                finish(error)
            }
        }
    }

    private static var time: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
    }

    private func read() throws(RoostError) -> [WorkerRecord] {
        // Not to wait for what is no file: a pipe that nobody writes to.
        let descriptor = open(self.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        if descriptor < 0, errno == ENOENT { return [] }
        guard descriptor >= 0 else { throw self.failed("read", errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw self.failed("read", errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw self.passedOver(.notAList) }
        let size = Int(status.st_size)
        guard size <= SavedList.fileBytesMax(recordBytesMax: self.recordBytesMax) else {
            throw self.passedOver(.tooLong)
        }
        var offset = 0
        var failure: Int32?
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { target, initialized in
            while offset < size, let base = target.baseAddress {
                let count = Glibc.read(descriptor, base + offset, size - offset)
                if count < 0, errno == EINTR { continue }
                if count < 0 { failure = errno }
                if count <= 0 { break }
                offset += count
            }
            initialized = offset
        }
        if let failure { throw self.failed("read", failure) }
        do throws(SavedList.Problem) {
            return try SavedList.decode(
                bytes,
                recordBytesMax: self.recordBytesMax,
                time: Self.time
            )
        } catch {
            throw self.passedOver(error)
        }
    }

    private func write(_ bytes: [UInt8]) throws(RoostError) {
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
        let descriptor = open(self.temporaryPath, flags, 0o600)
        guard descriptor >= 0 else { throw self.failed("written", errno) }
        var failure: Int32?
        var offset = 0
        while offset < bytes.count, failure == nil {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress! + offset, $0.count - offset)
            }
            if count < 0, errno != EINTR { failure = errno }
            offset += max(count, 0)
        }
        // After a crash of the machine there is the old file or the new one, and no torn one.
        if failure == nil, fsync(descriptor) != 0 { failure = errno }
        close(descriptor)
        if failure == nil, rename(self.temporaryPath, self.path) != 0 { failure = errno }
        guard let failure else { return }
        unlink(self.temporaryPath)
        throw self.failed("written", failure)
    }

    private func failed(_ verb: String, _ number: Int32) -> RoostError {
        let reason = String(cString: strerror(number))
        return RoostError(.io, "listFile \(self.path) cannot be \(verb): \(reason)")
    }

    private func passedOver(_ problem: SavedList.Problem) -> RoostError {
        RoostError(.io, "listFile \(self.path) is passed over: \(problem)")
    }
}
