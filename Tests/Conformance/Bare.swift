import RoostEngine
import RoostWire

/// Runs tests in the engine itself.
struct Bare {
    let engine: any Engine

    /// Blocks.
    func run(_ model: TestModel) -> Outcome {
        let session: any Session
        do throws(EngineError) {
            session = try self.engine.load(model.source, options: SessionOptions())
        } catch {
            return .refused(error.message)
        }
        do {
            let lane = try session.makeLane()
            return try Self.check(model) { inputs in
                guard inputs.count == session.signature.inputs.count else {
                    throw TensorFile.Unreadable(description: "\(inputs.count) inputs")
                }
                return try lane.run(inputs)
            }
        } catch {
            return .failed(.run, "\(error)")
        }
    }

    /// Runs all data sets.
    static func check(
        _ model: TestModel,
        _ run: ([Tensor]) throws -> [Tensor]
    ) throws -> Outcome {
        let sets: [TestModel.DataSet]
        do { sets = try model.dataSets() } catch { return .failed(.data, "\(error)") }
        for set in sets {
            if let difference = Self.difference(try run(set.inputs), set.outputs) {
                return .failed(.value, difference)
            }
        }
        return sets.isEmpty ? .failed(.data, "there is none") : .passed
    }

    static func difference(_ given: [Tensor], _ expected: [Tensor]) -> String? {
        guard given.count == expected.count else {
            return "\(given.count) outputs instead of \(expected.count)"
        }
        for (given, expected) in zip(given, expected) {
            if let difference = Comparison.difference(given, expected) { return difference }
        }
        return nil
    }
}
