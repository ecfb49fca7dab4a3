internal import ArgumentParser
package import RoostWire

/// What a program's exit code says; the numbers are those of `sysexits.h`.
package struct ExitStatus: Hashable, Sendable, RawRepresentable {
    package let rawValue: Int32
    package init(rawValue: Int32) { self.rawValue = rawValue }

    package static let ok = Self(rawValue: 0)
    /// The command line cannot be understood. ArgumentParser exits with it by itself.
    package static let usage = Self(rawValue: 64)
    /// What was given does not fit: an input's name, datatype, shape or size, a file's contents.
    package static let badData = Self(rawValue: 65)
    /// A file or directory to be read is not there or cannot be read.
    package static let noInput = Self(rawValue: 66)
    /// No broker or worker can do it: none answers, the model is unknown, the port is taken.
    package static let unavailable = Self(rawValue: 69)
    /// It failed where it should not: the model while it was executed, the protocol.
    package static let failed = Self(rawValue: 70)
    /// A file cannot be written.
    package static let cannotCreate = Self(rawValue: 73)
    /// It may work when it is tried again: a deadline, an overload, a lost worker.
    package static let temporary = Self(rawValue: 75)
    /// A value in the environment or in the configuration cannot be used, or something that must
    /// be installed is not.
    package static let configuration = Self(rawValue: 78)
}

extension ExitStatus {
    package init(_ code: InferenceError.Code) {
        switch code {
        case .invalidInput, .tooLarge: self = .badData
        case .modelNotFound, .unavailable: self = .unavailable
        case .overloaded, .deadlineExceeded, .draining, .workerLost, .cancelled:
            self = .temporary
        default: self = .failed
        }
    }

    package init(_ code: RoostError.Code) {
        switch code {
        case .invalidConfiguration: self = .configuration
        case .addressInUse, .brokerUnreachable: self = .unavailable
        default: self = .failed
        }
    }

    /// The status for any error that a command throws.
    package init(_ error: any Error) {
        switch error {
        case let error as CommandError: self = error.status
        case let error as InferenceError: self.init(error.code)
        case let error as RoostError: self.init(error.code)
        case let error as ExitCode: self.init(rawValue: error.rawValue)
        default: self = .failed
        }
    }
}
