/// A tensor's bytes: memory of our own, aligned for vector instructions, or memory that another
/// object owns (a received frame, an engine's value), which is kept alive as long as this is.
///
/// Bytes are written once, before the storage is shared, and only read afterwards; that rule is
/// what makes it `Sendable`.
public final class TensorStorage: @unchecked Sendable {
    /// Where our own memory starts: a multiple of this, a cache line and an AVX-512 register.
    public static let alignment = 64

    package let base: UnsafeMutableRawPointer
    /// The number of bytes.
    public let byteCount: Int
    /// Keeps the memory alive; `nil` if the memory is ours to free.
    private let owner: AnyObject?
    /// What the memory is part of, in another language's hands, and how that is given back.
    private let handle: OpaquePointer?
    private let release: (@convention(c) (OpaquePointer?) -> Void)?

    /// Uninitialised memory of our own, 64-byte aligned.
    package init(byteCount: Int) {
        precondition(byteCount >= 0, "\(byteCount) bytes asked for")
        self.base = .allocate(byteCount: Swift.max(byteCount, 1), alignment: Self.alignment)
        self.byteCount = byteCount
        self.owner = nil
        self.handle = nil
        self.release = nil
    }

    /// Memory that `owner` keeps valid and unchanged for as long as it lives.
    package init(base: UnsafeMutableRawPointer, byteCount: Int, owner: AnyObject) {
        self.base = base
        self.byteCount = byteCount
        self.owner = owner
        self.handle = nil
        self.release = nil
    }

    /// Memory of something that is given back by a C function when this goes; `owner` lives until
    /// then. It costs no object besides this one.
    package init(
        base: UnsafeMutableRawPointer,
        byteCount: Int,
        of handle: OpaquePointer,
        owner: AnyObject,
        release: @escaping @convention(c) (OpaquePointer?) -> Void
    ) {
        self.base = base
        self.byteCount = byteCount
        self.owner = owner
        self.handle = handle
        self.release = release
    }

    /// Bytes that `owner` keeps valid and unchanged for as long as it lives.
    package convenience init(_ bytes: UnsafeMutableRawBufferPointer, owner: AnyObject) {
        guard let base = bytes.baseAddress else {
            self.init(byteCount: 0)
            return
        }
        self.init(base: base, byteCount: bytes.count, owner: owner)
    }

    /// Our own memory, filled by `initialize`, which must write every byte.
    package convenience init<E: Error>(
        byteCount: Int,
        initializingWith initialize: (UnsafeMutableRawBufferPointer) throws(E) -> Void
    ) throws(E) {
        self.init(byteCount: byteCount)
        try initialize(UnsafeMutableRawBufferPointer(start: self.base, count: byteCount))
    }

    /// Whether the memory is not our own.
    package var isForeign: Bool { self.owner != nil }

    deinit {
        if let release { release(self.handle) }
        if self.owner == nil { self.base.deallocate() }
    }

    /// The bytes, valid inside `body` only.
    public func withUnsafeBytes<R, E: Error>(
        _ body: (UnsafeRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        try body(UnsafeRawBufferPointer(start: self.base, count: self.byteCount))
    }
}
