internal import Glibc

extension ONNXRuntimeAPI {
    /// The oldest table that has every entry but the optional ones: that of 1.16.
    static let versionMin = 16
    /// The first table that has the optional entries.
    static let versionShapeReferences = 24

    /// `OrtApiBase`: the way to the table.
    struct Base {
        private typealias GetTable = @convention(c) (UInt32) -> UnsafePointer<UnsafeRawPointer?>?
        private typealias GetVersion = @convention(c) () -> CString?

        /// The library's version, like `1.31.1`.
        let version: String
        private let getTable: GetTable

        /// `nil` if the library is another.
        init?(library: UnsafeMutableRawPointer) {
            typealias GetBase = @convention(c) () -> UnsafePointer<UnsafeRawPointer?>?
            guard let symbol = dlsym(library, "OrtGetApiBase"),
                let base = unsafeBitCast(symbol, to: GetBase.self)(),
                let getTable = base[0], let getVersion = base[1],
                let version = unsafeBitCast(getVersion, to: GetVersion.self)()
            else { return nil }
            self.getTable = unsafeBitCast(getTable, to: GetTable.self)
            self.version = String(cString: version)
        }

        /// The `y` of a version `1.y.z`, which is the number of its table.
        private var tableVersion: Int {
            let parts = self.version.split(separator: ".")
            guard parts.count >= 2, parts[0] == "1" else { return 0 }
            return Int(parts[1]) ?? 0
        }

        var hasShapeReferences: Bool { self.tableVersion >= versionShapeReferences }

        /// The table, or `nil` if the library is too old. The oldest that serves is asked for, so
        /// that libraries older and newer than the one Roost was written with load.
        func table() -> UnsafePointer<UnsafeRawPointer?>? {
            // An old library would also say on stderr that it has no such table.
            guard self.tableVersion >= versionMin else { return nil }
            return self.getTable(
                UInt32(self.hasShapeReferences ? versionShapeReferences : versionMin)
            )
        }
    }

    init(table: UnsafePointer<UnsafeRawPointer?>, hasShapeReferences: Bool) {
        func entry<Function>(_ index: Int) -> Function {
            // Every entry up to that of `versionMin` is set.
            unsafeBitCast(table[index]!, to: Function.self)
        }
        self.getErrorCode = entry(1)
        self.getErrorMessage = entry(2)
        self.releaseStatus = entry(93)

        self.createEnv = entry(4)
        self.createEnvWithThreads = entry(151)
        self.createThreadingOptions = entry(121)
        self.setSharedIntraOpThreads = entry(147)
        self.setSharedInterOpThreads = entry(148)
        self.setSharedSpinning = entry(149)
        self.releaseThreadingOptions = entry(122)
        self.createCPUMemoryInfo = entry(69)
        self.getDefaultAllocator = entry(78)
        self.free = entry(76)

        self.createSessionOptions = entry(10)
        self.setExecutionMode = entry(13)
        self.setIntraOpThreads = entry(24)
        self.setInterOpThreads = entry(25)
        self.setLogLevel = entry(22)
        self.addConfigEntry = entry(130)
        self.setOptimization = entry(23)
        self.setOptimizedModelPath = entry(11)
        self.enableProfiling = entry(14)
        self.disableArena = entry(19)
        self.disableMemoryPattern = entry(17)
        self.shareThreads = entry(120)
        self.registerOperators = entry(228)
        self.setDeterministic = hasShapeReferences ? entry(273) : nil
        self.cuda = Provider(
            createOptions: entry(205),
            updateOptions: entry(206),
            append: entry(204),
            releaseOptions: entry(208)
        )
        self.tensorRT = Provider(
            createOptions: entry(171),
            updateOptions: entry(172),
            append: entry(170),
            releaseOptions: entry(174)
        )
        self.releaseSessionOptions = entry(100)

        self.createSession = entry(7)
        self.getInputCount = entry(30)
        self.getOutputCount = entry(31)
        self.getInputType = entry(33)
        self.getOutputType = entry(34)
        self.getInputName = entry(36)
        self.getOutputName = entry(37)
        self.getInitializerCount = entry(32)
        self.getInitializerType = entry(35)
        self.getInitializerName = entry(38)
        self.releaseSession = entry(95)

        self.getKind = entry(56)
        self.castToTensorInfo = entry(55)
        self.getElementType = entry(60)
        self.getDimensionCount = entry(61)
        self.getDimensions = entry(62)
        self.getDimensionNames = entry(63)
        self.hasShape = hasShapeReferences ? entry(390) : nil
        self.castToSequenceInfo = entry(104)
        self.getSequenceElement = entry(107)
        self.castToMapInfo = entry(103)
        self.getMapValue = entry(106)
        self.releaseType = entry(98)
        self.releaseTensorInfo = entry(99)

        self.getMetadata = entry(111)
        self.getProducerName = entry(112)
        self.getGraphName = entry(113)
        self.getDomain = entry(114)
        self.getDescription = entry(115)
        self.getModelVersion = entry(117)
        self.getMetadataKeys = entry(123)
        self.lookUpMetadata = entry(116)
        self.releaseMetadata = entry(118)

        self.createTensorOverMemory = entry(49)
        self.createTensor = entry(48)
        self.getData = entry(51)
        self.getTensorInfo = entry(65)
        self.getShapeReference = hasShapeReferences ? entry(414) : nil
        self.getStringBuffer = entry(252)
        self.getStringsByteCount = entry(53)
        self.getStrings = entry(54)
        self.getValue = entry(80)
        self.getValueCount = entry(81)
        self.releaseValue = entry(96)

        self.createRunOptions = entry(39)
        self.addRunEntry = entry(165)
        self.setTerminate = entry(46)
        self.unsetTerminate = entry(47)
        self.releaseRunOptions = entry(97)
        self.run = entry(9)
    }
}
