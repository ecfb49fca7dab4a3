/// What became of a test.
enum Outcome: Equatable {
    case passed
    /// Why not: a kind of failure, and the words.
    case failed(Reason, String)

    /// The kinds of failures, as the table has them.
    enum Reason: String, CaseIterable {
        case noTensor = "values that are no tensors"
        case unranked = "no number of dimensions"
        case datatype = "datatypes not carried"
        case notImplemented = "no kernel in the engine"
        case opset = "operators or versions that the engine does not know"
        case load = "refused by the engine otherwise"
        case run = "fails when it runs"
        case value = "another result"
        case data = "test data not readable"
        case fleet = "in the fleet only"
    }

    var isPassed: Bool { self == .passed }

    /// Whether the engine refused the model.
    var isRefused: Bool {
        switch self {
        case .failed(.noTensor, _), .failed(.unranked, _), .failed(.datatype, _),
            .failed(.notImplemented, _), .failed(.opset, _), .failed(.load, _):
            true
        default: false
        }
    }

    /// What an engine says when it refuses a model.
    static func refused(_ message: String) -> Outcome {
        let words: [(String, Reason)] = [
            ("carries only tensors", .noTensor), ("how many dimensions", .unranked),
            ("that Roost does not carry", .datatype), ("NOT_IMPLEMENTED", .notImplemented),
            ("Could not find an implementation", .notImplemented),
            ("not a registered function/op", .opset), ("opset", .opset), ("Opset", .opset),
            ("is not registered", .opset), ("No Op registered", .opset),
            ("No opset import for domain", .opset),
        ]
        let reason = words.first { message.contains($0.0) }?.1 ?? .load
        return .failed(reason, message)
    }
}
