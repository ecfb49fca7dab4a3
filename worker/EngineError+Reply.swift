internal import RoostEngine
internal import RoostWire

extension EngineError {
    /// What a client is told of a run that failed, and whether another worker may be asked.
    var reply: (error: ErrorReply, flags: FrameHeader.Flags) {
        switch self.code {
        case .inputRefused: (ErrorReply(.invalidInput, self.message), [])
        // As if the link had been lost: perhaps it was executed.
        case .sessionLost: (ErrorReply(.workerLost, self.message), .retryable)
        case .sessionDown: (ErrorReply(.unavailable, self.message), [.notExecuted, .retryable])
        default: (ErrorReply(.executionFailed, self.message), [])
        }
    }

    /// Whether what runs the model is gone: to try again at once is of no use.
    var isSessionGone: Bool { self.code == .sessionLost || self.code == .sessionDown }
}
