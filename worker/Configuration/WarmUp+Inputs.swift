internal import RoostEngine
package import RoostWire

extension WarmUp {
    /// A warm-up input that cannot be made: one sentence that names it.
    package struct InputError: Error, Hashable {
        package let reason: String
    }

    /// The tensors of each run, one for each input of the signature. Blocks on the file system.
    ///
    /// - Parameter directory: the model's.
    package func runs(
        for signature: ModelSignature,
        directory: String
    ) throws(InputError) -> [[Tensor]] {
        if self.inputs != nil {
            return [try self.arrays(for: signature, directory: directory)]
        }
        var runs: [[Tensor]] = []
        for rows in self.batchSizes {
            var tensors: [Tensor] = []
            for input in signature.inputs {
                if let omitted = input.omitted {
                    tensors.append(omitted)
                } else {
                    tensors.append(try self.zeros(for: input, rows: rows))
                }
            }
            runs.append(tensors)
        }
        return runs
    }

    /// The arrays of the directory of inputs, as they are; to be called only if there is one.
    package func arrays(
        for signature: ModelSignature,
        directory: String
    ) throws(InputError) -> [Tensor] {
        var tensors: [Tensor] = []
        for input in signature.inputs {
            tensors.append(try self.array(for: input, directory: directory))
        }
        return tensors
    }

    /// The shape that an input has in a run of so many rows.
    package func shape(of input: TensorSignature, rows: Int) -> Shape {
        let given = self.shapes[input.name].flatMap {
            $0.count == input.dimensions.count ? $0 : nil
        }
        return Shape(
            input.dimensions.enumerated().map { axis, dimension in
                switch dimension {
                case .fixed(let size): size
                // A shape that is given says how long a row is; how many there are is the run's.
                case .dynamic: axis == 0 && rows > 1 ? rows : given?[axis] ?? 1
                }
            }
        )
    }

    private func zeros(for input: TensorSignature, rows: Int) throws(InputError) -> Tensor {
        let shape = self.shape(of: input, rows: rows)
        // An element of BYTES is its length, zero, in four bytes.
        let width = input.datatype.byteWidth ?? 4
        guard let count = shape.elementCount, count <= WireLimits.payloadBytesMax / width else {
            throw InputError(
                reason: "warm-up: input '\(input.name)' of shape \(shape) is over the "
                    + "\(WireLimits.payloadBytesMax) bytes of a request"
            )
        }
        return Tensor(
            datatype: input.datatype,
            shape: shape,
            storage: TensorStorage(byteCount: count * width) { target in
                target.initializeMemory(as: UInt8.self, repeating: 0)
            },
            byteCount: count * width
        )
    }

    private func array(
        for input: TensorSignature,
        directory: String
    ) throws(InputError) -> Tensor {
        let path = "\(self.inputs ?? "")/\(input.name).npy"
        let name = "\(directory)/\(path)"
        guard !input.name.contains("/"), !input.name.utf8.contains(0) else {
            throw InputError(
                reason: "warm-up.inputs: no file can be named after the input "
                    + ConfigurationProblems.quoted(input.name)
            )
        }
        let file: TensorStorage
        do throws(ConfinedFile.Failure) {
            file = try ConfinedFile.read(
                path,
                in: directory,
                byteCountMax: WireLimits.payloadBytesMax
            )
        } catch {
            switch error {
            case .missing: throw InputError(reason: "warm-up.inputs: \(name) is not there")
            case .unusable(let reason):
                throw InputError(reason: "warm-up.inputs: \(name) \(reason)")
            }
        }
        let tensor: Tensor
        do throws(NPYFile.FormatError) {
            tensor = try NPYFile.read(file)
        } catch {
            throw InputError(reason: "warm-up.inputs: \(name) \(error.reason)")
        }
        guard tensor.datatype == input.datatype, input.accepts(tensor.shape) else {
            throw InputError(
                reason: "warm-up.inputs: \(name) has \(tensor.datatype) \(tensor.shape); the "
                    + "input is \(input)"
            )
        }
        return tensor
    }
}
