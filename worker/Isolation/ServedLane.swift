internal import Glibc
internal import RoostEngine
internal import RoostWire

/// A lane of a model in the model's own process: it does what the worker's thread at the other end of
/// the socket asks for.
final class ServedLane {
    private let socket: MessageSocket
    private let runs: LaneRuns
    private var memories: [UInt32: SharedMemory] = [:]

    init(_ socket: MessageSocket, _ runs: LaneRuns) {
        self.socket = socket
        self.runs = runs
    }

    /// Makes the lane and serves it until the other end is gone.
    func run(_ session: any Session) {
        let lane: any Lane
        do throws(EngineError) {
            lane = try session.makeLane()
        } catch {
            _ = self.socket.send(LaneReply.failed(error))
            return
        }
        guard self.socket.send(LaneReply.ready) else { return }
        while true {
            switch self.socket.receive(LaneRequest.self) {
            case .end, .late: return
            // The worker sends none such: one of the two is broken.
            case .invalid: _exit(1)
            case .message(.memory(let id, let byteCount), let descriptor):
                self.map(id, descriptor, byteCount)
            case .message(.forget(let id), _): self.memories[id] = nil
            case .message(.run(let run), _):
                guard self.execute(run, on: lane) else { return }
            }
        }
    }

    private func map(_ id: UInt32, _ descriptor: Int32, _ byteCount: Int) {
        // Without it the worker's next order cannot be carried out.
        guard let memory = SharedMemory(id: id, descriptor, byteCount: byteCount) else { _exit(1) }
        close(descriptor)
        self.memories[id] = memory
    }

    /// Runs the model; `false`: the other end is gone.
    private func execute(_ run: LaneRequest.Run, on lane: any Lane) -> Bool {
        guard let input = self.memories[run.input], self.memories[run.output] != nil else {
            _exit(1)
        }
        let inputs = run.inputs.map { place in
            guard let place else { return Tensor.omitted }
            return Tensor(
                datatype: place.datatype,
                shape: place.shape,
                storage: TensorStorage(input.bytes(place.offset, place.byteCount), owner: input),
                byteCount: place.byteCount
            )
        }
        let cancellation = run.isCancellable ? self.runs.begin(run.number) : nil
        let outputs: [Tensor]
        do throws(EngineError) {
            defer { if run.isCancellable { self.runs.end() } }
            outputs = try lane.run(
                inputs,
                outputs: run.wanted.map(Int.init),
                cancellation: cancellation
            )
        } catch {
            _ = lane.takeRefusals()
            return self.socket.send(LaneReply.failed(error))
        }
        return self.answer(outputs, run.output)
    }

    private func answer(_ outputs: [Tensor], _ id: UInt32) -> Bool {
        let (places, byteCount) = TensorPlace.places(of: outputs) { _ in false }
        guard byteCount <= IsolatedProgram.outputBytesMax else {
            let error = EngineError(
                .executionFailed,
                "the outputs are too large: they take \(byteCount) bytes",
                engine: "isolation"
            )
            return self.socket.send(LaneReply.failed(error))
        }
        guard var memory = self.memories[id] else { _exit(1) }
        if byteCount > memory.byteCount {
            guard self.socket.send(LaneReply.need(byteCount)),
                let larger = self.receiveMemory(byteCount)
            else { return false }
            memory = larger
        }
        for (tensor, place) in zip(outputs, places) {
            guard let place else { continue }
            tensor.withUnsafeBytes {
                memory.bytes(place.offset, place.byteCount).copyMemory(from: $0)
            }
        }
        return self.socket.send(LaneReply.done(places.compactMap { $0 }))
    }

    /// Waits for memory of at least that size.
    private func receiveMemory(_ byteCount: Int) -> SharedMemory? {
        while true {
            switch self.socket.receive(LaneRequest.self) {
            case .message(.forget(let id), _): self.memories[id] = nil
            case .message(.memory(let id, let capacity), let descriptor):
                guard capacity >= byteCount else { _exit(1) }
                self.map(id, descriptor, capacity)
                return self.memories[id]
            case .end, .late: return nil
            case .message, .invalid: _exit(1)
            }
        }
    }
}
