import Domain
import Foundation
import Node

/// What the node costs, each figure beside the yardstick that bounds it, measured in the same run.
@main
struct NodeBenchmark {
  static func main() async throws {
    let arguments = CommandLine.arguments
    let isQuick = arguments.contains("--quick")
    let folder = arguments[0].split(separator: "/", omittingEmptySubsequences: false).dropLast()
    let executable = folder.joined(separator: "/") + "/intertie"
    guard FileManager.default.isExecutableFile(atPath: executable) else {
      print("\(executable) is not there: build the product intertie first")
      exit(1)
    }
    // First, while this process is small: it measures resident memory.
    try await AccountBenchmark.run(accounts: isQuick ? 10_000 : 100_000)
    let verify = Yardstick.verificationMicroseconds()
    print("bare Ed25519 verification: \(format(verify)) µs of one core")
    try await ReadingsBenchmark(executable: executable, verification: verify)
      .run(readings: isQuick ? 8192 : 65_536)
    try await BlockBenchmark.run(rounds: isQuick ? 30 : 200)
    try await StartBenchmark.run(lengths: isQuick ? [200] : [1000, 4000, 8000])
  }
}

func format(_ value: Double, _ digits: Int = 1) -> String { String(format: "%.\(digits)f", value) }

/// Seconds of a clock that does not go back.
func now() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

enum Yardstick {
  /// CPU time of one verification of a reading's signature, as the node does it; median of seven.
  static func verificationMicroseconds() -> Double {
    let key = SigningKey.generate()
    let payload = [UInt8](repeating: 7, count: 120)
    let signature = key.sign(payload, for: .reading)
    let runs = (0..<7).map { _ in
      let start = cpuSeconds()
      for _ in 0..<2000 {
        precondition(key.publicKey.verifies(signature, of: payload, for: .reading))
      }
      return (cpuSeconds() - start) / 2000 * 1e6
    }
    return runs.sorted()[3]
  }

  /// CPU seconds of this process.
  static func cpuSeconds() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
  }

  /// CPU seconds of another process, from its stat file.
  static func cpuSeconds(of process: Int32) -> Double {
    let text = (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)) ?? ""
    let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
    guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else {
      return 0
    }
    return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
  }

  /// Resident bytes of this process.
  static func residentBytes() -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
    let fields = text.split(separator: " ")
    return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
  }

  private static func seconds(_ time: timeval) -> Double {
    Double(time.tv_sec) + Double(time.tv_usec) / 1e6
  }
}

/// A folder that is gone at the end.
func withFolder<T>(_ body: (String) async throws -> T) async throws -> T {
  let path = NSTemporaryDirectory() + "intertie-bench-\(getpid())-\(UInt32.random(in: 0...(.max)))"
  try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: path) }
  return try await body(path)
}
