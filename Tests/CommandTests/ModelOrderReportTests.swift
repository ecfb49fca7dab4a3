import RoostClient
import RoostOps
import Testing

@testable import RoostWire
@testable import roost

@Suite
struct ModelOrderReportTests {
    private typealias Answer = Result<[ModelStatus], InferenceError>

    private func status(
        _ version: Int,
        _ state: ModelState.State,
        _ reason: String = ""
    ) -> ModelStatus {
        ModelStatus(
            ModelState(name: "m", version: UInt32(version), state: state, reason: reason)
        )
    }

    private func report(
        _ order: ModelOrder,
        version: Int? = nil,
        mayLackModel: Bool = true,
        _ answers: [Answer]
    ) -> ModelOrderReport {
        ModelOrderReport(
            order,
            version: version,
            mayLackModel: mayLackModel,
            answers.enumerated().map { ("w\($0.offset)", $0.element) }
        )
    }

    private let missing = Answer.failure(
        InferenceError(.modelNotFound, "the repository has no model 'm'")
    )

    @Test("each worker has a line, and all is well when every version that was meant serves")
    func loaded() {
        let report = self.report(
            .load,
            version: 2,
            [
                .success([self.status(1, .available), self.status(2, .ready)]),
                .success([self.status(2, .ready), self.status(3, .failed, "it is broken")]),
            ]
        )
        #expect(report.status == .ok)
        #expect(
            report.table == """
                WORKER  RESULT  VERSIONS              REASON
                w0      ok      1 available, 2 ready
                w1      ok      2 ready, 3 failed
                """
        )
    }

    @Test("a version that cannot be loaded fails the order, and says why")
    func failed() {
        let answer = Answer.success([
            self.status(1, .ready), self.status(2, .failed, "it is broken"),
        ])
        let report = self.report(.load, [answer])
        #expect(report.status == .failed)
        #expect(report.table.contains("it is broken"))
        #expect(self.report(.load, version: 1, [answer]).status == .ok)
        #expect(self.report(.reload, version: 2, [answer]).status == .failed)
        #expect(self.report(.load, [.success([self.status(1, .available)])]).status == .failed)
    }

    @Test("an unloaded model has no version left that serves")
    func unloaded() {
        let gone = Answer.success([self.status(1, .unloaded)])
        #expect(self.report(.unload, [gone]).status == .ok)
        #expect(self.report(.unload, [.success([])]).status == .ok)
        for state in [ModelState.State.ready, .loading, .retiring] {
            #expect(self.report(.unload, [.success([self.status(1, state)])]).status == .failed)
            #expect(
                self.report(.unload, version: 2, [.success([self.status(1, state)])]).status == .ok
            )
        }
    }

    @Test("of a whole fleet some may lack the model, but not all; a worker that was named may not")
    func lacking() {
        let ready = Answer.success([self.status(1, .ready)])
        #expect(self.report(.load, [self.missing, ready]).status == .ok)
        #expect(self.report(.load, [self.missing]).status == .unavailable)
        #expect(
            self.report(.load, mayLackModel: false, [self.missing, ready]).status == .unavailable
        )
        let late = Answer.failure(InferenceError(.deadlineExceeded, "late"))
        #expect(self.report(.load, [ready, self.missing, late]).status == .temporary)
    }

    @Test("the list of models shows what does not serve and why, and not what nobody wants")
    func models() {
        let entries = ModelsCommand.entries([
            ("a", [self.status(1, .available), self.status(2, .ready)]),
            ("b", [self.status(2, .failed, "it is broken"), self.status(1, .ready)]),
            ("c", [self.status(2, .ready)]),
        ])
        #expect(
            ModelsCommand.table(entries) == """
                MODEL  VERSION  STATE   WORKERS  ENGINE  LABELS  REASON
                m            1  ready         1  -
                m            2  ready         2  -
                m            2  failed        1  -               it is broken
                """
        )
    }

    @Test("workers that execute a version otherwise than others have a line of their own")
    func engines() {
        func status(_ engine: String) -> ModelStatus {
            ModelStatus(ModelState(name: "m", version: 1, state: .ready, engine: engine))
        }
        let entries = ModelsCommand.entries([
            ("a", [status("openvino 2026.4.1 f32")]), ("b", [status("openvino 2026.4.1 bf16")]),
            ("c", [status("openvino 2026.4.1 f32")]),
        ])
        #expect(
            ModelsCommand.table(entries) == """
                MODEL  VERSION  STATE  WORKERS  ENGINE                  LABELS  REASON
                m            1  ready        1  openvino 2026.4.1 bf16
                m            1  ready        2  openvino 2026.4.1 f32
                """
        )
    }
}
