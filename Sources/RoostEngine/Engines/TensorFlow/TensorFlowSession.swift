internal import CTensorFlow
internal import Glibc
internal import RoostWire
internal import Synchronization

/// A model in TensorFlow: a `TF_Session`, its graph, and what is fed and fetched of it.
///
/// `@unchecked Sendable` relies on TensorFlow's promise that a session may be run by several threads
/// at once; all else is set once, in `init`, and only read.
final class TensorFlowSession: Session, @unchecked Sendable {
    /// TensorFlow prepares anew for each set of outputs that it is asked for, and keeps that: so many
    /// sets are fetched as they are wanted; of further ones all outputs are fetched.
    static let fetchSetsMax = 8

    let signature: ModelSignature
    let metadata: [(key: String, value: String)]
    let source: ModelSource
    let library: TensorFlowLibrary
    let handle: OpaquePointer
    let feeds: [TF_Output]
    let fetches: [TF_Output]
    /// The `RunOptions` of every run.
    let runConfiguration: [UInt8]
    /// Whether inputs are copied, since the model may keep them.
    let copiesInputs: Bool
    private let graph: TensorFlowGraph
    private let fetchSets = Mutex<Set<[Int]>>([])

    init(
        source: ModelSource,
        options: SessionOptions,
        library: TensorFlowLibrary
    ) throws(EngineError) {
        let place = source.format == .savedModel ? source.directory : source.file
        let context = "model '\(source)' cannot be loaded from \(place)"
        let status = FileStatus(path: source.file)
        guard status.isRegularFile else {
            throw .tensorFlow(
                .modelMissing,
                "model '\(source)' has no file \(source.file) that can be read\(status.reason)"
            )
        }
        let loader = TensorFlowLoader(source: source, library: library, context: context)
        let settings: TensorFlowOptions
        do throws(TensorFlowOptions.Problem) {
            settings = try TensorFlowOptions(options, format: source.format)
        } catch {
            throw .tensorFlow(.modelInvalid, "\(context): engine-options: \(error.message)")
        }
        let graph = TensorFlowGraph(library.api)
        let (handle, model) =
            source.format == .savedModel
            ? try loader.savedModel(into: graph, settings)
            : try loader.frozenGraph(into: graph, settings)
        self.source = source
        self.library = library
        self.graph = graph
        self.handle = handle
        self.signature = model.signature
        self.feeds = model.feeds
        self.fetches = model.fetches
        self.metadata = model.metadata
        self.runConfiguration = settings.runConfiguration
        self.copiesInputs = KeptInputs(source).isKept
    }

    deinit {
        TensorFlowLoader.release(self.handle, self.library.api)
    }

    func makeLane() throws(EngineError) -> any Lane {
        TensorFlowLane(session: self)
    }

    /// Whether those outputs, in ascending order, are fetched alone.
    func fetches(alone outputs: [Int]) -> Bool {
        self.fetchSets.withLock { sets in
            if sets.contains(outputs) { return true }
            guard sets.count < Self.fetchSetsMax else { return false }
            sets.insert(outputs)
            return true
        }
    }
}
