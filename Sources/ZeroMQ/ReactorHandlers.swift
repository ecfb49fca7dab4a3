/// Takes what a socket received. Called on the reactor's thread.
package protocol SocketHandler: AnyObject, Sendable {
    /// Receive until nothing is left, or until it would be unfair to others.
    ///
    /// - Parameters:
    ///   - slot: which socket.
    ///   - descriptorFired: something happened on the link; it may be its loss.
    /// - Returns: whether messages may be left; then the call comes again after the others' turn.
    func socketReady(slot: Int, descriptorFired: Bool) -> Bool
}

/// Is told that a time has come. Called on the reactor's thread.
package protocol TimerHandler: AnyObject, Sendable {
    /// The timer has fired and is off; set it again for the next time.
    func timerFired(_ id: Int, now: Int64)
}

/// Sends what it gathered while jobs ran. Called on the reactor's thread.
package protocol FlushHandler: AnyObject, Sendable {
    func flush()
}

/// Something to be done on the reactor's thread.
package protocol ReactorWork: AnyObject, Sendable {
    func perform()
}

final class ClosureWork: ReactorWork {
    private let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    func perform() { self.body() }
}
