internal import RoostWire

/// What a request has beyond others while equal ones count: it leads those that wait for its answer,
/// or waits for the answer of the one that leads. It is of the reactor's thread only.
final class Inquiry {
    let question: Question
    /// What the request holds in memory, for the scheduler.
    let byteCount: Int
    /// It is executed; otherwise it waits for an equal one.
    var leads: Bool

    init(_ question: Question, byteCount: Int, leads: Bool) {
        self.question = question
        self.byteCount = byteCount
        self.leads = leads
    }
}
