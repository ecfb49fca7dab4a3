internal import Glibc

// Hashing must not be seeded by chance: the order of a dictionary decides what happens first.
if getenv("SWIFT_DETERMINISTIC_HASHING") == nil {
    setenv("SWIFT_DETERMINISTIC_HASHING", "1", 1)
    execv("/proc/self/exe", CommandLine.unsafeArgv)
    fatalError("cannot execute /proc/self/exe again: errno \(errno)")
}

guard let program = Program(CommandLine.arguments) else { exit(64) }
exit(program.run())
