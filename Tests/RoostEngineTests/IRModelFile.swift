/// Writes OpenVINO IR that gives back what it takes, without weights.
struct IRModelFile {
    /// As IR names datatypes: `f32`, `string`.
    var element = "f32"
    /// `nil`: open.
    var sizes: [Int?] = [nil]
    /// Layers between input and output that take one tensor and give one, by their names in opset 1.
    var layers: [String] = []

    var text: String {
        let dimensions = self.sizes.map { "<dim>\($0 ?? -1)</dim>" }.joined()
        let shape = self.sizes.map { $0.map(String.init) ?? "?" }.joined(separator: ",")
        let precision = self.element == "f32" ? "FP32" : self.element.uppercased()
        func port(_ id: Int, _ names: String) -> String {
            "<port id=\"\(id)\" precision=\"\(precision)\" names=\"\(names)\">\(dimensions)</port>"
        }
        var layers =
            "<layer id=\"0\" name=\"x\" type=\"Parameter\" version=\"opset1\"><data shape=\"\(shape)\" "
            + "element_type=\"\(self.element)\"/><output>\(port(0, "x"))</output></layer>"
        var edges = ""
        for (index, type) in self.layers.enumerated() {
            layers +=
                "<layer id=\"\(index + 1)\" name=\"\(type)\" type=\"\(type)\" version=\"opset1\">"
                + "<input>\(port(0, ""))</input><output>\(port(1, "y\(index + 1)"))</output></layer>"
            edges += Self.edge(index)
        }
        layers +=
            "<layer id=\"\(self.layers.count + 1)\" name=\"result\" type=\"Result\" version=\"opset1\">"
            + "<input>\(port(0, ""))</input></layer>"
        edges += Self.edge(self.layers.count)
        return "<?xml version=\"1.0\"?><net name=\"made\" version=\"11\"><layers>\(layers)</layers>"
            + "<edges>\(edges)</edges></net>"
    }

    private static func edge(_ from: Int) -> String {
        "<edge from-layer=\"\(from)\" from-port=\"\(from == 0 ? 0 : 1)\" to-layer=\"\(from + 1)\" "
            + "to-port=\"0\"/>"
    }
}
