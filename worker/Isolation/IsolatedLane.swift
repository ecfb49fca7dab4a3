internal import Glibc
internal import RoostEngine
internal import RoostWire

/// The run state of one instance of a model that a process of its own runs: a connection to a thread
/// of that process.
final class IsolatedLane: Lane {
    private let signature: ModelSignature
    private let process: () throws(EngineError) -> ModelProcess
    private let runLimit: Duration?
    private var connection: LaneConnection

    /// - Parameters:
    ///   - runLimit: how long one run may take; the process of a longer one is ended.
    ///   - process: gives the process that runs the model now.
    init(
        _ signature: ModelSignature,
        runLimit: Duration?,
        _ process: @escaping () throws(EngineError) -> ModelProcess
    ) throws(EngineError) {
        self.signature = signature
        self.runLimit = runLimit
        self.process = process
        self.connection = try LaneConnection(process(), runLimit: runLimit)
    }

    func run(
        _ inputs: [Tensor],
        outputs: [Int],
        cancellation: RunCancellation?
    ) throws(EngineError) -> [Tensor] {
        self.require(self.signature.inputs.count, inputs)
        let process = try self.process()
        if self.connection.process !== process {
            self.connection = try LaneConnection(process, runLimit: self.runLimit)
        }
        let all = self.signature.outputs
        let wanted = outputs.isEmpty ? all : outputs.map { all[$0] }
        return try self.connection.run(inputs, outputs, wanted, cancellation)
    }
}

/// A thread of a process that runs a model, and the memory that is shared with it.
private final class LaneConnection {
    /// The most memory of one kind that is kept for further runs, in bytes; a larger one is given back
    /// when a run needs less.
    private static let keptBytesMax = 16 << 20
    private static let memoryBytesMin = 64 << 10
    /// How much memory for outputs there is: answers keep theirs until they are sent.
    private static let outputsMax = 4
    /// Outputs that take less together are copied, and their memory is free at once.
    private static let copiedBytesMax = 16 << 10

    let process: ModelProcess
    private let socket: MessageSocket
    private let lane: UInt32
    private let runLimit: Duration?
    private var runs: UInt32 = 0
    private var lastMemory: UInt32 = 0
    private var input: SharedMemory?
    /// The one that was used last comes last.
    private var outputs: [SharedMemory] = []
    /// What the latest outputs have taken.
    private var outputBytes = 0

    init(_ process: ModelProcess, runLimit: Duration?) throws(EngineError) {
        self.process = process
        self.runLimit = runLimit
        (self.socket, self.lane) = try process.connect()
        if let runLimit { self.socket.limit(runLimit) }
    }

    func run(
        _ inputs: [Tensor],
        _ indexes: [Int],
        _ wanted: [TensorSignature],
        _ cancellation: RunCancellation?
    ) throws(EngineError) -> [Tensor] {
        let (places, byteCount) = TensorPlace.places(of: inputs, isOmitted: \.isOmitted)
        let input = try self.inputMemory(byteCount)
        for (tensor, place) in zip(inputs, places) {
            guard let place else { continue }
            let target = input.bytes(place.offset, place.byteCount)
            tensor.withUnsafeBytes { target.copyMemory(from: $0) }
        }
        let output = try self.outputMemory()
        self.runs &+= 1
        let run = LaneRequest.Run(
            number: self.runs,
            input: input.id,
            inputs: places,
            wanted: indexes.map { UInt16($0) },
            output: output.id,
            isCancellable: cancellation != nil
        )
        if let cancellation {
            let (process, lane, number) = (self.process, self.lane, self.runs)
            guard cancellation.begin(stop: { process.cancel(lane: lane, run: number) }) else {
                throw EngineError(.cancelled, "the run was cancelled", engine: "isolation")
            }
        }
        defer { _ = cancellation?.end() }
        // What could not be sent was not begun.
        guard self.socket.send(LaneRequest.run(run)) else { throw self.process.down() }
        let given = try self.receive(into: output)
        return try self.tensors(given, wanted)
    }

    /// Waits for the end of a run; returns where its outputs lie.
    private func receive(
        into output: SharedMemory
    ) throws(EngineError) -> (places: [TensorPlace], memory: SharedMemory) {
        var output = output
        while true {
            switch self.socket.receive(LaneReply.self) {
            case .message(.done(let places), -1): return (places, output)
            case .message(.failed(let error), -1): throw error
            case .message(.need(let byteCount), -1)
            where byteCount > output.byteCount && byteCount <= IsolatedProgram.outputBytesMax:
                self.outputBytes = byteCount
                self.forget(self.outputs.removeLast())
                output = try self.addOutput(byteCount)
            case .message(_, let descriptor):
                if descriptor >= 0 { close(descriptor) }
                throw self.process.violated()
            case .invalid: throw self.process.violated()
            case .end: throw self.process.lost()
            case .late: throw self.process.hung(self.runLimit ?? .zero)
            }
        }
    }

    // MARK: Outputs

    /// The outputs. They are what the process says that they are, and it may say anything.
    private func tensors(
        _ given: (places: [TensorPlace], memory: SharedMemory),
        _ wanted: [TensorSignature]
    ) throws(EngineError) -> [Tensor] {
        guard given.places.count == wanted.count else { throw self.process.violated() }
        guard given.places.allSatisfy({ $0.fits(given.memory.byteCount) }) else {
            throw self.process.violated()
        }
        let total = given.places.map { $0.offset + $0.byteCount }.max() ?? 0
        self.outputBytes = total
        var tensors: [Tensor] = []
        tensors.reserveCapacity(wanted.count)
        for (place, signature) in zip(given.places, wanted) {
            guard place.datatype == signature.datatype,
                let tensor = place.tensor(in: given.memory, copies: total <= Self.copiedBytesMax)
            else { throw self.process.violated() }
            tensors.append(tensor)
        }
        return tensors
    }

    // MARK: Memory

    /// Memory of at least that size that the inputs are written into. Nobody reads it between two runs.
    private func inputMemory(_ byteCount: Int) throws(EngineError) -> SharedMemory {
        if let input {
            let isFit = input.byteCount <= max(byteCount, Self.keptBytesMax)
            if input.byteCount >= byteCount, isFit { return input }
            self.input = nil
            self.forget(input)
        }
        let memory = try self.share(byteCount)
        self.input = memory
        return memory
    }

    /// Memory for outputs that no earlier answer lies in.
    private func outputMemory() throws(EngineError) -> SharedMemory {
        for index in self.outputs.indices {
            guard isKnownUniquelyReferenced(&self.outputs[index]) else { continue }
            let memory = self.outputs.remove(at: index)
            guard memory.byteCount <= max(2 * self.outputBytes, Self.keptBytesMax) else {
                self.forget(memory)
                break
            }
            self.outputs.append(memory)
            return memory
        }
        if self.outputs.count >= Self.outputsMax { self.forget(self.outputs.removeFirst()) }
        return try self.addOutput(self.outputBytes)
    }

    private func addOutput(_ byteCount: Int) throws(EngineError) -> SharedMemory {
        let memory = try self.share(byteCount)
        self.outputs.append(memory)
        return memory
    }

    /// New memory of at least that size that the process has mapped, too.
    private func share(_ byteCount: Int) throws(EngineError) -> SharedMemory {
        // A power of two: runs that grow by a row do not each need new memory.
        let capacity = max(byteCount, Self.memoryBytesMin)
        self.lastMemory &+= 1
        let made = SharedMemory.create(
            id: self.lastMemory,
            byteCount: 1 << (Int.bitWidth - (capacity - 1).leadingZeroBitCount)
        )
        guard let (memory, descriptor) = made else {
            let reason = String(cString: strerror(errno))
            throw EngineError(
                .executionFailed,
                "there is no memory of \(capacity) bytes to share with the model's process: "
                    + reason,
                engine: "isolation"
            )
        }
        defer { close(descriptor) }
        let message = LaneRequest.memory(id: memory.id, byteCount: memory.byteCount)
        guard self.socket.send(message, descriptor: descriptor) else { throw self.process.down() }
        return memory
    }

    private func forget(_ memory: SharedMemory) {
        _ = self.socket.send(LaneRequest.forget(id: memory.id))
    }
}

extension TensorPlace {
    /// The tensor that lies there; `nil` if none can.
    ///
    /// - Parameter copies: whether numbers are copied. Strings always are: their lengths are read more
    ///   than once, and the process might change them in between.
    func tensor(in memory: SharedMemory, copies: Bool) -> Tensor? {
        guard self.fits(memory.byteCount) else { return nil }
        let storage: TensorStorage
        if copies || self.datatype == .bytes {
            let bytes = UnsafeRawBufferPointer(memory.bytes(self.offset, self.byteCount))
            storage = TensorStorage(byteCount: self.byteCount) { $0.copyMemory(from: bytes) }
        } else {
            storage = TensorStorage(memory.bytes(self.offset, self.byteCount), owner: memory)
        }
        let tensor = Tensor(
            datatype: self.datatype,
            shape: self.shape,
            storage: storage,
            byteCount: self.byteCount
        )
        return tensor.byteCountFits ? tensor : nil
    }
}
