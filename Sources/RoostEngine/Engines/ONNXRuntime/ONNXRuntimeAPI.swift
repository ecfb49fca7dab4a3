/// The entries of `OrtApi` that Roost calls, bound once and typed.
///
/// The table only ever grows, so an index is good for ever. Every function that returns an
/// optional pointer returns an `OrtStatus`: `nil` is success, anything else goes to ``check``.
/// The C name of an entry is in the comment beside it.
struct ONNXRuntimeAPI: Sendable {
    typealias Handle = OpaquePointer
    typealias Status = OpaquePointer?
    typealias Out = UnsafeMutablePointer<OpaquePointer?>
    typealias CString = UnsafePointer<CChar>
    typealias CStringOut = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    typealias Values = UnsafePointer<OpaquePointer?>
    typealias Names = UnsafePointer<UnsafePointer<CChar>?>
    typealias Logger =
        @convention(c) (
            UnsafeMutableRawPointer?, Int32, CString?, CString?, CString?, CString?
        ) -> Void

    typealias Release = @convention(c) @Sendable (Handle?) -> Void
    typealias Create = @convention(c) @Sendable (Out) -> Status
    typealias Query = @convention(c) @Sendable (Handle, Out) -> Status
    typealias Modify = @convention(c) @Sendable (Handle) -> Status
    typealias SetNumber = @convention(c) @Sendable (Handle, Int32) -> Status
    typealias GetCount = @convention(c) @Sendable (Handle, UnsafeMutablePointer<Int>) -> Status
    typealias GetCode = @convention(c) @Sendable (Handle, UnsafeMutablePointer<Int32>) -> Status
    typealias QueryAt = @convention(c) @Sendable (Handle, Int, Out) -> Status
    typealias GetText = @convention(c) @Sendable (Handle, Handle, CStringOut) -> Status
    typealias GetTextAt = @convention(c) @Sendable (Handle, Int, Handle, CStringOut) -> Status
    typealias SetText = @convention(c) @Sendable (Handle, CString) -> Status
    typealias SetEntry = @convention(c) @Sendable (Handle, CString, CString) -> Status

    /// The options of an execution provider and how they are handed over.
    struct Provider: Sendable {
        let createOptions: Create
        let updateOptions: @convention(c) @Sendable (Handle, Names, Names, Int) -> Status
        let append: @convention(c) @Sendable (Handle, Handle) -> Status
        let releaseOptions: Release
    }

    // Status.
    let getErrorCode: @convention(c) @Sendable (Handle) -> Int32  // GetErrorCode
    let getErrorMessage: @convention(c) @Sendable (Handle) -> CString?  // GetErrorMessage
    let releaseStatus: Release  // ReleaseStatus

    // What a process has one of.
    let createEnv:  // CreateEnvWithCustomLogger
        @convention(c) @Sendable (Logger, UnsafeMutableRawPointer?, Int32, CString, Out) -> Status
    let createEnvWithThreads:  // CreateEnvWithCustomLoggerAndGlobalThreadPools
        @convention(c) @Sendable (
            Logger, UnsafeMutableRawPointer?, Int32, CString, Handle, Out
        ) -> Status
    let createThreadingOptions: Create  // CreateThreadingOptions
    let setSharedIntraOpThreads: SetNumber  // SetGlobalIntraOpNumThreads
    let setSharedInterOpThreads: SetNumber  // SetGlobalInterOpNumThreads
    let setSharedSpinning: SetNumber  // SetGlobalSpinControl
    let releaseThreadingOptions: Release  // ReleaseThreadingOptions
    let createCPUMemoryInfo:  // CreateCpuMemoryInfo
        @convention(c) @Sendable (Int32, Int32, Out) -> Status
    let getDefaultAllocator: Create  // GetAllocatorWithDefaultOptions
    let free:  // AllocatorFree
        @convention(c) @Sendable (Handle, UnsafeMutableRawPointer?) -> Status

    // Session options.
    let createSessionOptions: Create  // CreateSessionOptions
    let setExecutionMode: SetNumber  // SetSessionExecutionMode
    let setIntraOpThreads: SetNumber  // SetIntraOpNumThreads
    let setInterOpThreads: SetNumber  // SetInterOpNumThreads
    let setLogLevel: SetNumber  // SetSessionLogSeverityLevel
    let addConfigEntry: SetEntry  // AddSessionConfigEntry
    let setOptimization: SetNumber  // SetSessionGraphOptimizationLevel
    let setOptimizedModelPath: SetText  // SetOptimizedModelFilePath
    let enableProfiling: SetText  // EnableProfiling
    let disableArena: Modify  // DisableCpuMemArena
    let disableMemoryPattern: Modify  // DisableMemPattern
    let shareThreads: Modify  // DisablePerSessionThreads
    let registerOperators: SetText  // RegisterCustomOpsLibrary_V2
    /// Asked for since 1.24, with the other entries that older libraries lack.
    let setDeterministic:  // SetDeterministicCompute
        (@convention(c) @Sendable (Handle, Bool) -> Status)?
    let cuda: Provider  // ...CUDAProviderOptions, SessionOptionsAppendExecutionProvider_CUDA_V2
    let tensorRT: Provider  // the same of TensorRT
    let releaseSessionOptions: Release  // ReleaseSessionOptions

    // Session.
    let createSession:  // CreateSession
        @convention(c) @Sendable (Handle, CString, Handle, Out) -> Status
    let getInputCount: GetCount  // SessionGetInputCount
    let getOutputCount: GetCount  // SessionGetOutputCount
    let getInputType: QueryAt  // SessionGetInputTypeInfo
    let getOutputType: QueryAt  // SessionGetOutputTypeInfo
    let getInputName: GetTextAt  // SessionGetInputName
    let getOutputName: GetTextAt  // SessionGetOutputName
    let getInitializerCount: GetCount  // SessionGetOverridableInitializerCount
    let getInitializerType: QueryAt  // SessionGetOverridableInitializerTypeInfo
    let getInitializerName: GetTextAt  // SessionGetOverridableInitializerName
    let releaseSession: Release  // ReleaseSession

    // Types and shapes.
    let getKind: GetCode  // GetOnnxTypeFromTypeInfo
    let castToTensorInfo: Query  // CastTypeInfoToTensorInfo
    let getElementType: GetCode  // GetTensorElementType
    let getDimensionCount: GetCount  // GetDimensionsCount
    let getDimensions:  // GetDimensions
        @convention(c) @Sendable (Handle, UnsafeMutablePointer<Int64>?, Int) -> Status
    let getDimensionNames:  // GetSymbolicDimensions
        @convention(c) @Sendable (Handle, UnsafeMutablePointer<CString?>?, Int) -> Status
    /// Since 1.24; without it an unknown rank looks like a scalar.
    let hasShape: (@convention(c) @Sendable (Handle) -> Bool)?  // TensorTypeAndShape_HasShape
    let castToSequenceInfo: Query  // CastTypeInfoToSequenceTypeInfo
    let getSequenceElement: Query  // GetSequenceElementType
    let castToMapInfo: Query  // CastTypeInfoToMapTypeInfo
    let getMapValue: Query  // GetMapValueType
    let releaseType: Release  // ReleaseTypeInfo
    let releaseTensorInfo: Release  // ReleaseTensorTypeAndShapeInfo

    // Metadata.
    let getMetadata: Query  // SessionGetModelMetadata
    let getProducerName: GetText  // ModelMetadataGetProducerName
    let getGraphName: GetText  // ModelMetadataGetGraphName
    let getDomain: GetText  // ModelMetadataGetDomain
    let getDescription: GetText  // ModelMetadataGetDescription
    let getModelVersion:  // ModelMetadataGetVersion
        @convention(c) @Sendable (Handle, UnsafeMutablePointer<Int64>) -> Status
    let getMetadataKeys:  // ModelMetadataGetCustomMetadataMapKeys
        @convention(c) @Sendable (
            Handle, Handle,
            UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
            UnsafeMutablePointer<Int64>
        ) -> Status
    let lookUpMetadata:  // ModelMetadataLookupCustomMetadataMap
        @convention(c) @Sendable (Handle, Handle, CString, CStringOut) -> Status
    let releaseMetadata: Release  // ReleaseModelMetadata

    // Values.
    let createTensorOverMemory:  // CreateTensorWithDataAsOrtValue
        @convention(c) @Sendable (
            Handle, UnsafeMutableRawPointer, Int, UnsafePointer<Int64>, Int, Int32, Out
        ) -> Status
    let createTensor:  // CreateTensorAsOrtValue
        @convention(c) @Sendable (Handle, UnsafePointer<Int64>, Int, Int32, Out) -> Status
    let getData:  // GetTensorMutableData
        @convention(c) @Sendable (Handle, UnsafeMutablePointer<UnsafeMutableRawPointer?>) -> Status
    let getTensorInfo: Query  // GetTensorTypeAndShape
    /// Since 1.24: what `getTensorInfo` tells, without allocating.
    let getShapeReference:  // GetTensorElementTypeAndShapeDataReference
        (
            @convention(c) @Sendable (
                Handle, UnsafeMutablePointer<Int32>, UnsafeMutablePointer<UnsafePointer<Int64>?>,
                UnsafeMutablePointer<Int>
            ) -> Status
        )?
    let getStringBuffer:  // GetResizedStringTensorElementBuffer
        @convention(c) @Sendable (Handle, Int, Int, CStringOut) -> Status
    let getStringsByteCount: GetCount  // GetStringTensorDataLength
    let getStrings:  // GetStringTensorContent
        @convention(c) @Sendable (
            Handle, UnsafeMutableRawPointer, Int, UnsafeMutablePointer<Int>, Int
        ) -> Status
    let getValue:  // GetValue
        @convention(c) @Sendable (Handle, Int32, Handle, Out) -> Status
    let getValueCount: GetCount  // GetValueCount
    let releaseValue: Release  // ReleaseValue

    // Running.
    let createRunOptions: Create  // CreateRunOptions
    let addRunEntry: SetEntry  // AddRunConfigEntry
    let setTerminate: Modify  // RunOptionsSetTerminate
    let unsetTerminate: Modify  // RunOptionsUnsetTerminate
    let releaseRunOptions: Release  // ReleaseRunOptions
    let run:  // Run
        @convention(c) @Sendable (
            Handle, Handle, Names, Values, Int, Names, Int, UnsafeMutablePointer<OpaquePointer?>
        ) -> Status
}
