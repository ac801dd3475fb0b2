import Foundation
import ProcessSupport

/// What grids with a backbone between them cost, on nodes that are processes of their own, with
/// TLS between them: `[--only transfers,readings,rounds,replica] [--runs 1...9]`.
///
/// All nodes and the clients share the machine's cores and its one disk.
@main
struct UnionBenchmark {
  private static let parts = ["transfers", "readings", "rounds", "replica"]

  var chosen = parts
  /// Of the readings, for each number of grids; the median counts.
  var runs = 3

  static func main() async throws {
    guard let benchmark = UnionBenchmark(Array(CommandLine.arguments.dropFirst())) else {
      print("usage: UnionBenchmark [--only \(parts.joined(separator: ","))] [--runs 1...9]")
      exit(2)
    }
    do { try await benchmark.run() } catch {
      print("failed: \(error)")
      exit(1)
    }
  }

  /// Nil if the arguments are not as the usage says.
  private init?(_ arguments: [String]) {
    guard arguments.count % 2 == 0 else { return nil }
    for index in stride(from: 0, to: arguments.count, by: 2) {
      let value = arguments[index + 1]
      switch arguments[index] {
      case "--only":
        chosen = value.split(separator: ",").map(String.init)
        guard !chosen.isEmpty, chosen.allSatisfy(Self.parts.contains) else { return nil }
      case "--runs":
        guard let number = Int(value), 1...9 ~= number else { return nil }
        runs = number
      default: return nil
      }
    }
  }

  private func run() async throws {
    let load = (try? String(contentsOfFile: "/proc/loadavg", encoding: .utf8)) ?? "unknown"
    print("load average \(load.split(separator: " ").first ?? "")")
    print("bare Ed25519 verification: \(format(Yardstick.verificationMicroseconds())) µs of a core")
    if chosen.contains("transfers") { try await TransferBenchmark.run() }
    if chosen.contains("readings") { try await ReadingBenchmark.run(times: runs) }
    if chosen.contains("rounds") { try await RoundBenchmark.run() }
    if chosen.contains("replica") { try ReplicaBenchmark.run() }
  }
}

func row(_ cells: [String]) { print("| " + cells.joined(separator: " | ") + " |") }

/// A table's first two lines.
func table(_ title: String, _ columns: [String]) {
  print("\n\(title)\n")
  row(columns)
  print("|" + String(repeating: "---|", count: columns.count))
}

func fileBytes(_ path: String) -> Int {
  let attributes = try? FileManager.default.attributesOfItem(atPath: path)
  return (attributes?[.size] as? Int) ?? 0
}

extension [Double] {
  /// The smallest value that `percent` of all, 1...100, are at most as large as; there is one value
  /// at least.
  func percentile(_ percent: Int) -> Double { sorted()[(count * percent + 99) / 100 - 1] }
  var median: Double { percentile(50) }
}
