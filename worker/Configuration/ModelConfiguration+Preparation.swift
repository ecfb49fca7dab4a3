internal import RoostEngine
internal import RoostImage
internal import RoostWire

// The tables `preprocessing` and `post-processing`.

extension ModelConfiguration {
    static let preprocessingKey = "preprocessing"
    static let postprocessingKey = "post-processing"

    mutating func readPreparation(_ table: inout ConfigurationTable) {
        table.table(Self.preprocessingKey) { self.readPreprocessing(&$0) }
        table.table(Self.postprocessingKey) { self.readPostprocessing(&$0) }
    }

    private mutating func readPreprocessing(_ table: inout ConfigurationTable) {
        var read = Preprocessing()
        read.input = table.string("input", "the name of an input")?.text
        if let (kind, line) = table.string("decode", "\"image\""), kind != "image" {
            table.problems.add(
                line,
                "preprocessing.decode is \(ConfigurationProblems.quoted(kind)); there is only"
                    + " \"image\""
            )
        }
        if let entry = table.take("resize") {
            if case .integer(let side) = entry.value, let side = Int(exactly: side),
                Preprocessing.sideBounds.contains(side)
            {
                read.image.resize = .shorterSide(side)
            } else if let size = Self.size(entry.value) {
                read.image.resize = .exact(size)
            } else {
                table.wrong(
                    entry,
                    "[height, width], or the length of the shorter side, up to"
                        + " \(Preprocessing.sideBounds.upperBound)"
                )
            }
        }
        if let entry = table.take("crop") {
            if case .integer(let side) = entry.value, let side = Int(exactly: side),
                Preprocessing.sideBounds.contains(side)
            {
                read.image.crop = PictureSize(height: side, width: side)
            } else if let size = Self.size(entry.value) {
                read.image.crop = size
            } else {
                table.wrong(
                    entry,
                    "the side of the middle square that is kept, or its [height, width], up to"
                        + " \(Preprocessing.sideBounds.upperBound)"
                )
            }
        }
        if let filter = table.choice("filter", ResizeFilter.allCases) { read.image.filter = filter }
        read.image.colors = table.choice("colors", ImagePreparation.Colors.allCases)
        if let order = table.choice("layout", Layout.allCases) {
            read.image.order = order == .nhwc ? .channelsLast : .channelsFirst
        }
        if let scale = table.factor("scale") { read.image.normalization.scale = scale }
        if let mean = table.numbers("mean", { $0.isFinite }, "finite") {
            read.image.normalization.mean = mean
        }
        if let deviation = table.numbers("deviation", { $0 > 0 && $0.isFinite }, "positive") {
            read.image.normalization.deviation = deviation
        }
        if let pixels = table.integer("max-pixels", Preprocessing.pixelCountBounds) {
            read.image.limits.pixelCountMax = pixels
        }
        self.preprocessing = read
    }

    private enum Layout: String, CaseIterable {
        case nchw = "NCHW"
        case nhwc = "NHWC"
    }

    private static func size(_ value: TOMLValue) -> PictureSize? {
        guard case .array(let elements) = value, elements.count == 2,
            case .integer(let height) = elements[0], let height = Int(exactly: height),
            case .integer(let width) = elements[1], let width = Int(exactly: width),
            Preprocessing.sideBounds.contains(height), Preprocessing.sideBounds.contains(width)
        else { return nil }
        return PictureSize(height: height, width: width)
    }

    private mutating func readPostprocessing(_ table: inout ConfigurationTable) {
        var read = Postprocessing()
        read.output = table.string("output", "the name of an output")?.text
        read.isSoftmax = table.boolean("softmax") ?? false
        read.hasIndex = table.boolean("index") ?? false
        read.keepsScores = table.boolean("keep-scores") ?? false
        if let top = table.integer("top", Postprocessing.topBounds) { read.top = top }
        if let (file, line) = table.string("labels", "the name of a file, such as \"labels.txt\"") {
            read.labelsFile = file
            if !Self.isWithin(file) {
                table.problems.add(
                    line,
                    "post-processing.labels must be a file in the version's or the model's directory"
                )
            }
        }
        self.postprocessing = read
    }

    /// What the two tables say of each other and of themselves.
    func preparationContradictions(_ problems: inout ConfigurationProblems) {
        guard let image = self.preprocessing?.image, let crop = image.crop else { return }
        func isTooLarge(_ side: Int, _ whole: Int, _ name: String) {
            guard side > whole else { return }
            problems.add(
                self.lines["preprocessing.crop"] ?? 0,
                "preprocessing.crop has a \(name) of \(side), more than the \(whole) that is left by"
                    + " resize"
            )
        }
        switch image.resize {
        case .exact(let size):
            isTooLarge(crop.height, size.height, "height")
            isTooLarge(crop.width, size.width, "width")
        case .shorterSide(let side):
            // A square picture has no longer side.
            isTooLarge(crop.height, side, "height")
            isTooLarge(crop.width, side, "width")
        case nil: break
        }
    }
}

// MARK: Seen against the model

extension ModelConfiguration {
    /// The session with what is around it, of a model whose signature is seen for the first time.
    ///
    /// - Parameter source: the version.
    func prepared(
        _ session: any Session,
        _ source: ModelSource
    ) throws(ModelProblems) -> any Session {
        guard self.preprocessing != nil || self.postprocessing != nil else { return session }
        var problems = ConfigurationProblems(file: self.file ?? source.directory)
        let image = self.image(session.signature, &problems)
        let classification = self.classification(
            session,
            [source.directory, source.modelDirectory],
            &problems
        )
        guard problems.isEmpty else { throw ModelProblems(problems: problems.texts) }
        return PreparedSession(session, image: image, classification: classification)
    }

    private func image(
        _ signature: ModelSignature,
        _ problems: inout ConfigurationProblems
    ) -> (index: Int, input: PreparedImage)? {
        guard let preprocessing else { return nil }
        func add(_ key: String, _ message: String) {
            problems.add(self.line(Self.preprocessingKey, key), "preprocessing: \(message)")
        }
        let known = signature.inputs.map { "'\($0.name)'" }.joined(separator: ", ")
        guard
            let index = preprocessing.input.map({ name in
                signature.inputs.firstIndex { $0.name == name }
            }) ?? (signature.inputs.count == 1 ? 0 : nil)
        else {
            let name = preprocessing.input.map(ConfigurationProblems.quoted)
            add(
                "input",
                name.map { "the model has no input \($0); it has \(known)" }
                    ?? "say which input is the picture: \(known)"
            )
            return nil
        }
        let input = signature.inputs[index]
        if self.state[input.name] != nil {
            add("input", "'\(input.name)' is the sequences' state")
        }
        do throws(PreparedImage.Misfits) {
            return (index, try PreparedImage(preprocessing.image, signature: input))
        } catch {
            for misfit in error.all { add(misfit.part.rawValue, misfit.reason) }
            return nil
        }
    }

    private func classification(
        _ session: any Session,
        _ directories: [String],
        _ problems: inout ConfigurationProblems
    ) -> Classification? {
        guard let postprocessing else { return nil }
        func add(_ key: String, _ message: String) {
            problems.add(self.line(Self.postprocessingKey, key), "post-processing: \(message)")
        }
        let text: String
        do throws(LabelsProblem) {
            text = try self.labels(postprocessing, session, directories)
        } catch {
            add("labels", error.reason)
            return nil
        }
        if let output = postprocessing.output, self.state.values.contains(output) {
            add("output", "'\(output)' is the sequences' state")
        }
        do throws(Classification.Misfit) {
            return try Classification(
                postprocessing,
                outputs: session.signature.outputs,
                names: text.split(whereSeparator: \.isNewline).map(String.init)
            )
        } catch {
            add(error.key, error.reason)
            return nil
        }
    }

    private struct LabelsProblem: Error {
        let reason: String
    }

    /// The names of the classes: from the version's directory, else the model's, else the model's own.
    private func labels(
        _ postprocessing: Postprocessing,
        _ session: any Session,
        _ directories: [String]
    ) throws(LabelsProblem) -> String {
        guard let file = postprocessing.labelsFile else {
            let own = self.metadata(session.metadata).first { $0.key == Self.classesKey }
            guard let own else {
                throw LabelsProblem(
                    reason: "the classes have no names: say the file that has them with labels"
                )
            }
            return own.value
        }
        let name = ConfigurationProblems.quoted(file)
        for directory in directories {
            do throws(ConfinedFile.Failure) {
                if let text = try Self.text(file, directory) { return text }
            } catch {
                switch error {
                case .missing: continue
                case .unusable(let reason): throw LabelsProblem(reason: "file \(name) \(reason)")
                }
            }
            throw LabelsProblem(reason: "file \(name) is not UTF-8")
        }
        throw LabelsProblem(
            reason: "file \(name) is neither in the version's directory nor in the model's"
        )
    }

    /// Remembers the file with the names of the classes that lies in the model's directory, if one
    /// does: versions are loaded again when it changes.
    mutating func loadLabels(_ directory: String) {
        guard let file = self.postprocessing?.labelsFile else { return }
        // What is wrong with it is told of the versions that have none of their own.
        self.postprocessing?.labels = (try? Self.text(file, directory)) ?? nil
    }

    /// `nil`: it is not UTF-8.
    private static func text(
        _ file: String,
        _ directory: String
    ) throws(ConfinedFile.Failure) -> String? {
        let bytes = try ConfinedFile.read(
            file,
            in: directory,
            byteCountMax: Postprocessing.labelsBytesMax
        )
        return bytes.withUnsafeBytes { String(validating: $0, as: UTF8.self) }
    }

    /// The line of a key of a table, or else the table's.
    private func line(_ table: String, _ key: String) -> Int {
        self.lines["\(table).\(key)"] ?? self.lines[table] ?? 0
    }
}

// MARK: Values

extension ConfigurationTable {
    /// One of some words.
    fileprivate mutating func choice<Choice: RawRepresentable<String>>(
        _ key: String,
        _ choices: [Choice]
    ) -> Choice? {
        guard let entry = self.take(key) else { return nil }
        if case .string(let text) = entry.value, let choice = Choice(rawValue: text) {
            return choice
        }
        let words = choices.map { "\"\($0.rawValue)\"" }
        self.wrong(
            entry,
            words.dropLast().joined(separator: ", ") + " or \(words.last ?? "")"
        )
        return nil
    }

    /// A number that is not zero, or a fraction as text: `"1/255"`.
    fileprivate mutating func factor(_ key: String) -> Float? {
        guard let entry = self.take(key) else { return nil }
        var value = entry.value.number
        if case .string(let text) = entry.value {
            let parts = text.split(separator: "/", omittingEmptySubsequences: false)
            if parts.count == 2, let over = Float(parts[0]), let under = Float(parts[1]) {
                value = over / under
            }
        }
        if let value, value.isFinite, value != 0 { return value }
        self.wrong(entry, "a number other than 0, or a fraction such as \"1/255\"")
        return nil
    }

    /// One number, or one for each of three channels.
    fileprivate mutating func numbers(
        _ key: String,
        _ isFit: (Float) -> Bool,
        _ quality: String
    ) -> [Float]? {
        guard let entry = self.take(key) else { return nil }
        var values: [TOMLValue] = [entry.value]
        if case .array(let elements) = entry.value { values = elements }
        let numbers = values.compactMap(\.number).filter(isFit)
        if numbers.count == values.count, numbers.count == 1 || numbers.count == 3 {
            return numbers
        }
        self.wrong(entry, "one \(quality) number, or three, such as [0.5, 0.5, 0.5]")
        return nil
    }
}

extension TOMLValue {
    fileprivate var number: Float? {
        switch self {
        case .integer(let value): Float(value)
        case .float(let value): Float(value)
        default: nil
        }
    }
}
