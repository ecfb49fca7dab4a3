import RoostClient
import RoostOps

/// Prints a line for each picture, for people or for machines.
struct ClassifyPrinter {
    private let json: Bool
    private var table: Table
    private var isHeaded = false

    /// - Parameter files: the names that are known already, for the width of their column.
    init(json: Bool, files: [String]) {
        self.json = json
        let fileWidth = files == ["-"] ? 24 : files.map(\.count).max() ?? 0
        self.table = Table(
            columns: ["FILE", "LABEL", "CONFIDENCE", "WORKER", "LATENCY"],
            widths: [min(fileWidth, 60), 12, 10, 12, 7]
        )
        self.table.alignRight(2)
        self.table.alignRight(4)
    }

    mutating func print(_ answer: Classifier.Answer) {
        if self.json {
            Output.standard.line(self.document(answer).description)
            return
        }
        switch answer.outcome {
        case .success(let success): self.printTable(self.rows(answer.file, success))
        case .failure(let error):
            self.printTable([[answer.file, "error: \(Self.words(error, answer.file))"]])
        }
    }

    private mutating func printTable(_ rows: [[String]]) {
        let lines = rows.map { self.table.row($0) }
        // After the first rows have been measured, so that it stands above their columns.
        if !self.isHeaded {
            self.isHeaded = true
            Output.standard.line(self.table.heading)
        }
        for line in lines { Output.standard.line(line) }
    }

    private func rows(_ file: String, _ success: Classifier.Success) -> [[String]] {
        let classification = success.classification
        return classification.classes.enumerated().map { rank, best in
            let cells = [
                rank == 0 ? file : "", best.name,
                classification.confidence(best.value),
            ]
            guard rank == 0 else { return cells }
            let attempts = success.result.attempts
            return cells + [success.result.worker, success.latency.text]
                + (attempts > 1 ? ["\(attempts) attempts"] : [])
        }
    }

    private func document(_ answer: Classifier.Answer) -> JSON {
        switch answer.outcome {
        case .failure(let error):
            .object([
                ("file", .string(answer.file)),
                ("error", .string(Self.words(error, answer.file))),
                ("exit_code", .number(ExitStatus(error).rawValue)),
            ])
        case .success(let success):
            .object([
                ("file", .string(answer.file)),
                (
                    "classes",
                    .array(
                        success.classification.classes.map {
                            .object(
                                ($0.index.map { [("index", .number($0))] } ?? []) + [
                                    ("label", .string($0.name)), ("confidence", .number($0.value)),
                                ]
                            )
                        }
                    )
                ),
                ("worker", .string(success.result.worker)),
                ("version", .number(success.result.version)),
                ("attempts", .number(success.result.attempts)),
                ("latency_ms", .number(success.latency.milliseconds)),
                ("queue_ms", .number(success.result.queueTime.milliseconds)),
                ("compute_ms", .number(success.result.computeTime.milliseconds)),
            ])
        }
    }

    /// The error's words, without the file's name: the line begins with it.
    private static func words(_ error: any Error, _ file: String) -> String {
        let text = "\(error)"
        return text.hasPrefix(file + " ") ? String(text.dropFirst(file.count + 1)) : text
    }
}
