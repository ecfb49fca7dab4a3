internal import RoostEngine
internal import RoostWire

/// What an executor's thread keeps of the models that it has run: a lane for each.
struct ExecutorLanes {
    struct Entry {
        let model: LoadedModel
        let lane: any Lane
        var buffers = BatchBuffers()
        /// The longest of the latest executions, in nanoseconds: a longer one counts at once, and
        /// is forgotten by an eighth with each that follows.
        var longest: Int64 = 0
    }

    /// By the model's place.
    private var entries: [Entry?] = []
    /// How many closings of places have been seen.
    private(set) var closings = 0

    /// Makes sure that the thread has a lane of the job's model; returns its place.
    mutating func open(_ job: Job) throws(EngineError) -> Int {
        let place = job.modelIndex
        if place < self.entries.count, self.entries[place]?.model === job.model { return place }
        while self.entries.count <= place { self.entries.append(nil) }
        // First of all what another model has left is let go.
        self.entries[place] = nil
        let lane = try job.model.session.makeLane()
        self.entries[place] = Entry(model: job.model, lane: lane)
        return place
    }

    subscript(place: Int) -> Entry {
        _read { yield self.entries[place]! }
        _modify { yield &self.entries[place]! }
    }

    /// The longest of the latest executions of the job's model, in nanoseconds.
    func longest(of job: Job) -> Int64 {
        guard job.modelIndex < self.entries.count, let entry = self.entries[job.modelIndex],
            entry.model === job.model
        else { return .max }
        return entry.longest
    }

    /// An execution of the job's model took so many nanoseconds.
    mutating func record(_ nanoseconds: Int64, _ job: Job) {
        guard job.modelIndex < self.entries.count,
            let longest = self.entries[job.modelIndex]?.longest
        else { return }
        self.entries[job.modelIndex]?.longest = max(nanoseconds, longest - longest >> 3)
    }

    /// Lets go what belongs to models that are not open at their places any more.
    mutating func keep(_ open: [LoadedModel?], closings: Int) {
        self.closings = closings
        for (place, entry) in self.entries.enumerated() where entry != nil {
            if place >= open.count || open[place] !== entry?.model { self.entries[place] = nil }
        }
    }
}
