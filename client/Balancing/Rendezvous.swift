internal import RoostWire

/// Highest-random-weight hashing: who of many is responsible for a key, so that the coming or going
/// of one changes the answer for its own share of the keys only.
///
/// See D. Thaler and C. Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", IEEE/ACM
/// Transactions on Networking 6(1), 1998.
enum Rendezvous {
    /// Of a name or a key, as ``weight(_:_:)`` takes it.
    static func hash(_ text: String) -> UInt64 { FNV1a(text).value }

    /// How much a candidate has to do with a key; the highest is responsible. Both are hashes.
    static func weight(_ candidate: UInt64, _ key: UInt64) -> UInt64 {
        // The finisher of splitmix64: FNV-1a alone leaves similar names close together.
        var mixed = candidate ^ (key &* 0x9e37_79b9_7f4a_7c15)
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
