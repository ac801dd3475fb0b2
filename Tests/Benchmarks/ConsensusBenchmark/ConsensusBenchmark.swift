import Foundation
import ProcessSupport

/// What n validators on one machine commit, from a signed reading sent to the acknowledgement of
/// a final, durable block: `[--validators 1,4,7] [--seconds S] [--record FILE]`.
///
/// Everything is on 127.0.0.1, so all nodes and the clients share the machine's cores and its one
/// disk; each figure stands beside the yardsticks of the same run.
@main
struct ConsensusBenchmark {
  private static let loads = [(1, 1), (64, 1), (256, 1), (256, 16)]

  var seconds = 1.0
  var sizes = [1, 4, 7]
  var record: String?

  static func main() async throws {
    if CommandLine.arguments.dropFirst().first == "node" {
      return try await UnsignedNode.run(Array(CommandLine.arguments.dropFirst(2)))
    }
    guard let benchmark = ConsensusBenchmark(Array(CommandLine.arguments.dropFirst())) else {
      print("usage: ConsensusBenchmark [--validators 1,4,7] [--seconds 0.5...20] [--record FILE]")
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
      case "--record": record = value
      case "--seconds":
        guard let number = Double(value), 0.5...20 ~= number else { return nil }
        seconds = number
      case "--validators":
        sizes = value.split(separator: ",").compactMap { Int($0) }
        guard !sizes.isEmpty, sizes.allSatisfy({ 1...16 ~= $0 }) else { return nil }
      default: return nil
      }
    }
  }

  private func run() async throws {
    let verification = Yardstick.verificationMicroseconds()
    print("bare Ed25519 verification: \(format(verification)) µs of one core")
    let path = NodeFolder.fresh()
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    var lines: [String] = []
    for (size, isSigned) in sizes.flatMap({ [($0, true), ($0, false)] }) {
      // Before the nodes are there to use the disk.
      let alone = try syncs(in: path)
      let what = isSigned ? "signed readings" : "unsigned payloads of 256 bytes"
      print("\n\(size) validators, \(what), \(loadText)")
      print("one append of 4 KiB and fdatasync: \(alone.text)")
      try await Fleet.run(size, isSigned: isSigned, at: path) { fleet in
        lines += try await measure(&fleet, path: path, sync: alone.p50, verification: verification)
      }
    }
    if let record {
      try Data((lines.joined(separator: "\n") + "\n").utf8)
        .write(to: URL(fileURLWithPath: record))
    }
  }

  private func syncs(in path: String) throws -> (p50: Double, text: String) {
    let times = Yardstick.syncSeconds(in: path, count: 200).map { $0 * 1000 }
    guard !times.isEmpty else { throw Fault("cannot write in \(path)") }
    let (p50, p99) = (times[times.count / 2], times[times.count * 99 / 100])
    return (p50, "p50 \(format(p50, 3)) ms, p99 \(format(p99, 3)) ms")
  }

  /// Prints one size's table; its lines for the record. `sync` in ms, `verification` in µs.
  private func measure(
    _ fleet: inout Fleet, path: String, sync: Double, verification: Double
  ) async throws -> [String] {
    let size = fleet.places.count
    try await warm(&fleet)
    let idle = try await fleet.idle()
    print("the same beside the idle nodes: \(try syncs(in: path).text)")
    print("idle: \(idle.blocks) blocks a second, all nodes take \(format(idle.cores, 2)) cores")
    print(
      row(["clients x batch", "readings/s", "blocks/s", "p50 ms", "p99 ms", "CPU µs*", "verify"]))
    var lines: [String] = []
    for (clients, batch) in Self.loads {
      let point = Point(clients: clients, batch: batch, isPadded: !fleet.isSigned)
      // Large batches are acknowledged in few large blocks.
      let span = point.batch == 1 ? seconds : seconds * 2
      let name = "\(point.clients) x \(point.batch)"
      guard let result = try await point.run(&fleet, seconds: span) else {
        print(row([name, "nothing was acknowledged within \(format(span)) s"]))
        continue
      }
      let share = fleet.isSigned ? verification / result.microsecondsPerNode * 100 : 0
      print(
        row([
          name, format(result.readingsPerSecond, 0), format(result.blocksPerSecond, 0),
          format(result.p50, 2), format(result.p99, 2), format(result.microsecondsPerNode, 0),
          "\(format(share, 0)) %",
        ]))
      if point.clients == 1 {
        print(
          "    finality at low load: p50 \(format(result.p50 / sync)), p99 "
            + "\(format(result.p99 / sync)) times one fdatasync")
      } else {
        print("    the clients took \(format(result.clientCores, 2)) cores")
      }
      fflush(nil)
      lines.append(
        [
          "\(size)", "\(point.clients)", "\(point.batch)", point.isPadded ? "256" : "reading",
          format(result.readingsPerSecond), format(result.p50, 3), format(result.p99, 3),
          format(result.microsecondsPerNode), format(sync, 4), format(verification),
        ].joined(separator: "\t"))
    }
    print("* of one node for each reading committed")
    return lines
  }

  /// Waits until every node has had a reading committed.
  private func warm(_ fleet: inout Fleet) async throws {
    let nodes = fleet.places.count
    let deadline = Deadline(40)
    while true {
      let point = Point(clients: nodes, batch: 1, isPadded: !fleet.isSigned)
      do {
        if try await point.run(&fleet, seconds: 0.5) != nil { return }
        if deadline.isOver { throw Fault("the nodes take no readings") }
      } catch { if deadline.isOver { throw error } }
      try await Task.sleep(for: .milliseconds(200))
    }
  }

  private func row(_ cells: [String]) -> String {
    let widths = [18, 12, 10, 10, 10, 10, 10]
    return zip(cells, widths).map { cell, width in
      String(repeating: " ", count: max(1, width - cell.count)) + cell
    }.joined()
  }

  private var loadText: String {
    let text = (try? String(contentsOfFile: "/proc/loadavg", encoding: .utf8)) ?? ""
    return "load average \(text.split(separator: " ").first ?? "unknown")"
  }
}
