import Glibc
import RoostEngine
import RoostOps
import RoostWire
import RoostWorker
import Synchronization

/// Measures a model at several batch sizes and instance counts.
struct ModelTune {
    private static let rowsMax = 128

    let model: LoadedModel
    let configuration: ModelConfiguration
    /// The model's.
    let directory: String
    /// For all of it.
    let time: Duration

    /// Blocks for about ``time``.
    func run() throws(CommandError) -> ModelTuning {
        let cores = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        var rows: [Int] = [1]
        if BatchAxis.objection(to: self.model.measuredSession.signature) == nil {
            while rows.last! < Self.rowsMax { rows.append(rows.last! * 2) }
        }
        let instances = Self.instances(cores)
        var tuning = ModelTuning(instances: instances)
        let clock = SuspendingClock()
        let end = clock.now + self.time
        var left = rows.count * instances.count
        for rowCount in rows {
            let inputs = try self.inputs(rows: rowCount)
            for count in instances {
                Self.progress("measuring \(rowCount) rows, \(count) at once; \(left) to go")
                // What one step does not use the others have.
                let slot = max(end - clock.now, .zero) / left
                left -= 1
                guard
                    let measured = try self.measure(inputs, rows: rowCount, instances: count, slot)
                else { continue }
                tuning.measured.append(measured)
            }
            // Twice the rows take twice as long, mostly: what would not end in time is left out.
            let longest = tuning.measured.last?.runTime ?? .zero
            if clock.now + longest * 4 * instances.count > end { break }
        }
        Self.progress("")
        return tuning
    }

    /// One, two, half of the cores and all of them: four columns fit a terminal.
    static func instances(_ cores: Int) -> [Int] {
        Set([1, 2, cores / 2, cores].filter { (1...cores).contains($0) }).sorted()
    }

    private static func progress(_ text: String) {
        guard Output.error.isInteractive else { return }
        Output.error.write("\r\(text.padding(to: 60))\(text.isEmpty ? "\r" : "")")
    }

    /// Runs so many threads for as long; `nil` if the model refuses such inputs.
    private func measure(
        _ inputs: [Tensor],
        rows: Int,
        instances: Int,
        _ slot: Duration
    ) throws(CommandError) -> ModelTuning.Measured? {
        let session = self.model.measuredSession
        let results = Results()
        let clock = SuspendingClock()
        let threads = (0..<instances).map { _ in
            Thread.start("roost-tune", stack: Thread.executorStackBytes) {
                do throws(EngineError) {
                    let lane = try session.makeLane()
                    // The first of a size is slower.
                    _ = try lane.run(inputs)
                    let start = clock.now
                    var runs = 0
                    repeat {
                        _ = try lane.run(inputs)
                        runs += 1
                    } while clock.now - start < slot
                    let time = clock.now - start
                    results.state.withLock {
                        $0.runs += runs
                        $0.time += time
                    }
                } catch {
                    results.state.withLock { $0.failure = error.message }
                }
            }
        }
        for case let thread? in threads { pthread_join(thread, nil) }
        guard !threads.contains(where: { $0 == nil }) else {
            throw CommandError(.temporary, "cannot start \(instances) threads")
        }
        let (runs, time, failure) = results.state.withLock { $0 }
        if let failure {
            if rows == 1 {
                throw CommandError(.badData, "the model cannot be measured: \(failure)")
            }
            return nil
        }
        return ModelTuning.Measured(rows: rows, instances: instances, runTime: time / runs)
    }

    /// The warm-up's arrays, their rows again and again, or random numbers.
    private func inputs(rows: Int) throws(CommandError) -> [Tensor] {
        let signature = self.model.measuredSession.signature
        let warmUp = self.configuration.warmUp
        if warmUp.inputs != nil {
            do throws(WarmUp.InputError) {
                let arrays = try warmUp.arrays(for: signature, directory: self.directory)
                let isBatched = BatchAxis.objection(to: signature) == nil
                return isBatched ? arrays.map { $0.repeated(rows: rows) } : arrays
            } catch {
                throw CommandError(.configuration, error.reason)
            }
        }
        var tensors: [Tensor] = []
        for input in signature.inputs {
            tensors.append(
                try RandomTensor.make(for: input, shape: warmUp.shape(of: input, rows: rows))
            )
        }
        return tensors
    }
}

/// What the threads have measured.
private final class Results: Sendable {
    let state = Mutex<(runs: Int, time: Duration, failure: String?)>((0, .zero, nil))
}

extension Tensor {
    /// A tensor of so many rows, this one's over and over; itself if it has none.
    func repeated(rows: Int) -> Tensor {
        guard let own = self.shape.first, own > 0 else { return self }
        let shape = Shape([rows] + self.shape.dropFirst())
        if let elements = self.byteStrings() {
            let width = elements.count / own
            return Tensor(
                (0..<(rows * width)).map { elements[$0 % elements.count] },
                shape: shape
            )
        }
        let width = self.byteCount / own
        let storage = TensorStorage(byteCount: rows * width) { target in
            self.withUnsafeBytes { source in
                for row in 0..<rows {
                    let start = row % own * width
                    UnsafeMutableRawBufferPointer(rebasing: target[(row * width)...])
                        .copyMemory(
                            from: UnsafeRawBufferPointer(rebasing: source[start..<(start + width)])
                        )
                }
            }
        }
        return Tensor(
            datatype: self.datatype,
            shape: shape,
            storage: storage,
            byteCount: rows * width
        )
    }
}
