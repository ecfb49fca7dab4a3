internal import RoostClient
internal import RoostWire
internal import ZeroMQ

/// Reads the network's traffic and checks what can be seen of the promises there.
final class TrafficWatch: NetworkTap {
    private struct Link {
        var hello: (workerID: String, incarnation: UInt64)?
        var wasGreeted = false
        var isGreeted = false
    }

    /// What one client's process has sent, for its budget.
    private struct Sent {
        let client: SimulatedClient
        var requests = 0
        var inferences = 0
        /// Answers by which a worker that leaves refuses; those are repeated without a budget.
        var leaving = 0
    }

    private let history: History
    private var sent: [Int: Sent] = [:]
    private var links: [UInt32: Link] = [:]
    /// Which workers' lives a process has registered as.
    private var lives: [Int: (workerID: String, incarnations: Set<UInt64>)] = [:]
    /// The record that a process registered last.
    private(set) var records: [Int: WorkerRecord] = [:]
    private var attempts: [[UInt64]: Int] = [:]
    private(set) var inferences = 0
    private(set) var messages = 0

    /// A request is sent no more often than that (RetryPolicy.refusalsMax).
    static let attemptsMax = 8

    init(_ history: History) { self.history = history }

    /// A program calls.
    func called(_ client: SimulatedClient) {
        self.sent[client.node.index, default: Sent(client: client)].requests += 1
    }

    /// I5: requests are repeated within the budget (RetryBudget: over any span of `t` seconds a
    /// share of the requests and `perSecond` x (`t` + 10)).
    func checkBudgets(now: Int64) {
        for (_, sent) in self.sent.sorted(by: { $0.key < $1.key }) {
            let configuration = sent.client.configuration
            let seconds = Double(now - sent.client.started) / 1e9 + 10
            let share = configuration.retryShare + (configuration.hedging?.share ?? 0)
            let limit =
                Double(sent.requests) * (1 + share) + configuration.retriesPerSecond * seconds
                + Double(sent.leaving) + 1
            guard Double(sent.inferences) > limit else { continue }
            self.history.violated(
                "I5",
                "\(sent.client.node.name) sends \(sent.inferences) INFERs for \(sent.requests) "
                    + "requests; its budget allows \(Int(limit))"
            )
        }
    }

    func seen(_ traffic: Traffic) {
        var index = 0
        while index < traffic.frames.count {
            let frame = traffic.frames[index]
            let payload = FrameHeader.payloadFrames(of: frame) ?? 0
            if let view = try? FrameView(frame) { self.seen(view, traffic) }
            index += 1 + payload
        }
    }

    private func seen(_ frame: FrameView, _ traffic: Traffic) {
        let header = frame.header
        self.messages += 1
        self.history.note(
            2,
            UInt64(traffic.connection) << 32 | UInt64(header.type.rawValue) << 8
                | (traffic.hasArrived ? 1 : 0) | (traffic.isFromDealer ? 2 : 0),
            header.linkSequence ^ header.requestID << 20,
            Self.line(frame, traffic)
        )
        switch (header.type, traffic.hasArrived) {
        case (.hello, false):
            guard let hello = try? Hello(frame) else { return }
            self.links[traffic.connection, default: Link()].hello =
                (hello.workerID, hello.incarnation)
        case (.helloOK, false): self.greeted(traffic)
        case (.helloOK, true): self.links[traffic.connection]?.isGreeted = true
        case (.register, false):
            guard let record = try? Register(frame).record else { return }
            self.records[traffic.from.index] = record
            self.lives[traffic.from.index, default: (record.workerID, [])].incarnations
                .insert(record.incarnation)
        case (.infer, false): self.inferred(header, traffic)
        case (.infer, true): self.inferArrived(traffic)
        case (.error, true):
            guard let to = traffic.to, let error = try? ErrorReply(frame), error.code == .draining
            else { return }
            self.sent[to.index]?.leaving += 1
        default: break
        }
    }

    private func greeted(_ traffic: Traffic) {
        guard let hello = self.links[traffic.connection]?.hello else {
            self.history.violated("I4", "\(traffic.from.name) says HELLO_OK without a HELLO")
            return
        }
        self.links[traffic.connection]?.wasGreeted = true
        guard let life = self.lives[traffic.from.index], life.workerID == hello.workerID,
            life.incarnations.contains(hello.incarnation)
        else {
            self.history.violated(
                "I4",
                "\(traffic.from.name) greets a client that means \(hello.workerID), incarnation "
                    + "\(hello.incarnation)"
            )
            return
        }
    }

    private func inferred(_ header: FrameHeader, _ traffic: Traffic) {
        self.inferences += 1
        if self.links[traffic.connection]?.isGreeted != true {
            self.history.violated("I4", "\(traffic.from.name) sends INFER before it has HELLO_OK")
        }
        self.sent[traffic.from.index]?.inferences += 1
        let key = [UInt64(traffic.from.index), header.requestID]
        self.attempts[key, default: 0] += 1
        if self.attempts[key] == Self.attemptsMax + 1 {
            self.history.violated(
                "I5",
                "\(traffic.from.name) sends request \(header.requestID) more than "
                    + "\(Self.attemptsMax) times"
            )
        }
    }

    private func inferArrived(_ traffic: Traffic) {
        guard let to = traffic.to, let hello = self.links[traffic.connection]?.hello else { return }
        guard self.links[traffic.connection]?.wasGreeted == true else { return }
        guard let life = self.lives[to.index], life.workerID == hello.workerID,
            life.incarnations.contains(hello.incarnation)
        else {
            self.history.violated(
                "I4",
                "an INFER for \(hello.workerID), incarnation \(hello.incarnation), is taken by "
                    + "\(to.name)"
            )
            return
        }
    }

    private static func line(_ frame: FrameView, _ traffic: Traffic) -> String {
        let header = frame.header
        let arrow = traffic.hasArrived ? "->>" : "-->"
        let request = header.requestID == 0 ? "" : " request \(header.requestID)"
        return "\(traffic.from.name) \(arrow) \(traffic.to?.name ?? "?")  \(header.type) "
            + "#\(header.linkSequence)\(request) on \(traffic.connection)\(Self.content(frame))"
    }

    /// What a message says, of those whose content matters for the list.
    private static func content(_ frame: FrameView) -> String {
        func list(_ records: [WorkerRecord]) -> String {
            records.map { "\($0.workerID)/\($0.incarnation) \($0.state)" }.joined(separator: ", ")
        }
        switch frame.header.type {
        case .snapshot:
            guard let snapshot = try? Snapshot(frame) else { return "" }
            return
                ": \(snapshot.sequence), complete \(snapshot.complete): \(list(snapshot.records))"
        case .delta:
            guard let delta = try? Delta(frame) else { return "" }
            let removed = delta.removals.map { "\($0.workerID)/\($0.incarnation) \($0.why)" }
            return ": \(delta.previous) to \(delta.sequence): \(list(delta.upserts)); without "
                + "\(removed)"
        case .error:
            guard let error = try? ErrorReply(frame) else { return "" }
            return ": \(error.code): \(error.detail)"
        case .watch:
            guard let watch = try? Watch(frame) else { return "" }
            return ": from \(watch.sequence), credit \(watch.credit)"
        default: return ""
        }
    }
}
