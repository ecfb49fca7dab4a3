import RoostOps
import RoostWire
import Testing

@Suite
struct EnvironmentTests {
    private let environment = Environment {
        ["ROOST_DRAIN_LIMIT": "3s", "ROOST_QUEUE_MAX": "many", "ROOST_BROKER": "a:1,b:2"][$0]
    }

    @Test("the flag wins over the variable, the variable over the default")
    func precedence() throws {
        let flag = TimeSpan(.seconds(1))
        #expect(try self.environment.value("drain-limit", flag: flag) == flag)
        #expect(
            try self.environment.value("drain-limit", flag: TimeSpan?.none)?.duration == .seconds(3)
        )
        #expect(try self.environment.value("zone", flag: nil, default: "here") == "here")
    }

    @Test("a bad value is an error that names the variable")
    func bad() {
        #expect {
            try self.environment.value("queue-max", flag: Int?.none)
        } throws: { error in
            let text = "\(error)"
            return text.contains("ROOST_QUEUE_MAX is 'many'") && text.contains("a whole number")
                && RoostOps.ExitStatus(error) == .configuration
        }
    }

    @Test("several values are separated by commas")
    func list() throws {
        let brokers: [EndpointArgument] = try self.environment.values(
            "broker",
            flags: [],
            default: []
        )
        #expect(brokers.map(\.endpoint.address) == ["tcp://a:1", "tcp://b:2"])
    }
}
