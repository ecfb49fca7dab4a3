import RoostOps
import Testing

@Suite
struct TimeSpanTests {
    @Test(
        "durations are read with their unit",
        arguments: [
            ("250ms", Duration.milliseconds(250)), ("2s", .seconds(2)), ("1m", .seconds(60)),
            ("1.5s", .milliseconds(1500)), ("0", .zero), ("10us", .microseconds(10)),
            ("1h", .seconds(3600)), ("8784h", .seconds(366 * 86_400)),
        ]
    )
    func valid(text: String, duration: Duration) {
        #expect(TimeSpan(argument: text)?.duration == duration)
    }

    @Test(
        "what is no duration is refused",
        arguments: [
            "", "2", "s", "-1s", "2 s", "1e3s", "nan", "8785h", "2sec", "1.2.3s", "99999999999h",
        ]
    )
    func invalid(text: String) {
        #expect(TimeSpan(argument: text) == nil)
    }

    @Test("a number without a unit is taken where its unit is plain")
    func bare() {
        #expect(TimeSpan("10", bareUnit: "s")?.duration == .seconds(10))
    }

    @Test(
        "a duration is written the shortest way",
        arguments: [("90s", "90s"), ("120s", "2m"), ("1500ms", "1500ms"), ("0s", "0s")]
    )
    func description(text: String, expected: String) {
        #expect(TimeSpan(argument: text)?.description == expected)
    }

    @Test(
        "times are shown with three digits",
        arguments: [
            (Duration.nanoseconds(85_300), "85.3us"), (.microseconds(999), "999us"),
            (.nanoseconds(999_600), "1.00ms"), (.milliseconds(12), "12.0ms"),
            (.seconds(1234), "1234s"), (.zero, "0.00us"),
        ]
    )
    func text(duration: Duration, expected: String) {
        #expect(duration.text == expected)
    }
}
