import RoostOps
import RoostWire
import Testing

/// Testing has a type of that name too.
private typealias ExitStatus = RoostOps.ExitStatus

@Suite
struct ExitStatusTests {
    @Test(
        "each failure of a call has its exit code",
        arguments: [
            (InferenceError.Code.invalidInput, ExitStatus.badData), (.tooLarge, .badData),
            (.modelNotFound, .unavailable), (.unavailable, .unavailable),
            (.overloaded, .temporary), (.deadlineExceeded, .temporary), (.workerLost, .temporary),
            (.draining, .temporary), (.executionFailed, .failed), (.protocolViolation, .failed),
        ]
    )
    private func inference(code: InferenceError.Code, status: ExitStatus) {
        #expect(ExitStatus(InferenceError(code, "")) == status)
    }

    @Test("so has each misuse")
    func misuse() {
        #expect(ExitStatus(RoostError(.invalidConfiguration, "")) == .configuration)
        #expect(ExitStatus(RoostError(.addressInUse, "")) == .unavailable)
        #expect(ExitStatus(CommandError(.noInput, "")) == .noInput)
    }
}
