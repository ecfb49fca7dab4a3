package import RoostEngine
package import RoostWire
internal import ZeroMQ

/// Jobs that a scheduler has given out together, and how they are executed.
package struct JobExecution {
    /// What came of it; the jobs have their answers.
    package struct Outcome {
        /// When the inputs were together, and when the model had run.
        let assembled: Moment
        let ran: Moment
        /// Why the jobs were executed one by one; `nil` if they were not.
        package let failure: BatchFailure?

        /// How long its parts took.
        func times(from started: Moment, to finished: Moment) -> ModelStatistics.Times {
            ModelStatistics.Times(
                input: self.assembled.nanoseconds - started.nanoseconds,
                compute: self.ran.nanoseconds - self.assembled.nanoseconds,
                output: finished.nanoseconds - self.ran.nanoseconds
            )
        }
    }

    let first: Job
    /// Those that are executed with it; none: it is alone.
    let joined: [Job]
    let started: Moment
    /// How many other requests the worker holds.
    let load: Int

    package init(first: Job, joined: [Job], started: Moment, load: Int) {
        self.first = first
        self.joined = joined
        self.started = started
        self.load = load
    }

    /// Executes the jobs, together if there are several.
    ///
    /// - Parameter buffers: the lane's.
    package func run(
        on lane: any Lane,
        _ buffers: inout BatchBuffers,
        sender: InstanceID
    ) -> Outcome {
        guard !self.joined.isEmpty else {
            let ran = self.execute(self.first, on: lane, sender)
            return Outcome(assembled: self.started, ran: ran, failure: nil)
        }
        do throws(BatchFailure) {
            return try self.runJoined(on: lane, &buffers, sender)
        } catch {
            let assembled = Moment(nanoseconds: Reactor.monotonicNanoseconds())
            if case .gone(let error) = error {
                self.fail(error, sender: sender)
                return Outcome(assembled: assembled, ran: assembled, failure: .gone(error))
            }
            let ran = self.runOneByOne(on: lane, sender)
            return Outcome(assembled: assembled, ran: ran, failure: error)
        }
    }

    /// Answers all with that error.
    func fail(_ error: EngineError, sender: InstanceID) {
        self.first.fail(error, sender: sender)
        for job in self.joined { job.fail(error, sender: sender) }
    }

    private func execute(_ job: Job, on lane: any Lane, _ sender: InstanceID) -> Moment {
        job.execute(on: lane, started: self.started, load: self.load, sender: sender)
    }

    private func runJoined(
        on lane: any Lane,
        _ buffers: inout BatchBuffers,
        _ sender: InstanceID
    ) throws(BatchFailure) -> Outcome {
        let jobs = [self.first] + self.joined
        guard let batch = Batch(jobs) else { throw .unequal }
        let result = try batch.run(on: lane, &buffers)
        for (index, job) in jobs.enumerated() {
            if let refusal = result.refusals[index] {
                job.refuse(refusal.row, refusal.reason, sender: sender)
                continue
            }
            job.complete(
                result.outputs[index],
                started: self.started,
                ran: result.ran,
                load: self.load,
                sender: sender
            )
        }
        return Outcome(assembled: result.assembled, ran: result.ran, failure: nil)
    }

    /// Each for itself, since together they failed: so only those fail that do so alone.
    private func runOneByOne(on lane: any Lane, _ sender: InstanceID) -> Moment {
        var ran = self.started
        for job in [self.first] + self.joined {
            if job.deadline <= Moment(nanoseconds: Reactor.monotonicNanoseconds()) {
                // The model may have seen it in the batch that failed.
                job.fail(
                    ErrorReply(.deadlineExceeded, "no time was left after its batch had failed"),
                    sender: sender
                )
            } else {
                ran = self.execute(job, on: lane, sender)
            }
        }
        return ran
    }
}

/// Why requests could not be executed together.
package enum BatchFailure: Error, Hashable {
    /// They do not fit together, or would be filled up beyond measure.
    case unequal
    /// The engine failed; perhaps because of one of them.
    case engine
    /// What runs the model is gone, and they may have been the reason: none of them is tried again
    /// here.
    case gone(EngineError)
    /// The model does not give as many rows as it is given.
    case rows
}
