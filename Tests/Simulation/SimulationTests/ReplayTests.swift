import Foundation
import Simulation
import Testing

@Suite struct ReplayTests {
  @Test(arguments: [1, 4, 7])
  func aSeedReplaysExactly(_ validators: Int) async {
    let first = Simulation(RunSettings(validators: validators, seed: 77))
    await first.run()
    let second = Simulation(RunSettings(validators: validators, seed: 77))
    await second.run()
    #expect(first.hash == second.hash)
    #expect(first.counts.events == second.counts.events && first.counts.events > 100)
    let third = Simulation(RunSettings(validators: validators, seed: 78))
    await third.run()
    #expect(third.hash != first.hash)
    print("n = \(validators), seed 77: hash \(String(first.hash, radix: 16)), twice")
  }

  /// Each process seeds its hash tables differently: the order of no Set or Dictionary gets out.
  @Test func anotherProcessComesToTheSameHash() async throws {
    let run = Simulation(RunSettings(validators: 4, seed: 6))
    await run.run()
    for _ in 0..<2 {
      let output = try Self.simulate(["--validators", "4", "--seed", "6"])
      #expect(output.contains("hash \(String(run.hash, radix: 16))\n"), "\(output)")
    }
  }

  /// What the program prints for these arguments.
  private static func simulate(_ arguments: [String]) throws -> String {
    let beside = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    let root = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let places = [
      beside.appendingPathComponent("Simulate"),
      root.appendingPathComponent(".build/release/Simulate"),
    ]
    let found = places.first { FileManager.default.isExecutableFile(atPath: $0.path) }
    let process = Process()
    let program: URL = try #require(found, "no program 'Simulate' in \(places)")
    process.executableURL = program
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.filter { name, _ in
      !name.hasPrefix("INTERTIE_") && name != "SWIFT_DETERMINISTIC_HASHING"
    }
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return String(decoding: output, as: UTF8.self)
  }
}
