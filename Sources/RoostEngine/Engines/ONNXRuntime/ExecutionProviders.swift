internal import Glibc

/// What executes a model but the CPU: CUDA and TensorRT.
enum ExecutionProviders {
    /// What pip has to install for a device.
    private static func packages(_ device: ONNXRuntimeOptions.Device) -> String {
        let cuda = "'onnxruntime-gpu[cuda,cudnn]' and nvidia-cublas"
        return switch device {
        case .tensorRT: "\(cuda) and tensorrt-cu13-libs==10.16.*"
        case .cuda, .cpu: cuda
        }
    }

    /// The libraries that CUDA's provider refers to, in the order in which they are to be loaded, as
    /// NVIDIA's packages lay them out below `nvidia`.
    private static let libraries = [
        "cu13/lib/libcudart.so.13", "cu13/lib/libcublasLt.so.13", "cu13/lib/libcublas.so.13",
        "cu13/lib/libnvrtc.so.13", "cu13/lib/libcurand.so.10", "cu13/lib/libcufft.so.12",
        "cudnn/lib/libcudnn.so.9",
    ]

    /// The GPUs that a build for them finds, or why it finds none, in words; empty for a build for the
    /// CPU alone. Loads NVIDIA's libraries.
    ///
    /// - Parameter path: ONNX Runtime's library.
    static func devices(beside path: String) -> [String] {
        let directory = path[..<(path.lastIndex(of: "/") ?? path.startIndex)]
        guard FileStatus(path: "\(directory)/libonnxruntime_providers_cuda.so").isRegularFile else {
            return []
        }
        self.preload(beside: path)
        for library in self.libraries {
            let name = library.split(separator: "/").last ?? ""
            // What was loaded already is found by its name.
            guard dlopen("\(name)", RTLD_LAZY) != nil else {
                return ["no GPU: \(name) is missing (pip's \(self.packages(.cuda(0))))"]
            }
        }
        guard let driver = dlopen("libcuda.so.1", RTLD_LAZY),
            let start = dlsym(driver, "cuInit"), let count = dlsym(driver, "cuDeviceGetCount")
        else { return ["no GPU: NVIDIA's driver is missing"] }
        var found: Int32 = 0
        guard unsafeBitCast(start, to: (@convention(c) (UInt32) -> Int32).self)(0) == 0,
            unsafeBitCast(count, to: (@convention(c) (UnsafeMutablePointer<Int32>) -> Int32).self)(
                &found
            ) == 0, found > 0
        else { return ["no GPU: NVIDIA's driver finds none"] }
        return (0..<found).map { "cuda:\($0)" }
    }

    /// Adds the providers of a device to a session's configuration; what they do not execute the
    /// CPU does.
    static func add(
        _ options: ONNXRuntimeOptions,
        to configuration: OpaquePointer,
        _ library: ONNXRuntimeLibrary,
        _ source: ModelSource
    ) throws(EngineError) {
        let api = library.api
        let number: Int
        switch options.device {
        case .cpu: return
        case .cuda(let device), .tensorRT(let device): number = device
        }
        self.preload(beside: library.path)
        if case .tensorRT = options.device {
            try self.add(
                ["device_id": "\(number)"].merging(options.tensorRT) { _, given in given },
                api.tensorRT,
                to: configuration,
                api
            ) { text in self.missing(options.device, source, text) }
        }
        try self.add(
            ["device_id": "\(number)"].merging(options.cuda) { _, given in given },
            api.cuda,
            to: configuration,
            api
        ) { text in self.missing(options.device, source, text) }
    }

    private static func add(
        _ settings: [String: String],
        _ provider: ONNXRuntimeAPI.Provider,
        to configuration: OpaquePointer,
        _ api: ONNXRuntimeAPI,
        _ failure: (String) -> EngineError
    ) throws(EngineError) {
        func check(_ status: OpaquePointer?) throws(EngineError) {
            guard let status else { return }
            throw failure(api.text(of: status))
        }
        var handle: OpaquePointer?
        try check(provider.createOptions(&handle))
        defer { provider.releaseOptions(handle) }
        let sorted = settings.sorted { $0.key < $1.key }
        let (names, values) = (CStringArray(sorted.map(\.key)), CStringArray(sorted.map(\.value)))
        try check(provider.updateOptions(handle!, names.base, values.base, names.count))
        try check(provider.append(configuration, handle!))
        withExtendedLifetime((names, values)) {}
    }

    private static func missing(
        _ device: ONNXRuntimeOptions.Device,
        _ source: ModelSource,
        _ text: String
    ) -> EngineError {
        let name =
            switch device {
            case .cpu: "cpu"
            case .cuda(let number): "cuda:\(number)"
            case .tensorRT(let number): "tensorrt:\(number)"
            }
        return .onnxRuntime(
            .engineUnsupported,
            "model '\(source)' cannot use device \(name): \(text); it needs NVIDIA's driver, and of "
                + "pip's packages \(self.packages(device)), with ROOST_ENGINE_PATH naming the "
                + "directory onnxruntime/capi of the first"
        )
    }

    /// Loads NVIDIA's libraries from where pip puts them, so that nobody has to set a path for the
    /// loader. What is not there the loader looks for itself.
    private static func preload(beside path: String) {
        var directory = path
        // site-packages/onnxruntime/capi/libonnxruntime.so, or beside the library.
        for _ in 0..<3 {
            guard let slash = directory.lastIndex(of: "/") else { return }
            directory = String(directory[..<slash])
            let nvidia = "\(directory)/nvidia"
            guard FileStatus(path: nvidia).isDirectory else { continue }
            for library in self.libraries {
                _ = dlopen("\(nvidia)/\(library)", RTLD_LAZY | RTLD_GLOBAL)
            }
            let tensorRT = "\(directory)/tensorrt_libs"
            for library in ["libnvinfer.so.10", "libnvonnxparser.so.10"] {
                _ = dlopen("\(tensorRT)/\(library)", RTLD_LAZY | RTLD_GLOBAL)
            }
            return
        }
    }
}
