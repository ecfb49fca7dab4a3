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

    /// Every problem with them, in words; empty if there is none.
    func problems() -> [String] {
        var problems: [String] = []
        if self.bytesMax != 0, !Self.bytesBounds.contains(self.bytesMax) {
            problems.append("its cache must have 0 bytes, or 4 KiB to 1 TiB")
        }
        if !Self.lifetimeBounds.contains(self.lifetime) {
            problems.append("answers can be given again for 1 ms to a day")
        }
        if !Self.entryBounds.contains(self.entryMax) {
            problems.append("the largest entry of its cache must have 1 byte to 64 MiB")
        }
        if !Self.followersBounds.contains(self.followersMax) {
            problems.append("0 to 1000000 requests may wait for an equal one")
        }
        if self.bytesMax == 0, self.followersMax == 0 {
            problems.append(
                "its cache does nothing: no answer is kept, and no request waits for an equal one"
            )
        }
        return problems
    }
}
