/// What the answers of one version of a model that are given again may take, and how many requests
/// may wait for an equal one's answer.
package struct CacheLimits: Hashable, Sendable {
    /// What the kept answers may hold in memory, with the inputs that they answer, in bytes. 0: none
    /// is kept.
    package var bytesMax = 0
    /// For how long an answer is given again.
    package var lifetime: Duration = .seconds(60)
    /// Requests whose inputs have more bytes are executed without looking for an equal one, and
    /// answers that have more with their inputs are not kept: both are read by the thread that serves
    /// all clients.
    package var entryMax = 1 << 20
    /// How many requests of the model may wait for an equal one's answer; further ones are executed.
    /// 0: none waits.
    package var followersMax = 1_024

    package init() {}

    package static let bytesBounds = (4 << 10)...(1 << 40)
    package static let lifetimeBounds = Duration.milliseconds(1)...Duration.seconds(86_400)
    package static let entryBounds = 1...(64 << 20)
    package static let followersBounds = 0...1_000_000
}
