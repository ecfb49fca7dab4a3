internal import RoostWire
internal import ZeroMQ

// Sequences: their requests go one after the other, all to the worker that took the first.

extension Fleet {
    /// A request of a sequence comes in; its turn may come later.
    func enter(_ call: Call, _ sequence: SequenceState) {
        sequence.queue.append(call)
        self.advance(sequence)
    }

    /// Sends the sequence's next request, once nothing of it is under way.
    func advance(_ sequence: SequenceState) {
        // A request that ends at once makes room for the next: no deeper than this.
        guard !sequence.isAdvancing else { return }
        sequence.isAdvancing = true
        defer { sequence.isAdvancing = false }
        while !self.isClosed, sequence.current == nil, let call = sequence.queue.popFirst() {
            let isLast = call.request.extended?.position.contains(.end) ?? false
            do throws(InferenceError) {
                call.request.extended = try sequence.progress.next(
                    isLast: isLast,
                    number: Self.anyNumber
                )
            } catch {
                self.end(call, .failure(error))
                continue
            }
            sequence.current = call
            call.pin = sequence.pin
            self.dispatch(call, self.target(of: call), now: self.now)
        }
    }

    /// A request of the sequence ends; returns what its caller is told.
    func leave(_ sequence: SequenceState, _ call: Call, _ answer: Call.Answer) -> Call.Answer {
        guard sequence.current === call else {
            _ = sequence.queue.removeFirst { $0 === call }
            return answer
        }
        sequence.current = nil
        var answer = answer
        switch answer {
        case .result:
            sequence.progress.ended(.answered)
            sequence.request = call.request
            // Its tensors are not needed any more.
            sequence.request?.inputs = NamedTensors()
            if sequence.progress.isOpen, sequence.pin == nil, let place = call.leg?.place {
                sequence.pin = place
                place.pins += 1
            }
        case .failure(let error):
            sequence.progress.ended(Self.outcome(of: call, error))
            if call.pin != nil, let why = Self.whyLost(error) {
                answer = .failure(Self.sequenceLost(call, why, error))
            }
        default: sequence.progress.ended(.forgotten)
        }
        if !sequence.progress.isOpen { self.unpin(sequence) }
        return answer
    }

    private static var anyNumber: UInt64 {
        var entropy = Entropy()
        return entropy.next()
    }

    private static func outcome(
        of call: Call,
        _ error: InferenceError
    ) -> SequenceProgress.Outcome {
        if error.code == .sequenceLost { return .forgotten }
        if error.code == .draining, call.pin != nil { return .forgotten }
        // Its worker has it still: we have given up, not the worker.
        return call.leg != nil || error.code == .workerLost ? .unknown : .refused
    }

    /// What an error of the worker that held the state means for the sequence; `nil`: it goes on.
    private static func whyLost(_ error: InferenceError) -> String? {
        switch error.code {
        case .workerLost: "was lost before it answered"
        case .draining: "takes nothing new: it is leaving"
        default: nil
        }
    }

    private static func sequenceLost(
        _ call: Call,
        _ why: String,
        _ cause: InferenceError
    ) -> InferenceError {
        var error = InferenceError(
            .sequenceLost,
            "the worker that held the sequence's state \(why)",
            worker: cause.worker,
            requestID: call.requestID,
            notExecuted: cause.notExecuted,
            cause: cause
        )
        error.attempts = cause.attempts
        return error
    }

    private func unpin(_ sequence: SequenceState) {
        guard let pin = sequence.pin else { return }
        pin.pins -= 1
        sequence.pin = nil
    }

    /// Why the worker that holds the state of the call's sequence will never take it; `nil` if it may.
    func whyLost(_ pin: Place, _ call: Call, _ target: Target?) -> InferenceError? {
        let serves = target?.candidates.contains { $0.place === pin } ?? false
        let why: String
        if self.placesByID[pin.workerID] !== pin {
            why = "is gone"
        } else if pin.link.isDraining {
            why = "takes nothing new: it is leaving"
        } else if !serves {
            why = "does not serve the model any more"
        } else {
            return nil
        }
        return InferenceError(
            .sequenceLost,
            "the worker that held the sequence's state \(why)",
            worker: pin.workerID,
            requestID: call.requestID,
            notExecuted: true
        )
    }

    // MARK: The end

    /// Whether a worker holds a state for the sequence, or soon may.
    func mustEnd(_ sequence: SequenceState) -> Bool {
        sequence.progress.isOpen || sequence.current != nil || sequence.queue.count > 0
    }

    /// Nobody will ask anything of the sequence any more: its worker may forget it.
    func abandon(_ sequence: SequenceState) {
        defer { self.unpin(sequence) }
        guard !self.isClosed, sequence.current == nil, let pin = sequence.pin,
            var request = sequence.request
        else { return }
        request.extended = try? sequence.progress.next(isLast: true, number: 0)
        let call = Call(
            .infer,
            request,
            deadline: self.now + Self.farewellLimit,
            isIdempotent: false,
            fleet: self
        )
        call.pin = pin
        self.start(call)
    }

    /// How long a worker is waited for that is to forget a sequence.
    private static let farewellLimit: Duration = .seconds(5)
}
