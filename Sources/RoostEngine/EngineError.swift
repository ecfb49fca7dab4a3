/// An engine could not be loaded, or could not load or run a model.
package struct EngineError: Error, Sendable, Hashable {
    /// What went wrong.
    package struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Value: String {
            case engineMissing
            case engineUnsupported
            case modelInvalid
            case modelMissing
            case unsupportedType
            case executionFailed
            case inputRefused
            case cancelled
            case sessionLost
            case sessionDown
        }

        private let value: Value
        private init(value: Value) { self.value = value }

        /// The code of that ``description``; `nil` if there is none.
        package init?(name: String) {
            guard let value = Value(rawValue: name) else { return nil }
            self.value = value
        }

        /// The engine's library was not found where it was looked for.
        package static var engineMissing: Self { Self(value: .engineMissing) }
        /// The engine's library was found and cannot be used: too old, or for another machine.
        package static var engineUnsupported: Self { Self(value: .engineUnsupported) }
        /// The engine refused the model's file.
        package static var modelInvalid: Self { Self(value: .modelInvalid) }
        /// The model's file is not there or cannot be read.
        package static var modelMissing: Self { Self(value: .modelMissing) }
        /// The model takes or gives something that is not a tensor Roost can carry.
        package static var unsupportedType: Self { Self(value: .unsupportedType) }
        /// The engine failed while it executed the model.
        package static var executionFailed: Self { Self(value: .executionFailed) }
        /// The model itself finds fault with what it was given.
        package static var inputRefused: Self { Self(value: .inputRefused) }
        /// The run was ended by its ``RunCancellation``.
        package static var cancelled: Self { Self(value: .cancelled) }
        /// The process that ran the model ended during the run. Whether the model was executed nobody
        /// knows.
        package static var sessionLost: Self { Self(value: .sessionLost) }
        /// There is no process to run the model now. Nothing was executed.
        package static var sessionDown: Self { Self(value: .sessionDown) }

        package var description: String { self.value.rawValue }
    }

    package var code: Code
    /// One sentence: what failed, where, and what to do if that is known.
    package var message: String
    /// The engine's name.
    package var engine: String

    package init(_ code: Code, _ message: String, engine: String) {
        self.code = code
        self.message = message
        self.engine = engine
    }
}

extension EngineError: CustomStringConvertible {
    package var description: String { self.message }
}
