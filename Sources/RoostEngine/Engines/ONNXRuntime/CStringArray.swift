internal import Glibc

/// C strings in an array, as C functions take lists of names. It lives as long as it is referred to.
///
/// `@unchecked Sendable`: the memory is written in `init` and only read afterwards.
final class CStringArray: @unchecked Sendable {
    let base: UnsafePointer<UnsafePointer<CChar>?>
    let count: Int

    init(_ strings: [String]) {
        let base = UnsafeMutablePointer<UnsafePointer<CChar>?>.allocate(
            capacity: max(strings.count, 1)
        )
        for (index, string) in strings.enumerated() {
            guard let copy = strdup(string) else { fatalError("no memory for a name") }
            base[index] = UnsafePointer(copy)
        }
        self.base = UnsafePointer(base)
        self.count = strings.count
    }

    deinit {
        for index in 0..<self.count { free(UnsafeMutablePointer(mutating: self.base[index])) }
        self.base.deallocate()
    }
}
