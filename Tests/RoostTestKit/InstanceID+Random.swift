package import RoostWire

extension InstanceID {
    /// A fresh one, for tests that do not care which.
    package static func random() -> InstanceID { .random(using: SystemRandomNumberGenerator()) }
}
