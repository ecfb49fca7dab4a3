/// The keys that a model.toml may have, and what was perhaps meant by others.
enum ConfigurationKeys {
    /// By table. Tables whose keys are names of the user's are not here.
    static let byTable: [(table: String, keys: [String])] = [
        (
            "",
            [
                "batching", "cache", "classes", "cpus", "engine", "engine-options", "instances",
                "labels", "memory", "numa-node", "pinned", "post-processing", "preprocessing",
                "queue", "sequences", "state", "threads", "versions", "warm-up", "weight",
            ]
        ),
        ("batching", ["max-delay", "max-size", "padding", "preferred-sizes"]),
        ("cache", ["bytes", "entry-max", "followers", "lifetime"]),
        ("post-processing", ["index", "keep-scores", "labels", "output", "softmax", "top"]),
        (
            "preprocessing",
            [
                "colors", "crop", "decode", "deviation", "filter", "input", "layout", "max-pixels",
                "mean", "resize", "scale",
            ]
        ),
        ("queue", ["max-bytes", "max-requests", "timeout"]),
        ("sequences", ["bytes", "idle", "max"]),
        ("warm-up", ["batch-sizes", "inputs", "shapes"]),
    ]

    /// What other servers call it: Triton's config.pbtxt, TensorFlow Serving's configurations.
    private static let elsewhere = [
        "allowed_batch_sizes": "batching.preferred-sizes", "backend": "engine",
        "batch_timeout_micros": "batching.max-delay",
        "default_timeout_microseconds": "queue.timeout", "dynamic_batching": "batching",
        "instance_group": "instances", "label_filename": "classes",
        "max_batch_size": "batching.max-size", "max_enqueued_batches": "queue.max-requests",
        "max_queue_delay_microseconds": "batching.max-delay",
        "max_queue_size": "queue.max-requests", "model_version_policy": "versions",
        "model_warmup": "warm-up", "parameters": "engine-options", "platform": "engine",
        "max_sequence_idle_microseconds": "sequences.idle",
        "preferred_batch_size": "batching.preferred-sizes", "response_cache": "cache",
        "sequence_batching": "state", "version_labels": "labels", "version_policy": "versions",
    ]

    /// `; did you mean threads?`, or which keys there are.
    static func hint(for key: String, in table: String) -> String {
        let known = Self.byTable.first { $0.table == table }?.keys ?? []
        if let other = Self.elsewhere[key.lowercased()] { return "; did you mean \(other)?" }
        if let near = Self.nearest(to: key, among: known) {
            return "; did you mean \(Self.fullName(near, table))?"
        }
        // In TOML a key belongs to the last table above it.
        for (other, keys) in Self.byTable where other != table && keys.contains(key) {
            return other.isEmpty
                ? "; \(key) belongs above the first [table]"
                : "; \(key) belongs into [\(other)]"
        }
        return known.isEmpty ? "" : "; there are \(known.joined(separator: ", "))"
    }

    private static func fullName(_ key: String, _ table: String) -> String {
        table.isEmpty ? key : "\(table).\(key)"
    }

    /// The key that at most a third of the letters keep apart from this one.
    private static func nearest(to key: String, among known: [String]) -> String? {
        guard key.utf8.count <= 40 else { return nil }
        let letters = Array(key.lowercased().utf8.map { $0 == UInt8(ascii: "_") ? 0x2D : $0 })
        return
            known
            .map { (distance: Self.distance(letters, Array($0.utf8)), key: $0) }
            .filter { $0.distance <= max($0.key.utf8.count / 3, 1) }
            .min { $0.distance < $1.distance }?.key
    }

    /// How many letters have to be put in, taken out or changed (Levenshtein).
    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var row = Array(0...right.count)
        for (index, letter) in left.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for column in 0..<right.count {
                let change = diagonal + (letter == right[column] ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(change, diagonal + 1, row[column] + 1)
            }
        }
        return row[right.count]
    }
}
