internal import RoostWire
internal import ZeroMQ

/// One worker's place in the fleet: its link's state, its socket, and what is about to go out.
///
/// It belongs to the ``Fleet`` that made it. A class, so that a request that looks at a link does
/// not copy the worker's record.
final class Place {
    var link: WorkerLink
    var socket: Socket?
    /// Where the socket is connected, or was last.
    var endpoint: Endpoint?
    /// The worker's socket on this machine did not work: it is reached over TCP from now on.
    var avoidsLocal = false
    /// Calls that are encoded and go out once this turn's jobs have run.
    var outbox: [Call] = []
    /// The hash of the worker's name.
    let hash: UInt64
    /// `nil`: outliers are not looked for.
    var detector: OutlierDetector?
    /// It joined while others were there already.
    var isNewcomer: Bool
    /// It is being given less than its share.
    var slowStart: SlowStart?
    /// It refuses for load, and said until when; not asked before if others are there.
    var overloadedUntil: Moment?
    /// Whether it was one that may serve when workers were last chosen.
    var mayServe = true
    /// The client needs no link to it any more.
    var isSurplus = false
    /// How many sequences have their state there.
    var pins = 0
    /// How long its executions take, as it said when it was greeted.
    var service: Duration = .zero

    init(
        _ record: WorkerRecord,
        outliers: OutlierDetection?,
        isNewcomer: Bool,
        now: Moment
    ) {
        self.link = WorkerLink(record, now: now)
        self.hash = Rendezvous.hash(record.workerID)
        self.detector = outliers.map(OutlierDetector.init)
        self.isNewcomer = isNewcomer
    }

    var workerID: String { self.link.record.workerID }

    /// Whether nothing is lost if the link is given up.
    var isIdle: Bool { self.link.inFlight == 0 && self.pins == 0 }

    /// When something is due.
    var deadline: Moment {
        min(self.link.deadline, self.detector?.deadline ?? .never, self.overloadedUntil ?? .never)
    }

    /// Where to connect: over a socket of this machine if there is one that we may use.
    func chooseEndpoint() -> Endpoint? {
        let endpoints = self.link.record.endpoints
        let local = self.avoidsLocal ? nil : endpoints.first(where: LocalSocket.isUsable)
        self.endpoint = local ?? endpoints.first { $0.path == nil } ?? endpoints.first
        return self.endpoint
    }

    /// Puts a call into the outbox and says how many are in it.
    func append(_ call: Call) -> Int {
        func put(_ outbox: inout [Call]) -> Int {
            outbox.append(call)
            return outbox.count
        }
        return put(&self.outbox)
    }
}
