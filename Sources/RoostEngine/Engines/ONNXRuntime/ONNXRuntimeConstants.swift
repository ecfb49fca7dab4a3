// The numbers of onnxruntime_c_api.h that Roost uses.

/// `OrtErrorCode`.
enum ORTErrorCode {
    /// `ORT_NO_SUCHFILE`.
    static let noSuchFile: Int32 = 3
}

/// `OrtLoggingLevel`.
enum ORTLogLevel {
    /// `ORT_LOGGING_LEVEL_FATAL`.
    static let fatal: Int32 = 4
}

/// `OrtAllocatorType`.
enum ORTAllocatorType {
    /// `OrtDeviceAllocator`.
    static let device: Int32 = 0
}

/// `OrtMemType`.
enum ORTMemoryType {
    /// `OrtMemTypeDefault`.
    static let `default`: Int32 = 0
}

/// `ExecutionMode`.
enum ORTExecutionMode {
    /// `ORT_SEQUENTIAL`.
    static let sequential: Int32 = 0
}

/// `ONNXType`: what a model's input or output can be.
enum ORTKind {
    /// `ONNX_TYPE_TENSOR`.
    static let tensor: Int32 = 1

    /// The kind in words.
    static func name(_ kind: Int32) -> String {
        switch kind {
        case 1: "a tensor"
        case 2: "a sequence"
        case 3: "a map"
        case 4: "an opaque value"
        case 5: "a sparse tensor"
        case 6: "an optional value"
        default: "a value of kind \(kind)"
        }
    }
}
