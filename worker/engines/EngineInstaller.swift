internal import Glibc

/// The script that installs engines, carried in the program: it works without this repository.
package enum EngineInstaller {
    /// The engines that it can install.
    package static let engines = ["onnxruntime", "openvino", "tensorflow"]

    /// Runs the script in place of this program, which only goes on if that is not possible.
    ///
    /// - Returns: the system's reason.
    package static func run(_ arguments: [String]) -> String {
        var template = Array("/tmp/roost-install-XXXXXX".utf8CString)
        let file = mkstemp(&template)
        // It lives as long as it is open: nothing is left behind, whatever happens.
        guard file >= 0, unlink(template) == 0, self.write(PackageResources.install, to: file)
        else {
            return "the installer cannot be written to /tmp: \(String(cString: strerror(errno)))"
        }
        let words = ["bash", "/proc/self/fd/\(file)"] + arguments
        var list = words.map { strdup($0) } + [nil]
        execvp("bash", &list)
        return "bash cannot be run: \(String(cString: strerror(errno)))"
    }

    private static func write(_ bytes: [UInt8], to file: Int32) -> Bool {
        bytes.withUnsafeBytes { bytes in
            var offset = 0
            while offset < bytes.count {
                let count = Glibc.write(file, bytes.baseAddress! + offset, bytes.count - offset)
                guard count > 0 else { return false }
                offset += count
            }
            return true
        }
    }
}
