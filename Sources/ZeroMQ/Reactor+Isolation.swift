extension Reactor {
    /// Runs `body` as the actor, which must live on this reactor; traps on another thread.
    ///
    /// The same as `actor.assumeIsolated`, whose check goes through the concurrency runtime and
    /// costs 500 to 800 instructions, four times in a request; this one compares thread ids.
    package func assumeIsolated<A: Actor, R>(
        _ actor: A,
        _ body: (isolated A) throws -> R
    ) rethrows -> R {
        precondition(self.isCurrent, "this must run on the reactor's thread")
        // An isolated parameter is passed as any other: the standard library does the same.
        return try withoutActuallyEscaping(body) { body in
            try unsafeBitCast(body, to: ((A) throws -> R).self)(actor)
        }
    }
}
