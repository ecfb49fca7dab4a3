/// How a client chooses among the workers that serve a model.
///
/// Whatever the policy, a worker is passed over that is draining, that has no room for another of
/// this client's requests, or whose executions hang; see ``ClientConfiguration/outlierDetection`` for
/// those that fail.
public struct BalancingPolicy: Hashable, Sendable, CustomStringConvertible {
    enum Kind: String, CaseIterable {
        case rotate
        case rotateStrict = "rotate-strict"
        case random
        case adaptive
        case affinity
    }

    let kind: Kind

    /// In turn, but of those that are free the one with the fewest of this client's requests. Equal
    /// workers get equal shares; one that is slow gets fewer when requests pile up on it.
    public static var rotate: BalancingPolicy { BalancingPolicy(kind: .rotate) }
    /// In turn, whatever they have to do. One slow worker makes every request wait that is its turn.
    public static var rotateStrict: BalancingPolicy { BalancingPolicy(kind: .rotateStrict) }
    /// By lot.
    public static var random: BalancingPolicy { BalancingPolicy(kind: .random) }
    /// The one that should answer first: the time that it took of late, times the requests that it
    /// has. Best when workers differ in speed, or slow down now and then.
    public static var adaptive: BalancingPolicy { BalancingPolicy(kind: .adaptive) }
    /// By ``InferenceOptions/affinityKey``: requests of one key go to one worker as long as it is
    /// not given more than its share, so that what it keeps for the key is used. Requests without a
    /// key rotate.
    public static var affinity: BalancingPolicy { BalancingPolicy(kind: .affinity) }

    /// All of them, in the order in which they are documented.
    public static var all: [BalancingPolicy] { Kind.allCases.map { BalancingPolicy(kind: $0) } }

    /// The policy of that name: `rotate`, `rotate-strict`, `random`, `adaptive` or `affinity`; `nil` if there is none.
    public init?(_ name: String) {
        guard let kind = Kind(rawValue: name) else { return nil }
        self.kind = kind
    }

    private init(kind: Kind) { self.kind = kind }

    /// Its name, as ``init(_:)`` takes it.
    public var description: String { self.kind.rawValue }
}
