import Testing

@testable import RoostWorker

@Suite
struct TOMLParserTests {
    private static func value(_ text: String) throws(TOMLSyntaxError) -> TOMLValue? {
        try TOMLParser.parse(Array("x = \(text)".utf8)).first?.value
    }

    @Test(
        "values are read",
        arguments: [
            ("1", TOMLValue.integer(1)), ("-0", .integer(0)), ("+17", .integer(17)),
            ("1_000", .integer(1_000)), ("0xDEAD_beef", .integer(0xDEAD_BEEF)),
            ("0o17", .integer(15)), ("0b101", .integer(5)),
            ("9223372036854775807", .integer(.max)), ("-9223372036854775808", .integer(.min)),
            ("1.5", .float(1.5)), ("-2e3", .float(-2_000)), ("6.25E-2", .float(0.0625)),
            ("1_0.0_1", .float(10.01)), ("inf", .float(.infinity)), ("-inf", .float(-.infinity)),
            ("true", .boolean(true)), ("false", .boolean(false)), ("''", .string("")),
            ("'a\\n\"'", .string("a\\n\"")), ("\"a#b\" # c", .string("a#b")),
            (#""\b\t\n\f\r\"\\\u00e9\U0001F600""#, .string("\u{8}\t\n\u{C}\r\"\\\u{E9}\u{1F600}")),
            ("\"\u{E9}\"", .string("\u{E9}")), ("[]", .array([])),
            ("[1, 'a', [2], ]", .array([.integer(1), .string("a"), .array([.integer(2)])])),
            ("[ # first\r\n 1,\n\n # second\n 2\n]", .array([.integer(1), .integer(2)])),
            ("{}", .table([])),
            (
                "{ a = 1, b.c = 2 }",
                .table([
                    TOMLEntry(key: "a", line: 1, value: .integer(1)),
                    TOMLEntry(
                        key: "b",
                        line: 1,
                        value: .table([TOMLEntry(key: "c", line: 1, value: .integer(2))])
                    ),
                ])
            ),
        ]
    )
    func values(text: String, value: TOMLValue) throws {
        #expect(try Self.value(text) == value)
    }

    @Test(
        "what is no value is refused",
        arguments: [
            "", "01", "-01", "1_", "_1", "1__0", "+0x1", "0x", "0xg", "0b2", "1.", ".5", "1e",
            "1.e5", "00.5", "9223372036854775808", "--1", "+-1", "TRUE", "yes", "nil", "1 2",
            "'a", "\"a", "\"\\x\"", "\"\\u12\"", "\"\\uD800\"", "\"\\U00110000\"", "\"\"\"a\"\"\"",
            "\'\'\'a\'\'\'", "[1", "[1 2]", "[,]", "{ a = 1", "{ a = 1, }", "{ a = 1, a = 2 }",
            "{ a }",
            "1979-05-27", "07:32:00", "\u{661}", "'a\u{7}'", "'a\n'", "'a\rb'",
        ]
    )
    func invalid(text: String) {
        #expect(throws: TOMLSyntaxError.self) { try Self.value(text) }
    }

    @Test("tables, dotted keys and quoted keys make one tree, each with its line")
    func tables() throws {
        let document = """
            a.b = 1
            "a".'c d' = 2   # more of the same table

            [t.u]
            x = 3
            [t]
            y = 4
            """
        let expected = [
            TOMLEntry(
                key: "a",
                line: 1,
                value: .table([
                    TOMLEntry(key: "b", line: 1, value: .integer(1)),
                    TOMLEntry(key: "c d", line: 2, value: .integer(2)),
                ])
            ),
            TOMLEntry(
                key: "t",
                line: 6,
                value: .table([
                    TOMLEntry(
                        key: "u",
                        line: 4,
                        value: .table([TOMLEntry(key: "x", line: 5, value: .integer(3))])
                    ), TOMLEntry(key: "y", line: 7, value: .integer(4)),
                ])
            ),
        ]
        #expect(try TOMLParser.parse(Array(document.utf8)) == expected)
        let other = document.split(separator: "\n", omittingEmptySubsequences: false)
            .joined(separator: "\r\n")
        #expect(try TOMLParser.parse(Array(("\u{FEFF}" + other).utf8)) == expected)
    }

    @Test(
        "what is set twice is refused in the line of the second",
        arguments: [
            "a = 1\na = 2", "[a]\n[a]", "a = 1\n[a]", "[a.b]\n[a.b]", "a = {}\n[a]",
            "a.b = 1\n[a]", "a = 1\na.b = 2", "a = {}\na.b = 2", "a = 1\n[a.b]", "a = 1\n\"a\" = 2",
            "[a.b.c]\na.b = 1\n[a.b]\n[a]\nb = 1",
        ]
    )
    func twice(text: String) {
        let error = #expect(throws: TOMLSyntaxError.self) { try TOMLParser.parse(Array(text.utf8)) }
        #expect(error?.line == text.split(separator: "\n").count)
        #expect(error?.reason.contains("is set twice, first in line") == true)
    }

    @Test("a dotted key adds nothing to a table that a header has opened")
    func dottedIntoHeader() {
        #expect(throws: TOMLSyntaxError.self) {
            try TOMLParser.parse(Array("[a.b]\nx = 1\n[a]\nb.y = 2".utf8))
        }
    }

    @Test(
        "an error names its line",
        arguments: [
            ("\n\nx", 3), ("a = 1 b = 2", 1), ("a = [\n1,\n!", 3), ("[a", 1), ("\n[a] b", 2),
            ("[[a]]", 1), ("a..b = 1", 1), (".a = 1", 1), ("= 1", 1), ("a = 1\n\u{0}", 2),
            ("a = 1\r", 1), ("# \u{1}", 1),
        ]
    )
    func lines(text: String, line: Int) {
        let error = #expect(throws: TOMLSyntaxError.self) { try TOMLParser.parse(Array(text.utf8)) }
        #expect(error?.line == line)
    }

    @Test("bytes that are no UTF-8 are named by their line")
    func encoding() {
        let error = #expect(throws: TOMLSyntaxError.self) {
            try TOMLParser.parse(Array("a = 1\n# ".utf8) + [0xFF])
        }
        #expect(error == TOMLSyntaxError(line: 2, reason: "it is not UTF-8"))
    }
}
