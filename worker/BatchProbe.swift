internal import Glibc
package import RoostEngine
internal import RoostWire

/// Finds out by trying whether a model's requests may be joined, and whether that gains anything.
///
/// A signature says which axis could count rows, not that rows are independent of each other: a
/// model may normalise over its batch, or reverse it. So rows are executed alone and in company and
/// must give the same. Joining pays if eight rows together take less than nine tenths of what they
/// take one after another; for large models on processors they do not, as every core is busy with
/// one row already.
package struct BatchProbe {
    /// The largest batches of models for which joining pays and nothing else is said. Which size is
    /// best is found out later (``ExecutionPolicy/findsBatchSize``).
    package static let defaultMax = 64
    /// What so many rows must gain.
    private static let rows = 8
    private static let gain = 0.9
    /// A model that takes longer for one row is not given more than two, and each run once, in
    /// nanoseconds.
    private static let slowLimit: Int64 = 250_000_000
    /// How often a run is repeated to time it.
    private static let repeats = 5
    /// Axes other than the first that are open have this size; 1 if the model refuses it.
    private static let openSize = 16
    /// No input of the probe is larger, in elements of one row.
    private static let elementsMax = 1 << 20

    /// Floating-point results may differ by this part: the order of sums does.
    private static let tolerance = 1e-3

    private let session: any Session
    private let lane: any Lane
    private let openSize: Int
    /// The session does everything on the thread that runs it: what that has of a CPU meanwhile is what
    /// a run takes, whoever shares it.
    private let isOnThread: Bool

    /// The policy with what its model can do: unchanged, or with joining where it pays, or without.
    ///
    /// Rows that depend on each other are never joined, whatever the policy says. If the model
    /// refuses what it is tried with, the policy is believed.
    ///
    /// - Parameters:
    ///   - isConfigured: the policy's ``ExecutionPolicy/batchMax`` is somebody's wish; if not, it is 1
    ///     or ``defaultMax``.
    ///   - isOnThread: a run is done by the calling thread alone.
    package static func settled(
        _ policy: ExecutionPolicy,
        isConfigured: Bool,
        isOnThread: Bool = false,
        for session: any Session
    ) -> ExecutionPolicy {
        if isConfigured, policy.batchMax == 1 { return policy }
        if let objection = BatchAxis.objection(to: session.signature) {
            return policy.alone(objection)
        }
        guard let lane = try? session.makeLane() else { return policy }
        for openSize in [Self.openSize, 1] {
            let probe = BatchProbe(
                session: session,
                lane: lane,
                openSize: openSize,
                isOnThread: isOnThread
            )
            guard let finding = probe.find() else { continue }
            switch finding {
            case .dependent(let objection): return policy.alone(objection)
            case .independent(let pays):
                if isConfigured { return policy }
                guard pays else { return policy.alone("joining its requests gains nothing") }
                var policy = policy
                policy.batchMax = Self.defaultMax
                policy.findsBatchSize = true
                return policy
            }
        }
        return isConfigured ? policy : policy.alone("it refuses what it is tried with")
    }

    private enum Finding {
        case independent(pays: Bool)
        case dependent(String)
    }

    /// `nil` if the model refuses the inputs.
    private func find() -> Finding? {
        guard let first = self.run(rows: 0..<1), let second = self.run(rows: 1..<2),
            let both = self.run(rows: 0..<2)
        else { return nil }
        if let objection = Self.objection(
            to: both.outputs,
            rows: 2,
            [first.outputs, second.outputs]
        ) {
            return .dependent(objection)
        }
        let isSlow = max(first.nanoseconds, second.nanoseconds) > Self.slowLimit
        guard !isSlow else {
            let alone = Double(first.nanoseconds + second.nanoseconds)
            return .independent(pays: Double(both.nanoseconds) < Self.gain * alone)
        }
        guard let last = self.run(rows: (Self.rows - 1)..<Self.rows),
            let all = self.run(rows: 0..<Self.rows)
        else { return nil }
        let singles = [first.outputs, second.outputs]
        if let objection = Self.objection(to: all.outputs, rows: Self.rows, singles)
            ?? Self.objection(to: all.outputs, rows: Self.rows, [last.outputs], from: Self.rows - 1)
        {
            return .dependent(objection)
        }
        guard let alone = self.quickest(0..<1), let together = self.quickest(0..<Self.rows) else {
            return nil
        }
        return .independent(
            pays: Double(together) < Self.gain * Double(Self.rows) * Double(alone)
        )
    }

    /// The quickest of some runs, in nanoseconds: the others were disturbed.
    private func quickest(_ rows: Range<Int>) -> Int64? {
        var quickest = Int64.max
        for _ in 0..<Self.repeats {
            guard let run = self.run(rows: rows) else { return nil }
            quickest = min(quickest, run.nanoseconds)
            if run.nanoseconds > Self.slowLimit { break }
        }
        return quickest
    }

    private func run(rows: Range<Int>) -> (outputs: [Tensor], nanoseconds: Int64)? {
        let signature = self.session.signature
        var inputs: [Tensor] = []
        for (index, input) in signature.inputs.enumerated() {
            guard let tensor = self.input(input, index, rows) else { return nil }
            inputs.append(tensor)
        }
        let start = self.now
        guard let outputs = try? self.lane.run(inputs) else { return nil }
        return (outputs, max(self.now - start, 1))
    }

    /// In nanoseconds.
    private var now: Int64 {
        var time = timespec()
        clock_gettime(self.isOnThread ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    // MARK: Inputs

    /// Rows of numbers that look random and are the same whenever they are asked for: floating-point
    /// numbers from 0 to 1, and the integers 0 and 1, which index anything that has two entries.
    private func input(_ input: TensorSignature, _ index: Int, _ rows: Range<Int>) -> Tensor? {
        var row = Shape()
        for dimension in input.dimensions.dropFirst() {
            switch dimension {
            case .fixed(let size): row.append(size)
            case .dynamic: row.append(self.openSize)
            }
        }
        guard let elements = row.elementCount, elements <= Self.elementsMax else { return nil }
        let shape = Shape([rows.count] + Array(row))
        if input.datatype == .bytes {
            let strings = rows.flatMap { row in
                (0..<elements).map { "\(Self.noise(index, row, $0) % 10_000)" }
            }
            return Tensor(strings, shape: shape)
        }
        let width = input.datatype.byteWidth ?? 1
        let byteCount = rows.count * elements * width
        let storage = TensorStorage(byteCount: byteCount) { target in
            var offset = 0
            for row in rows {
                for element in 0..<elements {
                    let noise = Self.noise(index, row, element)
                    let isNumber = input.datatype.isFloat
                    let value = isNumber ? Double(noise >> 11) / Double(1 << 53) : Double(noise & 1)
                    let slot = UnsafeMutableRawBufferPointer(
                        rebasing: target[offset..<(offset + width)]
                    )
                    Block.fill(slot, input.datatype, with: value)
                    offset += width
                }
            }
        }
        return Tensor(
            datatype: input.datatype,
            shape: shape,
            storage: storage,
            byteCount: byteCount
        )
    }

    /// SplitMix64 of the element's position.
    private static func noise(_ input: Int, _ row: Int, _ element: Int) -> UInt64 {
        var value = UInt64(input + 1) &* 0x9E37_79B9_7F4A_7C15
        value = (value ^ UInt64(row + 1)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ UInt64(element + 1)) &* 0x94D0_49BB_1331_11EB
        value ^= value >> 31
        value &*= 0x9E37_79B9_7F4A_7C15
        return value ^ (value >> 29)
    }

    // MARK: Outputs

    /// Why these outputs of so many rows are not what the rows give alone; `nil` if they are.
    ///
    /// - Parameter from: which row `singles` begin with.
    private static func objection(
        to outputs: [Tensor],
        rows: Int,
        _ singles: [[Tensor]],
        from: Int = 0
    ) -> String? {
        for (index, output) in outputs.enumerated() {
            guard output.shape.rank > 0, output.shape[0] == rows else {
                return "it does not give as many rows as it is given"
            }
            for (position, single) in singles.enumerated() {
                let row = from + position
                guard single[index].shape.first == 1,
                    single[index].shape.dropFirst().elementsEqual(output.shape.dropFirst()),
                    self.isEqual(single[index], output, row: row, of: rows)
                else { return "its rows depend on each other" }
            }
        }
        return nil
    }

    private static func isEqual(_ single: Tensor, _ batch: Tensor, row: Int, of rows: Int) -> Bool {
        switch single.datatype {
        case .fp16: self.isClose(single, batch, row) { (value: Float16) in Double(value) }
        case .fp32: self.isClose(single, batch, row) { (value: Float) in Double(value) }
        case .fp64: self.isClose(single, batch, row) { (value: Double) in value }
        case .bf16:
            self.isClose(single, batch, row) { (value: UInt16) in
                Double(Float(bitPattern: UInt32(value) << 16))
            }
        case .bytes:
            zip(
                single.byteStrings() ?? [],
                (batch.byteStrings() ?? []).dropFirst(
                    row * ((single.shape.elementCount ?? 0))
                )
            ).allSatisfy { $0 == $1 }
        default:
            single.withUnsafeBytes { one in
                batch.withUnsafeBytes { all in
                    one.elementsEqual(all.dropFirst(row * one.count).prefix(one.count))
                }
            }
        }
    }

    /// Compares numbers, of which the largest of the row says what is close.
    private static func isClose<Element: BitwiseCopyable>(
        _ single: Tensor,
        _ batch: Tensor,
        _ row: Int,
        _ value: (Element) -> Double
    ) -> Bool {
        let width = MemoryLayout<Element>.size
        let coarse = width == 2 ? 32 * self.tolerance : self.tolerance
        return single.withUnsafeBytes { one in
            batch.withUnsafeBytes { all in
                func number(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> Double {
                    value(bytes.loadUnaligned(fromByteOffset: offset, as: Element.self))
                }
                let offsets = stride(from: 0, to: one.count, by: width)
                let scale = offsets.reduce(0.0) { scale, offset in
                    let size = abs(number(one, offset))
                    return size.isFinite ? max(scale, size) : scale
                }
                return offsets.allSatisfy { offset in
                    let (alone, inCompany) = (
                        number(one, offset), number(all, row * one.count + offset)
                    )
                    return alone == inCompany || (alone.isNaN && inCompany.isNaN)
                        || abs(alone - inCompany) <= coarse * scale
                }
            }
        }
    }
}

extension DataType {
    fileprivate var isFloat: Bool {
        switch self {
        case .fp16, .bf16, .fp32, .fp64: true
        default: false
        }
    }
}
