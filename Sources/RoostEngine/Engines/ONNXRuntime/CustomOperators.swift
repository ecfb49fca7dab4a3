internal import Glibc

/// Libraries with operators that a model uses and ONNX Runtime does not have.
enum CustomOperators {
    /// What the library of onnxruntime-extensions is called in its wheel for Linux: a module of
    /// Python's, `_extensions_pydll.cpython-311-x86_64-linux-gnu.so`.
    private static let pythonModulePrefix = "_extensions_pydll"
    /// The versions of Python that are tried if the module's name does not say which it is for.
    private static let pythonMinors = (8...15).reversed()

    /// Gets everything ready for a library to be loaded; throws what keeps it from being loaded.
    static func prepare(_ path: String, for source: ModelSource) throws(EngineError) {
        guard FileStatus(path: path).isRegularFile else {
            throw self.unusable(path, source, "there is no such file that can be read")
        }
        let name = path.split(separator: "/").last ?? ""
        guard name.hasPrefix(self.pythonModulePrefix) else { return }
        // It refers to symbols of Python's, which is never started; whoever loads it has them.
        let minors = Self.pythonMinor(of: name).map { [$0] } ?? Array(self.pythonMinors)
        let libraries = minors.map { "libpython3.\($0).so.1.0" }
        for library in libraries where dlopen(library, RTLD_NOW | RTLD_GLOBAL) != nil { return }
        throw self.unusable(
            path,
            source,
            "it is a module of Python's and needs \(libraries.joined(separator: " or ")), which is "
                + "not installed: run 'apt-get install libpython3.\(minors[0])'"
        )
    }

    /// The `11` of `cpython-311`.
    private static func pythonMinor(of name: Substring) -> Int? {
        for part in name.split(whereSeparator: { $0 == "-" || $0 == "." }) where part.first == "3" {
            if let minor = Int(part.dropFirst()) { return minor }
        }
        return nil
    }

    private static func unusable(
        _ path: String,
        _ source: ModelSource,
        _ reason: String
    ) -> EngineError {
        .onnxRuntime(
            .modelInvalid,
            "model '\(source)': the library of operators \(path) cannot be used: \(reason)"
        )
    }
}
