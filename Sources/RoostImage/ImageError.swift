/// Why bytes did not become a picture, or pictures no tensor.
///
/// ```swift
/// do { try Picture.decode(bytes) } catch { print(error.message) }
/// // not a PNG, JPEG or WebP picture: it starts with the bytes 54 68 69 73
/// ```
package struct ImageError: Error, Hashable, Sendable {
    /// What kind of trouble it is.
    package struct Code: Hashable, Sendable {
        private enum Value: String { case notAnImage, unsupported, corrupt, tooLarge, mismatch }
        private let value: Value

        /// The bytes are neither PNG nor JPEG nor WebP.
        package static var notAnImage: Self { Self(value: .notAnImage) }
        /// A picture or a model's input of a kind that Roost does not handle.
        package static var unsupported: Self { Self(value: .unsupported) }
        /// A file that is damaged or ends too early.
        package static var corrupt: Self { Self(value: .corrupt) }
        /// More bytes, pixels or pixels in a row than the limits allow.
        package static var tooLarge: Self { Self(value: .tooLarge) }
        /// Good pictures, but not the number or the sizes that the model's input takes.
        package static var mismatch: Self { Self(value: .mismatch) }
    }

    package let code: Code
    /// One sentence for people.
    package let message: String

    package init(code: Code, message: String) {
        self.code = code
        self.message = message
    }
}

extension ImageError.Code: CustomStringConvertible {
    package var description: String { self.value.rawValue }
}

extension ImageError: CustomStringConvertible {
    package var description: String { "\(self.code): \(self.message)" }
}
