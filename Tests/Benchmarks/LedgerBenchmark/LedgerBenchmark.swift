import Foundation
import ProcessSupport

/// Transfers a second: the ledger's core alone, with the root at a block's end, through the whole
/// pipeline, and durable in the store. No signature is verified, none made.
///
///     LedgerBenchmark [--rounds 1...9] [--seconds 0.1...5] [--record FILE]
///
/// `--seconds` is what each figure takes in each round; the median of the rounds counts, by the
/// rate. `--record` appends each sample: picks, stage, block, transfers a second, µs of CPU.
@main
struct LedgerBenchmark {
  private static let stages: [(Figure.Stage, [Int])] = [
    (.hold, [4096]), (.root, [256, 4096]), (.execute, [256, 4096]), (.bytes, [256, 4096]),
    (.durable, [1, 8, 32, 256, 4096]),
  ]

  var rounds = 3
  var seconds = 0.4
  var record: String?
  private var samples: [Figure: [Sample]] = [:]

  static func main() async {
    guard var benchmark = LedgerBenchmark(Array(CommandLine.arguments.dropFirst())) else {
      print("usage: LedgerBenchmark [--rounds 1...9] [--seconds 0.1...5] [--record FILE]")
      exit(2)
    }
    do {
      try await benchmark.run()
    } catch {
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
      case "--rounds":
        guard let number = Int(value), 1...9 ~= number else { return nil }
        rounds = number
      case "--seconds":
        guard let number = Double(value), 0.1...5 ~= number else { return nil }
        seconds = number
      case "--record": record = value
      default: return nil
      }
    }
  }

  private mutating func run() async throws {
    for _ in 0..<rounds {
      for picks in Picks.all { try await measure(picks) }
    }
    try writeRecord()
    printTable()
  }

  private mutating func measure(_ picks: Picks) async throws {
    var ledger = try BareLedger(picks)
    for (stage, blocks) in Self.stages where stage == .hold || stage == .root {
      for block in blocks {
        let sample = try ledger.run(stage, block: block, seconds: seconds)
        samples[Figure(stage: stage, block: block, picks: picks), default: []].append(sample)
      }
    }
    try ledger.check()
    var bare = try await Chain(picks)
    try await measure(&bare, picks) { $0 == .execute || $0 == .bytes }
    let folder = NSTemporaryDirectory() + "intertie-ledger-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var stored = try await Chain(picks, folder: folder)
    try await measure(&stored, picks) { $0 == .durable }
  }

  private mutating func measure(
    _ chain: inout Chain, _ picks: Picks, _ isWanted: (Figure.Stage) -> Bool
  ) async throws {
    for (stage, blocks) in Self.stages where isWanted(stage) {
      for block in blocks {
        let sample = try await chain.run(stage, block: block, seconds: seconds)
        samples[Figure(stage: stage, block: block, picks: picks), default: []].append(sample)
      }
    }
    try await chain.check()
  }

  // MARK: What came of it

  private func writeRecord() throws {
    guard let record else { return }
    var text = ""
    for (stage, blocks) in Self.stages {
      for block in blocks {
        for picks in Picks.all {
          for sample in samples[Figure(stage: stage, block: block, picks: picks)] ?? [] {
            text +=
              "\(picks.name)\t\(stage)\t\(block)\t\(format(sample.rate, 0))\t"
              + "\(format(sample.cost, 3))\n"
          }
        }
      }
    }
    if !FileManager.default.fileExists(atPath: record) {
      try Data().write(to: URL(fileURLWithPath: record))
    }
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: record))
    try file.seekToEnd()
    try file.write(contentsOf: Data(text.utf8))
    try file.close()
  }

  private func printTable() {
    let sync = Yardstick.syncSeconds(in: NSTemporaryDirectory(), count: 200)
    print(
      "medians of \(rounds), \(format(seconds)) s each; one fdatasync of 4 KiB takes "
        + "\(format((sync.isEmpty ? 0 : sync.median) * 1e3, 2)) ms\n")
    row(
      ["transfers a second", "in a block", "100,000 accounts", "1,000", "100,000, skewed"]
        + ["µs of CPU each, of 100,000"])
    print("|" + String(repeating: "---|", count: 6))
    for (stage, blocks) in Self.stages {
      for block in blocks {
        let sets = Picks.all.map { samples[Figure(stage: stage, block: block, picks: $0)] ?? [] }
        row(
          [stage.title, "\(block)"] + sets.map { format($0.map(\.rate).median, 0) }
            + [format(sets[0].map(\.cost).median, 2)])
      }
    }
  }

  private func row(_ cells: [String]) { print("| " + cells.joined(separator: " | ") + " |") }
}

extension Figure.Stage {
  var title: String {
    switch self {
    case .hold: "checked and posted by the core"
    case .root: "the same, with the state root"
    case .execute: "the whole pipeline"
    case .bytes: "the same, from the block's bytes"
    case .durable: "the same, durable in the store"
    }
  }
}
