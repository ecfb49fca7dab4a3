internal import CTensorFlow
internal import Glibc

/// The functions of TensorFlow's C interface that Roost calls, looked up by name and typed.
///
/// Those that can fail are told so by a `TF_Status`, which is their last argument: ``TensorFlowStatus``.
struct TensorFlowAPI: Sendable {
    typealias Handle = OpaquePointer
    typealias CString = UnsafePointer<CChar>

    typealias Release = @convention(c) @Sendable (Handle?) -> Void
    typealias Create = @convention(c) @Sendable () -> Handle?
    /// Told the memory, its size and what was given for it.
    typealias Deallocate =
        @convention(c) (UnsafeMutableRawPointer?, Int, UnsafeMutableRawPointer?) -> Void

    let getVersion: @convention(c) @Sendable () -> CString?

    // How a call went.
    let createStatus: Create
    let releaseStatus: Release
    let getCode: @convention(c) @Sendable (Handle) -> Int32
    let getMessage: @convention(c) @Sendable (Handle) -> CString?

    // Sessions.
    let createOptions: Create
    let releaseOptions: Release
    let setConfig: @convention(c) @Sendable (Handle, UnsafeRawPointer?, Int, Handle) -> Void
    let loadSavedModel:
        @convention(c) @Sendable (
            Handle, UnsafePointer<TF_Buffer>?, CString, UnsafePointer<CString?>, Int32, Handle,
            UnsafeMutablePointer<TF_Buffer>?, Handle
        ) -> Handle?
    let createSession: @convention(c) @Sendable (Handle, Handle, Handle) -> Handle?
    let closeSession: @convention(c) @Sendable (Handle, Handle) -> Void
    let releaseSession: @convention(c) @Sendable (Handle, Handle) -> Void
    let run:
        @convention(c) @Sendable (
            Handle, UnsafePointer<TF_Buffer>?, UnsafePointer<TF_Output>?,
            UnsafePointer<Handle?>?, Int32, UnsafePointer<TF_Output>?,
            UnsafeMutablePointer<Handle?>?, Int32, UnsafePointer<Handle?>?, Int32,
            UnsafeMutablePointer<TF_Buffer>?, Handle
        ) -> Void

    // Graphs.
    let createGraph: Create
    let releaseGraph: Release
    let createImportOptions: Create
    let releaseImportOptions: Release
    let importGraph:
        @convention(c) @Sendable (Handle, UnsafePointer<TF_Buffer>, Handle, Handle) -> Void
    let getOperation: @convention(c) @Sendable (Handle, CString) -> UnsafeMutableRawPointer?
    let getNextOperation:
        @convention(c) @Sendable (Handle, UnsafeMutablePointer<Int>) -> UnsafeMutableRawPointer?
    let getOperationName: @convention(c) @Sendable (UnsafeMutableRawPointer) -> CString?
    let getOperationType: @convention(c) @Sendable (UnsafeMutableRawPointer) -> CString?
    let getOutputCount: @convention(c) @Sendable (UnsafeMutableRawPointer) -> Int32
    let getConsumerCount: @convention(c) @Sendable (TF_Output) -> Int32
    let getOutputType: @convention(c) @Sendable (TF_Output) -> Int32
    let getOutputRank: @convention(c) @Sendable (Handle, TF_Output, Handle) -> Int32
    let getOutputShape:
        @convention(c) @Sendable (Handle, TF_Output, UnsafeMutablePointer<Int64>, Int32, Handle)
            -> Void

    // Tensors.
    let createTensor:
        @convention(c) @Sendable (
            Int32, UnsafePointer<Int64>?, Int32, UnsafeMutableRawPointer, Int, Deallocate,
            UnsafeMutableRawPointer?
        ) -> Handle?
    let releaseTensor: Release
    let getTensorType: @convention(c) @Sendable (Handle) -> Int32
    let getTensorRank: @convention(c) @Sendable (Handle) -> Int32
    let getTensorSize: @convention(c) @Sendable (Handle, Int32) -> Int64
    let getTensorByteCount: @convention(c) @Sendable (Handle) -> Int
    let getTensorData: @convention(c) @Sendable (Handle) -> UnsafeMutableRawPointer?

    // Elements of string tensors.
    let createString: @convention(c) @Sendable (UnsafeMutableRawPointer) -> Void
    let setString:
        @convention(c) @Sendable (UnsafeMutableRawPointer, UnsafeRawPointer?, Int) -> Void
    let getStringData: @convention(c) @Sendable (UnsafeRawPointer) -> UnsafeRawPointer?
    let getStringByteCount: @convention(c) @Sendable (UnsafeRawPointer) -> Int
    let releaseString: @convention(c) @Sendable (UnsafeMutableRawPointer) -> Void

    /// The size of a `TF_TString`, an element of a string tensor.
    static let stringWidth = 24

    /// Looks all of them up. Throws the name of the first that is not there.
    init(library: UnsafeMutableRawPointer) throws(MissingFunction) {
        func function<Function>(_ name: String) throws(MissingFunction) -> Function {
            guard let symbol = dlsym(library, name) else { throw MissingFunction(name: name) }
            return unsafeBitCast(symbol, to: Function.self)
        }
        self.getVersion = try function("TF_Version")

        self.createStatus = try function("TF_NewStatus")
        self.releaseStatus = try function("TF_DeleteStatus")
        self.getCode = try function("TF_GetCode")
        self.getMessage = try function("TF_Message")

        self.createOptions = try function("TF_NewSessionOptions")
        self.releaseOptions = try function("TF_DeleteSessionOptions")
        self.setConfig = try function("TF_SetConfig")
        self.loadSavedModel = try function("TF_LoadSessionFromSavedModel")
        self.createSession = try function("TF_NewSession")
        self.closeSession = try function("TF_CloseSession")
        self.releaseSession = try function("TF_DeleteSession")
        self.run = try function("TF_SessionRun")

        self.createGraph = try function("TF_NewGraph")
        self.releaseGraph = try function("TF_DeleteGraph")
        self.createImportOptions = try function("TF_NewImportGraphDefOptions")
        self.releaseImportOptions = try function("TF_DeleteImportGraphDefOptions")
        self.importGraph = try function("TF_GraphImportGraphDef")
        self.getOperation = try function("TF_GraphOperationByName")
        self.getNextOperation = try function("TF_GraphNextOperation")
        self.getOperationName = try function("TF_OperationName")
        self.getOperationType = try function("TF_OperationOpType")
        self.getOutputCount = try function("TF_OperationNumOutputs")
        self.getConsumerCount = try function("TF_OperationOutputNumConsumers")
        self.getOutputType = try function("TF_OperationOutputType")
        self.getOutputRank = try function("TF_GraphGetTensorNumDims")
        self.getOutputShape = try function("TF_GraphGetTensorShape")

        self.createTensor = try function("TF_NewTensor")
        self.releaseTensor = try function("TF_DeleteTensor")
        self.getTensorType = try function("TF_TensorType")
        self.getTensorRank = try function("TF_NumDims")
        self.getTensorSize = try function("TF_Dim")
        self.getTensorByteCount = try function("TF_TensorByteSize")
        self.getTensorData = try function("TF_TensorData")

        self.createString = try function("TF_StringInit")
        self.setString = try function("TF_StringCopy")
        self.getStringData = try function("TF_StringGetDataPointer")
        self.getStringByteCount = try function("TF_StringGetSize")
        self.releaseString = try function("TF_StringDealloc")
    }

    /// The library has no function of that name: it is another, or of another version.
    struct MissingFunction: Error {
        let name: String
    }
}
