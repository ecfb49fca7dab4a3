/// Takes what a socket received. Called on the reactor's thread.
package protocol SocketHandler: AnyObject, Sendable {
    /// Receive what is there, or as much of it as is fair to others.
    ///
    /// - Returns: whether more may be there; then the call comes again after the others' turn.
    ///   False only once libzmq has said that nothing is left: it will not say so again by itself.
    func socketReady(slot: Int) -> Bool
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
