/// What one period of a soak, usually a simulated minute, came to.
package struct SoakPeriod: Sendable {
  /// From 1.
  package var number: Int
  /// Entries in final blocks, and blocks.
  package var final = 0
  package var blocks = 0
  /// Of entries, from when the client wanted to send to the answer, µs of simulated time.
  package var latency = Latencies()
  /// Entries whose clients wait: mean of the samples.
  package var waiting = 0.0
  package var refused = 0
  /// By name; of each sample, the node that has most.
  package var tables: [String: TableLevel] = [:]
  /// Of the node that has most, mean of the samples, bytes.
  package var keptBytes = 0.0
  package var pruneableBytes = 0.0
  package var workingBytes = 0.0
  /// The lowest of all nodes, at the end.
  package var oldestKept: UInt64 = 0
  /// Of the chain, at the end.
  package var height: UInt64 = 0
  package var closes = 0
  /// The latest close after its time, the longest pause between two blocks, and the longest that a
  /// node came after the first with a block, µs.
  package var closeLag: Int64 = 0
  package var gap: Int64 = 0
  package var nodeLag: Int64 = 0
  package var crashes = 0
  package var partitions = 0
  /// Of the process, at the end.
  package var residentBytes = 0
  /// Of the process, for the period.
  package var processorSeconds = 0.0

  package init(number: Int) { self.number = number }

  /// A line of a table in Markdown; `header` goes above.
  package var row: String {
    let cells: [String] = [
      "\(number)", "\(final)", "\(blocks)", Self.milliseconds(latency.percentile(50)),
      Self.milliseconds(latency.percentile(99)), Self.milliseconds(latency.maximum),
      "\(Int(waiting))", Self.megabytes(pruneableBytes), Self.megabytes(keptBytes),
      "\(oldestKept)", Self.milliseconds(closeLag), Self.milliseconds(nodeLag),
      "\(crashes) / \(partitions)", Self.megabytes(Double(residentBytes)),
      Self.decimal(processorSeconds),
    ]
    return "| " + cells.joined(separator: " | ") + " |"
  }

  package static let header = """
    | minute | entries | blocks | p50 ms | p99 | longest | waiting | bodies MB | kept MB \
    | oldest body | close late ms | node late ms | crashes / cuts | RSS MB | CPU s |
    |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
    """

  static func milliseconds(_ microseconds: Int64) -> String { "\((microseconds + 500) / 1000)" }
  static func megabytes(_ bytes: Double) -> String { decimal(bytes / 1_000_000) }

  /// With one decimal.
  static func decimal(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    return "\(tenths / 10).\(abs(tenths % 10))"
  }
}

/// A table's samples of one period. What grows, grows in both: the median alone would mistake a
/// table that is full half of the time for one that grows, the largest one that is seldom seen.
package struct TableLevel: Hashable, Sendable {
  package var median: Int
  package var largest: Int

  /// The same in every sample.
  package init(_ count: Int) { (median, largest) = (count, count) }

  /// Of `samples` samples, of which those in which it was not there had nothing in it.
  package init(_ found: [Int], of samples: Int) {
    let missing = [Int](repeating: 0, count: max(samples - found.count, 0))
    let sorted = (found + missing).sorted()
    median = sorted.isEmpty ? 0 : sorted[sorted.count / 2]
    largest = sorted.last ?? 0
  }
}
