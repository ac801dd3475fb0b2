import Domain
import Foundation
import Node
import ProcessSupport

/// What the node costs, each figure beside the yardstick that bounds it, measured in the same run.
/// `--quick` for smaller figures; `--verifications` prints the first yardstick alone, again and
/// again beside other programs, see `Yardstick.printVerifications`.
@main
struct NodeBenchmark {
  static func main() async throws {
    let arguments = CommandLine.arguments
    guard arguments.dropFirst().allSatisfy({ ["--quick", "--verifications"].contains($0) }) else {
      print("NodeBenchmark [--quick | --verifications]")
      exit(64)
    }
    if arguments.contains("--verifications") { return Yardstick.printVerifications() }
    let isQuick = arguments.contains("--quick")
    let folder = arguments[0].split(separator: "/", omittingEmptySubsequences: false).dropLast()
    let executable = folder.joined(separator: "/") + "/intertie"
    guard FileManager.default.isExecutableFile(atPath: executable) else {
      print("\(executable) is not there: build the product intertie first")
      exit(1)
    }
    // First, while this process is small: it measures resident memory.
    try await AccountBenchmark.run(accounts: isQuick ? 10_000 : 100_000)
    try await ReadingsBenchmark(executable: executable).run(readings: isQuick ? 8192 : 65_536)
    try await BlockBenchmark.run(rounds: isQuick ? 30 : 200)
    try await StartBenchmark.run(lengths: isQuick ? [200] : [1000, 4000, 8000])
  }
}

/// A folder that is gone at the end.
func withFolder<T>(_ body: (String) async throws -> T) async throws -> T {
  let path = NSTemporaryDirectory() + "intertie-bench-\(getpid())-\(UInt32.random(in: 0...(.max)))"
  try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: path) }
  return try await body(path)
}
