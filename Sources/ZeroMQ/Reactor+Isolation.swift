extension Reactor {
    /// Runs `body` as the actor, which must live on this reactor; traps on another thread.
    ///
    /// The same as `actor.assumeIsolated`, whose check goes through the concurrency runtime and
    /// costs 500 to 800 instructions, four times in a request; this one compares thread ids.
    ///
    /// - Parameter body: does not outlive the call. It is `@escaping`, for one that is not would be
    ///   made so for the cast, and that takes two pieces of memory from the heap.
    package func assumeIsolated<A: Actor, R>(
        _ actor: A,
        _ body: @escaping (isolated A) -> R
    ) -> R {
        self.checkIsolated()
        return unsafeBitCast(IsolatedBody(run: body), to: PlainBody<A, R>.self).run(actor)
    }
}

// An isolated parameter is passed as any other: the standard library does the same. In structs, for
// functions that are cast themselves are wrapped first, in memory of the heap.

private struct IsolatedBody<A: Actor, R> {
    let run: (isolated A) -> R
}

private struct PlainBody<A: Actor, R> {
    let run: (A) -> R
}
