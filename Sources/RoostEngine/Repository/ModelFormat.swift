/// What a model is written in. A version's directory has one file of these names.
package enum ModelFormat: String, CaseIterable, Hashable, Sendable {
    case onnx = "model.onnx"
    /// OpenVINO's own, with its weights in `model.bin` beside it.
    case openVINO = "model.xml"
    /// A TensorFlow SavedModel: the version's directory is the model.
    case savedModel = "saved_model.pb"
    case tensorFlowLite = "model.tflite"
    /// A TensorFlow graph with its weights in it, a serialised `GraphDef`.
    case frozenGraph = "model.pb"

    /// The name of the file.
    package var fileName: String { self.rawValue }

    /// All names, for messages: `model.onnx, model.xml (with model.bin), ...`.
    package static var names: String {
        let names = Self.allCases.map {
            $0 == .openVINO ? "model.xml (with model.bin)" : $0.fileName
        }
        return names.dropLast().joined(separator: ", ") + " or " + names[names.count - 1]
    }
}
