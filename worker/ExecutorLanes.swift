internal import RoostEngine
internal import RoostWire

/// What an executor's thread keeps of the models that it has run: a lane for each.
struct ExecutorLanes {
    /// What it keeps of one model; a class, for a struct would be copied at each look.
    final class Entry {
        let model: LoadedModel
        let lane: any Lane
        var buffers = BatchBuffers()
        /// The longest of the latest executions, in nanoseconds: a longer one counts at once, and
        /// is forgotten by an eighth with each that follows.
        private(set) var longest: Int64 = 0

        init(model: LoadedModel, lane: any Lane) {
            self.model = model
            self.lane = lane
        }

        /// An execution took so many nanoseconds.
        func record(_ nanoseconds: Int64) {
            self.longest = max(nanoseconds, self.longest - self.longest >> 3)
        }
    }

    /// Where the thread runs.
    var placement = ThreadPlacement()
    /// By the model's place.
    private var entries: [Entry?] = []
    /// How many closings of places have been seen.
    private(set) var closings = 0

    /// What the thread has of the job's model; `nil` before its first execution.
    func known(_ job: Job) -> Entry? {
        guard job.modelIndex < self.entries.count, let entry = self.entries[job.modelIndex],
            entry.model === job.model
        else { return nil }
        return entry
    }

    /// Makes a lane of the job's model.
    mutating func open(_ job: Job) throws(EngineError) -> Entry {
        let place = job.modelIndex
        while self.entries.count <= place { self.entries.append(nil) }
        // First of all what another model has left is let go.
        self.entries[place] = nil
        let lane = try job.model.session.makeLane()
        let entry = Entry(model: job.model, lane: lane)
        self.entries[place] = entry
        return entry
    }

    /// Lets go what belongs to models that are not open at their places any more.
    mutating func keep(_ open: [LoadedModel?], closings: Int) {
        self.closings = closings
        for (place, entry) in self.entries.enumerated() where entry != nil {
            if place >= open.count || open[place] !== entry?.model { self.entries[place] = nil }
        }
    }
}
