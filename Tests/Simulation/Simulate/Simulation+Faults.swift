internal import ZeroMQ

extension Simulation {
    func planFaults(from begin: Int64, to end: Int64) {}
}
