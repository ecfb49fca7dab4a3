/// The bounds of the wire: what is over them is refused by the decoder, so that no peer can make
/// another hold or do more than this.
package enum WireLimits {
    /// The size of frame 0's fixed part.
    package static let headerBytes = 56
    /// The largest frame. ZMTP's heartbeats count completed frames only, so a frame must cross the
    /// slowest link that we serve well within the heartbeat's timeout (PROTOCOL, §3).
    package static let frameBytesMax = 1 << 20
    /// The largest meta part of a frame 0.
    package static let metaBytesMax = 256 << 10
    /// What the tensors inside frame 0 may take together; larger ones travel in their own frames.
    package static let inlineBytesMax = 4 << 10
    /// The largest number of payload frames behind frame 0.
    package static let payloadFramesMax = 64
    /// The largest payload of one message.
    package static let payloadBytesMax = payloadFramesMax * frameBytesMax
    /// How many messages are handed to libzmq as one bundle. A receiver takes any number.
    package static let bundleMax = 32
    /// The longest name of a model, tensor, worker or zone.
    package static let nameBytesMax = 255
    /// The longest name of a dimension: all those of 128 tensors must fit one meta part.
    package static let dimensionNameBytesMax = 63
    /// The longest explanation in an ERROR.
    package static let detailBytesMax = 2048
    /// The longest value of a model's metadata, its label names among them.
    package static let metadataValueBytesMax = 60_000
    package static let metadataEntriesMax = 32
    /// The most inputs, or outputs, of one request.
    package static let tensorsMax = 64
    /// The most endpoints of one worker.
    package static let endpointsMax = 16
    /// The most models, each version counted, of one worker.
    package static let modelsMax = 256
    /// The most labels of one version of a model, and the longest of them: with those of 256 models
    /// a record still fits behind a part of a snapshot that is nearly full.
    package static let labelsMax = 8
    package static let labelBytesMax = 31
    /// The most classes of batch sizes that statistics count.
    package static let batchSizesMax = 32
    /// The most versions that one MODEL_STATES tells of.
    package static let statesMax = 1024
    /// The longest reason why a version does not serve.
    package static let reasonBytesMax = 512
    /// The most worker records in one part of a snapshot or in one delta.
    package static let recordsMax = 1024
    /// The most workers that a broker lists and a client keeps: every list is at most as long.
    package static let workersMax = 100_000
    /// What the records of one part of a snapshot may take (the part that crosses it is the last).
    package static let snapshotPartBytes = 64 << 10
}
