package import RoostWire

/// How pictures become one of a model's inputs: colour, size, layout and numbers, all read from
/// the input's signature.
///
/// ```swift
/// let input = try ImageInput(signature: model.inputs[0])  // image FP32 [batch, 3, 224, 224]
/// let tensor = try input.tensor(of: [Picture.decode(bytes)])
/// ```
///
/// A dimension that the model leaves open (H or W) keeps the picture's own size; then the pictures
/// of one batch must agree in it. Sides that are fixed are met by resizing, which does not keep
/// the picture's proportions, as the usual training recipes do not.
package struct ImageInput: Hashable, Sendable {
    package let signature: TensorSignature
    package let layout: PictureLayout
    /// Applied to FP32, FP16 and FP64; UINT8 takes the samples as they are.
    package let normalization: Normalization

    /// Throws if no picture fits the signature, or the normalization does not fit its channels.
    package init(
        signature: TensorSignature,
        normalization: Normalization = Normalization()
    ) throws(ImageError) {
        switch signature.datatype {
        case .fp16, .fp32, .fp64:
            break
        case .uint8:
            guard normalization == Normalization() else {
                throw ImageError(
                    code: .mismatch,
                    message: "the input \(signature) takes samples as they are;"
                        + " a normalization needs FP32, FP16 or FP64"
                )
            }
        case .bool, .uint16, .uint32, .uint64, .int8, .int16, .int32, .int64, .bf16, .bytes:
            throw ImageError(
                code: .unsupported,
                message: "the input \(signature) takes no picture:"
                    + " its datatype must be FP32, FP16, FP64 or UINT8"
            )
        }
        guard let layout = PictureLayout(signature.dimensions) else {
            throw ImageError(
                code: .unsupported,
                message: "the input \(signature) takes no picture: its dimensions must be"
                    + " [N, C, H, W], [N, H, W, C], or these without N or C, with 1 or 3 channels"
            )
        }
        try normalization.check(channels: layout.channels)
        try PictureLimits().check(width: layout.width ?? 1, height: layout.height ?? 1)
        self.signature = signature
        self.layout = layout
        self.normalization = normalization
    }
}
