internal import RoostWire

/// Shares the executors' time among models that have requests waiting.
///
/// Start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996): each model has a tag, the virtual
/// time at which its next execution would begin. The model with the lowest tag is next, and pays
/// with what the execution takes, divided by its weight. A model that had nothing to do begins at
/// the present virtual time: it has saved up nothing. So over any time in which two models have
/// requests waiting, the time that they got differs, weights accounted for, by no more than one
/// execution of each; a model that comes now waits for what runs and never for another's queue.
struct FairShare: Sendable {
    /// The tag of the execution that was begun last, in nanoseconds.
    private var virtualTime: Int64 = 0
    /// By the model's place.
    private(set) var tags: [Int64] = []

    /// A place is given to a model.
    mutating func open(_ place: Int) {
        while self.tags.count <= place { self.tags.append(0) }
        self.tags[place] = self.virtualTime
    }

    /// Requests of the model wait again.
    mutating func arrive(_ place: Int) { self.tags[place] = self.start(of: place) }

    /// The tag of a model of which a request came now.
    func start(of place: Int) -> Int64 { max(self.tags[place], self.virtualTime) }

    /// An execution of the model begins; it is expected to take so many nanoseconds.
    mutating func begin(_ place: Int, expected: Int64, weight: Int64) {
        self.virtualTime = max(self.virtualTime, self.tags[place])
        self.tags[place] += Self.cost(expected, weight)
    }

    /// It took so many.
    mutating func end(_ place: Int, expected: Int64, actual: Int64, weight: Int64) {
        self.tags[place] += Self.cost(actual, weight) - Self.cost(expected, weight)
    }

    private static func cost(_ nanoseconds: Int64, _ weight: Int64) -> Int64 {
        weight == 1 ? nanoseconds : nanoseconds / weight
    }
}
