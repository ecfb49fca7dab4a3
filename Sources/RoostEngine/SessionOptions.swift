/// How a model is loaded.
package struct SessionOptions: Sendable, Hashable {
    /// How many threads one run may use for a single step of the model.
    ///
    /// With 1, the lane's own thread does all the work and lanes scale best: most requests per
    /// second. More threads make a single run of a large model faster and a small one slower. All
    /// lanes of a session share these threads. The product of lanes and threads should not be
    /// larger than the number of cores.
    package var intraOpThreads: Int
    /// How many lanes will run at once, which an engine may make ready for; `nil`: not known.
    package var lanes: Int?
    /// Whether the session takes part in the threads that all sessions of its engine share, if the
    /// engine was made with such; `intraOpThreads` does not count then.
    package var sharesThreads = true
    /// What executes the model where its own options do not say: `cpu`, `cuda:0`.
    package var device = "cpu"
    /// Settings of the engine's own, by name: `[engine-options]` of a model's configuration. The
    /// engine refuses those that it does not know. Several values of one setting are separated by
    /// colons.
    package var engineOptions: [String: String] = [:]

    package init(intraOpThreads: Int = 1) {
        precondition(intraOpThreads >= 1, "\(intraOpThreads) threads asked for")
        self.intraOpThreads = intraOpThreads
    }
}
