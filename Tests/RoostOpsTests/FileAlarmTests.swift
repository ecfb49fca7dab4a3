import RoostOps
import Testing

@Suite
struct FileAlarmTests {
    @Test("it is raised at 80 %, once, and again only after less than 70 %")
    func raising() {
        var alarm = FileAlarm(limit: 1000)
        let counts = [0, 799, 800, 900, 700, 800, 699, 799, 800, 801]
        let raised = counts.filter { alarm.isRaised(by: $0) }
        #expect(raised == [800, 800])
    }

    @Test("what cannot be counted for want of a descriptor is too many")
    func uncounted() {
        var alarm = FileAlarm(limit: 1000)
        let raised = [alarm.isRaised(by: nil), alarm.isRaised(by: nil)]
        #expect(raised == [true, false])
    }
}
