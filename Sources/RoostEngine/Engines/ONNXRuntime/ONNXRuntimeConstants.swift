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

/// `GraphOptimizationLevel`.
enum ORTOptimization {
    /// `ORT_DISABLE_ALL`.
    static let none: Int32 = 0
    /// `ORT_ENABLE_BASIC`.
    static let basic: Int32 = 1
    /// `ORT_ENABLE_EXTENDED`.
    static let extended: Int32 = 2
    /// `ORT_ENABLE_ALL`.
    static let all: Int32 = 99
}

/// `ExecutionMode`.
enum ORTExecutionMode {
    /// `ORT_PARALLEL`.
    static let parallel: Int32 = 1
    /// `ORT_SEQUENTIAL`.
    static let sequential: Int32 = 0
}

/// `ONNXType`: what a model's input or output can be.
enum ORTKind {
    /// `ONNX_TYPE_TENSOR`.
    static let tensor: Int32 = 1
    /// `ONNX_TYPE_SEQUENCE`.
    static let sequence: Int32 = 2
    /// `ONNX_TYPE_MAP`.
    static let map: Int32 = 3

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
