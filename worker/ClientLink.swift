internal import RoostWire

/// A worker's side of its link to one client process.
struct ClientLink: Sendable {
    /// What a message of the client calls for.
    enum Verdict: Hashable, Sendable {
        case handle
        /// Nothing: it came before HELLO, or from a peer that is not listened to any more.
        case ignore
        /// The peer broke the protocol: say so once, then ignore it.
        case refuse
    }

    private enum State: Hashable, Sendable {
        case fresh
        case greeted
        case refused
    }

    private var state = State.fresh
    private var sequence = LinkSequence()
    /// How many requests the client may have in flight, and has.
    private(set) var credit = 0
    private(set) var inFlight = 0
    /// How many of those are streams.
    private(set) var streams = 0
    private(set) var heard: Moment
    /// The client's process, and where its answers are kept; `nil` before HELLO.
    private(set) var client: InstanceID?
    private(set) var replies: RecentReplies<Job>.Client?
    /// It was told that we are leaving, and has not said yet that nothing more comes from it.
    private(set) var owesGoAway = false

    init(now: Moment) { self.heard = now }

    var isGreeted: Bool { self.state == .greeted }
    var isRefused: Bool { self.state == .refused }

    /// A message has come.
    mutating func received(_ header: FrameHeader, now: Moment) -> Verdict {
        guard self.state != .refused else { return .ignore }
        self.heard = now
        guard self.sequence.accept(header.linkSequence) else {
            // The first message of a peer that meant another process is dropped without answer:
            // on reused ports well-behaved peers talk to the wrong process.
            return self.state == .fresh ? .ignore : .refuse
        }
        if self.state == .fresh { return header.type == .hello ? .handle : .ignore }
        return header.type == .hello ? .refuse : .handle
    }

    /// HELLO named this process: requests may come.
    mutating func greet(
        _ client: InstanceID,
        credit: Int,
        replies: RecentReplies<Job>.Client?
    ) {
        self.state = .greeted
        self.client = client
        self.replies = replies
        self.credit = credit
    }

    /// It is told that we are leaving.
    mutating func takeLeave() { self.owesGoAway = true }

    /// It has answered that: what it sent before has been received, and nothing more comes.
    mutating func goAway() { self.owesGoAway = false }

    /// Nothing more of this peer is read.
    mutating func refuse() {
        self.state = .refused
        self.owesGoAway = false
    }

    /// A request takes one credit.
    ///
    /// - Returns: whose request it is; `nil` if the client had none left.
    mutating func takeCredit() -> InstanceID? {
        guard self.inFlight < self.credit, let client else { return nil }
        self.inFlight += 1
        return client
    }

    /// Its answer gives it back.
    mutating func giveBackCredit() { self.inFlight = max(self.inFlight - 1, 0) }

    /// A stream has begun, or ended.
    mutating func openStream() { self.streams += 1 }
    mutating func closeStream() { self.streams = max(self.streams - 1, 0) }

    /// The number of the next message to the client.
    mutating func nextSequence() -> UInt64 { self.sequence.next() }
}
