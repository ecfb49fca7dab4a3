/// How the requests for a model that name neither version nor label are divided among its labels:
/// for comparing two versions, for trying a new one on a small part of the traffic, or on a copy of
/// it.
///
/// ```swift
/// configuration.splits["digits"] = TrafficSplit(["stable": 95, "canary": 5])
/// configuration.splits["digits"] = TrafficSplit(["stable": 1], shadows: ["candidate": 0.1])
/// ```
///
/// A request with an ``InferenceOptions/affinityKey`` goes to the label that its key belongs to, as
/// long as the shares stay as they are; others are divided at random. A label that no worker has at
/// the moment gets nothing, and the others its share.
public struct TrafficSplit: Sendable, Hashable {
    /// By label, its share of the requests: any numbers, of which only the ratios count.
    public var shares: [String: Double]
    /// By label, the part of the requests, 0 to 1, of which it is sent a copy besides. The copies'
    /// answers and errors are dropped, and nobody waits for them. At most
    /// ``ClientConfiguration/shadowsMax`` are under way at once; what is more is not copied.
    public var shadows: [String: Double]

    public init(_ shares: [String: Double], shadows: [String: Double] = [:]) {
        self.shares = shares
        self.shadows = shadows
    }

    /// Every problem of the split, in words; empty if there is none.
    func problems(model: String) -> [String] {
        var problems: [String] = []
        if self.shares.isEmpty
            || self.shares.values.contains(where: { !($0 >= 0 && $0 < .infinity) })
            || self.shares.values.reduce(0, +) <= 0
        {
            problems.append("the shares of '\(model)' must not be negative, nor all be 0")
        }
        if self.shadows.values.contains(where: { !(0...1).contains($0) }) {
            problems.append("the shadows of '\(model)' must be 0 to 1")
        }
        return problems
    }

    /// The label for one request.
    ///
    /// - Parameters:
    ///   - draw: 0 to 1, without 1: by chance, or from the request's key.
    ///   - isServed: whether any worker has that label now.
    /// - Returns: `nil` if none of the labels is served.
    func label(_ draw: Double, isServed: (String) -> Bool) -> String? {
        // In the order of their names: keys keep their labels in every process.
        let labels = self.shares.keys.sorted()
        guard let (label, rest) = Self.label(draw, of: labels, self.shares) else { return nil }
        if isServed(label) { return label }
        return Self.label(rest, of: labels.filter(isServed), self.shares)?.label
    }

    /// The label in whose share a number of 0 to 1 falls, and where in it that is, from 0 to 1: a
    /// number to draw with once more.
    private static func label(
        _ draw: Double,
        of labels: [String],
        _ shares: [String: Double]
    ) -> (label: String, rest: Double)? {
        var left = draw * labels.reduce(0) { $0 + (shares[$1] ?? 0) }
        var last: String?
        for label in labels {
            guard let share = shares[label], share > 0 else { continue }
            if left < share { return (label, left / share) }
            left -= share
            last = label
        }
        // What rounding has left over.
        return last.map { ($0, 0) }
    }

    /// The labels that are sent a copy of one request, by name.
    ///
    /// - Parameter draw: a number of 0 to 1, without 1, for each of them.
    func shadowLabels(_ draw: () -> Double) -> [String] {
        self.shadows.sorted { $0.key < $1.key }.filter { draw() < $0.value }.map(\.key)
    }
}
