import RoostOps
import Testing

@Suite
struct JSONTests {
    @Test(
        "what is read is written again",
        arguments: [
            #"{"a":[1,2.50,-3e4],"b":{"c":null},"d":[true,false],"e":"x\n\"\\y"}"#, "[]", "{}",
            "18446744073709551615", #""ä€😀""#,
        ]
    )
    func roundTrip(text: String) throws {
        #expect(try JSON.parse(text).description == text)
    }

    @Test("escapes become what they stand for")
    func escapes() throws {
        #expect(try JSON.parse(#" "\u00e4\ud83d\ude00\/\t" "#) == .string("ä😀/\t"))
        #expect(JSON.string("\u{1}\u{7f}").description == #""\u0001\u007f""#)
    }

    @Test(
        "broken texts are errors",
        arguments: [
            "", "[", "[1", "[1,", "[1 2]", "{", "{\"a\"", "{\"a\":}", "{a:1}", "\"", "\"\\x\"",
            "tru", "1.", "+1", "0x10", "1 2", "\"\\u12\"", "\"\u{1}\"", "nan", "inf",
        ]
    )
    func broken(text: String) {
        #expect(throws: JSON.ParseError.self) { try JSON.parse(text) }
    }

    @Test("nesting is bounded", arguments: [(JSON.depthMax, true), (JSON.depthMax + 1, false)])
    func depth(depth: Int, isGood: Bool) {
        let text =
            String(repeating: "[", count: depth + 1)
            + String(repeating: "]", count: depth + 1)
        #expect(((try? JSON.parse(text)) != nil) == isGood)
    }

    @Test("no truncation of a text crashes")
    func truncation() throws {
        let bytes = Array(#"{"a":[1,2.5e3,"\u00e4\n"],"b":null,"c":true}"#.utf8)
        for length in 0..<bytes.count {
            #expect(throws: JSON.ParseError.self) { try JSON.parse(Array(bytes.prefix(length))) }
        }
    }

    @Test("infinity and NaN become null")
    func notFinite() {
        #expect(JSON.number(Float.nan) == .null)
        #expect(JSON.number(-Double.infinity) == .null)
    }
}
