internal import Glibc
package import RoostWire

extension ModelSignature {
    /// The index of the input whose name is these bytes of UTF-8, as they come off the wire.
    package func index(ofInput name: UnsafeRawBufferPointer) -> Int? {
        self.inputs.firstIndex { $0.name.isUTF8(name) }
    }

    /// The index of the output whose name is these bytes of UTF-8, as they come off the wire.
    package func index(ofOutput name: UnsafeRawBufferPointer) -> Int? {
        self.outputs.firstIndex { $0.name.isUTF8(name) }
    }
}

extension String {
    fileprivate func isUTF8(_ bytes: UnsafeRawBufferPointer) -> Bool {
        // A string made by Swift is contiguous UTF-8; were it not, it would be compared slowly.
        let same = self.utf8.withContiguousStorageIfAvailable { own in
            own.count == bytes.count
                && (own.isEmpty || memcmp(own.baseAddress!, bytes.baseAddress!, own.count) == 0)
        }
        return same ?? self.utf8.elementsEqual(bytes)
    }
}
