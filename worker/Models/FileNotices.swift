internal import Glibc
internal import RoostEngine

/// The system's notices of changes in a repository's directories (inotify(7)).
///
/// They say when to look, not what there is: what is lost of them is found by polling. A rename into
/// place is what they alone tell.
struct FileNotices: ~Copyable {
    let descriptor: Int32
    /// By the system's number: the model, or the model and version, whose directory it is; empty
    /// for the repository itself.
    private var watches: [Int32: String] = [:]
    private var followed: Set<String> = []

    private static let events =
        UInt32(IN_CREATE) | UInt32(IN_CLOSE_WRITE) | UInt32(IN_MOVED_TO) | UInt32(IN_MOVED_FROM)
        | UInt32(IN_DELETE)
    /// Of one read; a notice has 16 bytes and a name of at most 255.
    private static let bufferBytes = 64 << 10

    /// `nil` if the system gives none: too many are in use.
    init?() {
        self.descriptor = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
        if self.descriptor < 0 { return nil }
    }

    deinit { close(self.descriptor) }

    /// Has notices sent for the directories of a repository. A directory that has none, since there
    /// are too many, is polled like those of other machines.
    mutating func follow(_ root: String, _ view: RepositoryView) {
        var wanted: Set<String> = [""]
        for version in view.versions {
            wanted.insert(version.source.name)
            wanted.insert("\(version.source)")
        }
        for name in wanted.subtracting(self.followed) {
            let path = name.isEmpty ? root : "\(root)/\(name)"
            let watch = inotify_add_watch(self.descriptor, path, Self.events)
            if watch >= 0 { self.watches[watch] = name }
        }
        // Those of directories that have gone end by themselves.
        self.followed = wanted
    }

    /// The notices that have come: the models and versions (`NAME`, `NAME/VERSION`) that were renamed
    /// into place.
    mutating func take() -> Set<String> {
        var renamed: Set<String> = []
        var buffer = [UInt8](repeating: 0, count: Self.bufferBytes)
        while true {
            let count = read(self.descriptor, &buffer, buffer.count)
            guard count > 0 else { return renamed }
            buffer.withUnsafeBytes { bytes in
                var offset = 0
                while offset + 16 <= count {
                    let watch = bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self)
                    let mask = bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
                    let length = Int(
                        bytes.loadUnaligned(fromByteOffset: offset + 12, as: UInt32.self)
                    )
                    let name = bytes[(offset + 16)..<min(offset + 16 + length, count)]
                    offset += 16 + length
                    if mask & UInt32(IN_IGNORED) != 0 {
                        if let gone = self.watches.removeValue(forKey: watch) {
                            self.followed.remove(gone)
                        }
                        continue
                    }
                    guard mask & UInt32(IN_MOVED_TO) != 0, let parent = self.watches[watch] else {
                        continue
                    }
                    let text = String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
                    renamed.insert(parent.isEmpty ? text : "\(parent)/\(text)")
                }
            }
        }
    }
}
