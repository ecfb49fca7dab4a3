import RoostOps

/// What `roost model check` has to say.
struct ModelCheckReport: Sendable {
    var models: [ModelReport] = []
    /// Of the repository itself.
    var problems: [String]

    init(problems: [String]) { self.problems = problems }

    private var allProblems: [String] { self.problems + self.models.flatMap(\.problems) }

    /// The exit code: a wrong model.toml outweighs a wrong model.
    var status: ExitStatus {
        if self.models.contains(where: { !$0.configurationProblems.isEmpty }) {
            return .configuration
        }
        return self.allProblems.isEmpty && !self.models.isEmpty ? .ok : .badData
    }

    /// For people: the models, and below them everything that is wrong.
    var text: String {
        let problems = self.allProblems
        var parts = self.models.map(\.text)
        if self.models.isEmpty, problems.isEmpty {
            parts.append("there is no model: put one at NAME/1/model.onnx")
        }
        if !problems.isEmpty {
            let count = problems.count == 1 ? "1 problem" : "\(problems.count) problems"
            parts.append(([count + ":"] + problems.map { "  \($0)" }).joined(separator: "\n"))
        } else if !self.models.isEmpty {
            parts.append("no problems")
        }
        return parts.joined(separator: "\n\n")
    }

    /// For machines.
    var json: JSON {
        .object([
            ("models", .array(self.models.map(\.json))),
            ("problems", .array(self.allProblems.map { .string($0) })),
        ])
    }
}
