internal import COpenVINO
internal import Glibc

/// The functions of OpenVINO's C interface that Roost calls, looked up by name and typed.
///
/// Every function that returns an `Int32` returns an `ov_status_e`: zero is success, anything else
/// goes to ``check``.
struct OpenVINOAPI: Sendable {
    typealias Handle = OpaquePointer
    typealias Status = Int32
    typealias Out = UnsafeMutablePointer<OpaquePointer?>
    typealias CString = UnsafePointer<CChar>
    typealias CStringOut = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

    typealias Release = @convention(c) @Sendable (Handle?) -> Void
    typealias Create = @convention(c) @Sendable (Out) -> Status
    typealias Query = @convention(c) @Sendable (Handle, Out) -> Status
    typealias QueryAt = @convention(c) @Sendable (Handle, Int, Out) -> Status
    typealias GetCount = @convention(c) @Sendable (Handle, UnsafeMutablePointer<Int>) -> Status
    typealias GetType = @convention(c) @Sendable (Handle, UnsafeMutablePointer<Int32>) -> Status
    typealias Modify = @convention(c) @Sendable (Handle) -> Status
    typealias SetAt = @convention(c) @Sendable (Handle, Int, Handle) -> Status
    typealias Properties = UnsafePointer<ov_property_t>

    // What a process has one of.
    let getVersion: @convention(c) @Sendable (UnsafeMutablePointer<ov_version_t>) -> Status
    let freeVersion: @convention(c) @Sendable (UnsafeMutablePointer<ov_version_t>) -> Void
    let getErrorInfo: @convention(c) @Sendable (Status) -> CString?
    let getLastError: @convention(c) @Sendable () -> UnsafeMutablePointer<CChar>?
    let freeText: @convention(c) @Sendable (UnsafeMutablePointer<CChar>?) -> Void
    let createCore: Create
    let getDevices:
        @convention(c) @Sendable (Handle, UnsafeMutablePointer<ov_available_devices_t>) -> Status
    let freeDevices: @convention(c) @Sendable (UnsafeMutablePointer<ov_available_devices_t>) -> Void
    let getDeviceProperty: @convention(c) @Sendable (Handle, CString, CString, CStringOut) -> Status

    // Models.
    let readModel: @convention(c) @Sendable (Handle, CString, CString?, Out) -> Status
    let compileModel:
        @convention(c) @Sendable (Handle, Handle, CString, Int, Properties?, Out) -> Status
    let releaseModel: Release
    let releaseCompiledModel: Release
    let getModelProperty: @convention(c) @Sendable (Handle, CString, CStringOut) -> Status
    let getInputCount: GetCount
    let getOutputCount: GetCount
    let getInput: QueryAt
    let getOutput: QueryAt
    let getPortName: @convention(c) @Sendable (Handle, CStringOut) -> Status
    let getPortType: GetType
    let getPortShape:
        @convention(c) @Sendable (Handle, UnsafeMutablePointer<ov_partial_shape_t>) -> Status
    let releasePort: Release
    let freePartialShape:
        @convention(c) @Sendable (UnsafeMutablePointer<ov_partial_shape_t>) -> Void

    // Tensors.
    let createTensorOverMemory:
        @convention(c) @Sendable (Int32, ov_shape_t, UnsafeMutableRawPointer, Out) -> Status
    let createStringTensor:
        @convention(c) @Sendable (UnsafePointer<CString?>, Int, ov_shape_t, Out) -> Status
    let getTensorShape:
        @convention(c) @Sendable (Handle, UnsafeMutablePointer<ov_shape_t>) -> Status
    let freeShape: @convention(c) @Sendable (UnsafeMutablePointer<ov_shape_t>) -> Status
    let getTensorData:
        @convention(c) @Sendable (Handle, UnsafeMutablePointer<UnsafeMutableRawPointer?>) -> Status
    let releaseTensor: Release

    // Runs.
    let createRequest: Query
    let releaseRequest: Release
    let setInput: SetAt
    let getRequestOutput: QueryAt
    let infer: Modify
    let cancel: Modify

    /// Looks all of them up. Throws the name of the first that is not there.
    init(library: UnsafeMutableRawPointer) throws(MissingFunction) {
        func function<Function>(_ name: String) throws(MissingFunction) -> Function {
            guard let symbol = dlsym(library, name) else { throw MissingFunction(name: name) }
            return unsafeBitCast(symbol, to: Function.self)
        }
        self.getVersion = try function("ov_get_openvino_version")
        self.freeVersion = try function("ov_version_free")
        self.getErrorInfo = try function("ov_get_error_info")
        self.getLastError = try function("ov_get_last_err_msg")
        self.freeText = try function("ov_free")
        self.createCore = try function("ov_core_create")
        self.getDevices = try function("ov_core_get_available_devices")
        self.freeDevices = try function("ov_available_devices_free")
        self.getDeviceProperty = try function("ov_core_get_property")

        self.readModel = try function("ov_core_read_model")
        self.compileModel = try function("ov_core_compile_model_props")
        self.releaseModel = try function("ov_model_free")
        self.releaseCompiledModel = try function("ov_compiled_model_free")
        self.getModelProperty = try function("ov_compiled_model_get_property")
        self.getInputCount = try function("ov_model_inputs_size")
        self.getOutputCount = try function("ov_model_outputs_size")
        self.getInput = try function("ov_model_const_input_by_index")
        self.getOutput = try function("ov_model_const_output_by_index")
        self.getPortName = try function("ov_port_get_any_name")
        self.getPortType = try function("ov_port_get_element_type")
        self.getPortShape = try function("ov_port_get_partial_shape")
        self.releasePort = try function("ov_output_const_port_free")
        self.freePartialShape = try function("ov_partial_shape_free")

        self.createTensorOverMemory = try function("ov_tensor_create_from_host_ptr")
        self.createStringTensor = try function("ov_tensor_create_from_string_array")
        self.getTensorShape = try function("ov_tensor_get_shape")
        self.freeShape = try function("ov_shape_free")
        self.getTensorData = try function("ov_tensor_data")
        self.releaseTensor = try function("ov_tensor_free")

        self.createRequest = try function("ov_compiled_model_create_infer_request")
        self.releaseRequest = try function("ov_infer_request_free")
        self.setInput = try function("ov_infer_request_set_input_tensor_by_index")
        self.getRequestOutput = try function("ov_infer_request_get_output_tensor_by_index")
        self.infer = try function("ov_infer_request_infer")
        self.cancel = try function("ov_infer_request_cancel")
    }

    /// The library has no function of that name: it is another, or of another version.
    struct MissingFunction: Error {
        let name: String
    }
}
