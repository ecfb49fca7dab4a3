internal import RoostEngine
internal import RoostWire
internal import ZeroMQ

/// Requests that are executed together: their inputs are joined along the first axis, and the
/// outputs divided along it again.
///
/// Each input is written once, from where it was received into the batch; outputs are not copied,
/// but where rows that were filled up are cut.
struct Batch {
    /// What came of it.
    struct Result {
        /// For each job its wanted outputs, in its order.
        let outputs: [[Tensor]]
        /// By job: the first of its rows that the model was not run on. The others have outputs.
        var refusals: [Int: RowRefusal] = [:]
        let assembled: Moment
        let ran: Moment
    }

    /// A batch whose rows are filled up may be larger than its requests by this factor, and by
    /// ``fillingSlack`` bytes.
    private static let fillingFactor = 4
    private static let fillingSlack = 1 << 20

    private let jobs: [Job]
    private let joining: Joining
    private let rows: Int

    /// At least two jobs of one model.
    init?(_ jobs: [Job]) {
        guard let joining = jobs[0].model.joining else { return nil }
        self.jobs = jobs
        self.joining = joining
        self.rows = jobs.reduce(0) { $0 + $1.rows }
    }

    /// Executes the model once.
    func run(on lane: any Lane, _ buffers: inout BatchBuffers) throws(BatchFailure) -> Result {
        var inputs: [Tensor] = []
        inputs.reserveCapacity(self.jobs[0].inputs.count)
        for index in self.jobs[0].inputs.indices {
            inputs.append(try self.assemble(index, &buffers))
        }
        let assembled = Moment(nanoseconds: Reactor.monotonicNanoseconds())
        let wanted = self.jobs[0].wanted
        let isAll = self.jobs.contains { $0.wanted != wanted }
        let outputs: [Tensor]
        do throws(EngineError) {
            outputs = try lane.run(inputs, outputs: isAll ? [] : wanted)
        } catch {
            let refusals = self.refusals(lane.takeRefusals())
            if error.isSessionGone { throw .gone(error) }
            // Where all are refused there is nothing to try again.
            guard refusals.count == self.jobs.count else { throw .engine }
            let now = Moment(nanoseconds: Reactor.monotonicNanoseconds())
            return Result(outputs: [], refusals: refusals, assembled: assembled, ran: now)
        }
        let refusals = self.refusals(lane.takeRefusals())
        let ran = Moment(nanoseconds: Reactor.monotonicNanoseconds())
        var divided: [[Tensor]] = Array(repeating: [], count: self.jobs.count)
        for (position, output) in outputs.enumerated() {
            let index = isAll || wanted.isEmpty ? position : wanted[position]
            try self.divide(output, index, inputs, into: &divided)
        }
        if isAll {
            for (index, job) in self.jobs.enumerated() where !job.wanted.isEmpty {
                divided[index] = job.wanted.map { divided[index][$0] }
            }
        }
        return Result(outputs: divided, refusals: refusals, assembled: assembled, ran: ran)
    }

    /// The first refused row of each job that has one, counted from the job's own first.
    private func refusals(_ refused: [RowRefusal]) -> [Int: RowRefusal] {
        guard !refused.isEmpty else { return [:] }
        var byJob: [Int: RowRefusal] = [:]
        var first = 0
        for (index, job) in self.jobs.enumerated() {
            let rows = first..<(first + job.rows)
            if let refusal = refused.first(where: { rows.contains($0.row) }) {
                byJob[index] = RowRefusal(row: refusal.row - first, reason: refusal.reason)
            }
            first += job.rows
        }
        return byJob
    }

    // MARK: Inputs

    private func assemble(
        _ index: Int,
        _ buffers: inout BatchBuffers
    ) throws(BatchFailure) -> Tensor {
        let (shape, isEven) = try self.shape(of: index)
        let datatype = self.jobs[0].inputs[index].datatype
        let byteCount = self.jobs.reduce(0) { $0 + $1.inputs[index].byteCount }
        if isEven {
            let storage = buffers.storage(for: index, byteCount: byteCount)
            var target = storage.base
            for job in self.jobs {
                let input = job.inputs[index]
                input.withUnsafeBytes { source in
                    guard let base = source.baseAddress else { return }
                    target.copyMemory(from: base, byteCount: source.count)
                }
                target += input.byteCount
            }
            return Tensor(datatype: datatype, shape: shape, storage: storage, byteCount: byteCount)
        }
        guard let filling = self.joining.fillings[index], let width = datatype.byteWidth,
            let count = shape.elementCount,
            count <= (Self.fillingFactor * byteCount + Self.fillingSlack) / width
        else { throw .unequal }
        let storage = buffers.storage(for: index, byteCount: count * width)
        Block.fill(
            UnsafeMutableRawBufferPointer(start: storage.base, count: count * width),
            datatype,
            with: filling
        )
        let rowBytes = count / self.rows * width
        var row = 0
        for job in self.jobs {
            let input = job.inputs[index]
            input.withUnsafeBytes { source in
                guard let base = source.baseAddress else { return }
                let target = storage.base + row * rowBytes
                Block.copy(input.shape, width: width, from: base, input.shape, to: target, shape)
            }
            row += job.rows
        }
        return Tensor(datatype: datatype, shape: shape, storage: storage, byteCount: count * width)
    }

    /// The shape of the batch's input, along whose open axes the longest row counts, and whether
    /// all are of that length.
    private func shape(of index: Int) throws(BatchFailure) -> (shape: Shape, isEven: Bool) {
        var isEven = true
        let first = self.jobs[0].inputs[index].shape
        var sizes = InlineArray<8, Int>(repeating: 0)
        for axis in 0..<first.rank { sizes[axis] = first[axis] }
        for job in self.jobs {
            let shape = job.inputs[index].shape
            guard shape.rank == first.rank, shape.rank > 0, shape[0] == job.rows else {
                throw .unequal
            }
            for axis in 1..<max(shape.rank, 1) where shape[axis] != sizes[axis] {
                guard self.joining.isOpen(index, axis) else { throw .unequal }
                isEven = false
                sizes[axis] = max(sizes[axis], shape[axis])
            }
        }
        sizes[0] = self.rows
        var shape = Shape()
        for axis in 0..<first.rank { shape.append(sizes[axis]) }
        return (shape, isEven)
    }

    // MARK: Outputs

    /// Appends each job's rows of an output.
    private func divide(
        _ output: Tensor,
        _ index: Int,
        _ inputs: [Tensor],
        into divided: inout [[Tensor]]
    ) throws(BatchFailure) {
        guard output.shape.rank > 0, output.shape[0] == self.rows,
            let count = output.shape.elementCount
        else { throw .rows }
        let rowElements = count / self.rows
        var offset = 0
        for (position, job) in self.jobs.enumerated() {
            var shape = Shape()
            shape.append(job.rows)
            for size in output.shape.dropFirst() { shape.append(size) }
            let byteCount: Int
            if let width = output.datatype.byteWidth {
                byteCount = job.rows * rowElements * width
            } else {
                byteCount = try Self.byteCount(of: job.rows * rowElements, in: output, at: offset)
            }
            guard offset + byteCount <= output.byteCount else { throw .rows }
            let part = Tensor(
                datatype: output.datatype,
                shape: shape,
                storage: output.storage,
                byteOffset: output.byteOffset + offset,
                byteCount: byteCount
            )
            divided[position].append(self.cut(part, index, job, inputs))
            offset += byteCount
        }
    }

    /// How many bytes so many elements of BYTES have that begin there.
    private static func byteCount(
        of elements: Int,
        in tensor: Tensor,
        at offset: Int
    ) throws(BatchFailure) -> Int {
        let byteCount = tensor.withUnsafeBytes { bytes -> Int? in
            var end = offset
            for _ in 0..<elements {
                guard bytes.count - end >= 4 else { return nil }
                let length = bytes.loadUnaligned(fromByteOffset: end, as: UInt32.self)
                end += 4 + Int(UInt32(littleEndian: length))
            }
            return end - offset
        }
        guard let byteCount else { throw .rows }
        return byteCount
    }

    /// The part of an output that is of the job's own length along each axis that was filled up.
    private func cut(_ part: Tensor, _ index: Int, _ job: Job, _ inputs: [Tensor]) -> Tensor {
        guard self.joining.hasFilling, let width = part.datatype.byteWidth else { return part }
        var shape = Shape()
        for (axis, size) in part.shape.enumerated() {
            guard axis < self.joining.cuts[index].count,
                let filled = self.joining.cuts[index][axis],
                inputs[filled.input].shape[filled.axis] == size
            else {
                shape.append(size)
                continue
            }
            shape.append(job.inputs[filled.input].shape[filled.axis])
        }
        guard shape != part.shape, let count = shape.elementCount else { return part }
        return part.withUnsafeBytes { source in
            Tensor(
                datatype: part.datatype,
                shape: shape,
                storage: TensorStorage(byteCount: count * width) { target in
                    guard let from = source.baseAddress, let to = target.baseAddress else { return }
                    Block.copy(shape, width: width, from: from, part.shape, to: to, shape)
                },
                byteCount: count * width
            )
        }
    }
}
