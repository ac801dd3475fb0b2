import ArgumentParser
import Domain
import Foundation
import Node
import Storage

struct DemoCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo",
    abstract: "Runs days of four real communities that couple their markets, and reports.",
    discussion: """
      Starts four nodes as processes of their own and drives them over gRPC as meters and members \
      would: registers the homes with their own keys, streams their measured load and generation \
      in accelerated chain time, and trades by their agents. The same days pass twice: first with \
      each community by itself, then with lines between them, over the backbone that their nodes \
      keep together. Ends with a report on standard output and an audit that replays all chains \
      from their geneses and holds them against each other. Exit code 1 if anything does not add \
      up.

      With --grids 1 a single community, of twelve homes, has its week, with some orders by hand \
      and a longer report.
      """)

  @Option(help: "Communities: 4, or 1 by itself.") var grids = 4
  @Option(help: "Days from Monday on, 1 to 7. Default: 3, of one community 7.") var days: Int?
  @Option(
    help: """
      Wall-clock minutes for these days, 0.1 to 600; of four communities while they are coupled, \
      and half of it before. Default: a minute a day, more where rounds come too late; one \
      community's week 2.
      """)
  var minutes: Double?
  @Option(help: "Of one community: homes that take part, from the first of the data on: 1 to 12.")
  var homes = MeasuredDays.sierraHomes
  @Option(help: "Writes the report to this file as JSON, too.") var json: String?
  @Option(help: "Keeps chains, geneses and all keys in this new folder.") var keep: String?
  @Option(help: "Folder of the measured data, if it is not beside the executable.")
  var dataFolder: String?

  func validate() throws {
    guard grids == 1 || grids == 4 else { throw ValidationError("--grids takes 1 or 4") }
    guard (1...MeasuredDays.week).contains(days ?? 1) else {
      throw ValidationError("--days takes 1 to 7")
    }
    guard (0.1...600).contains(minutes ?? 1) else {
      throw ValidationError("--minutes takes 0.1 to 600")
    }
    guard (1...MeasuredDays.sierraHomes).contains(homes) else {
      throw ValidationError("--homes takes 1 to \(MeasuredDays.sierraHomes)")
    }
    guard grids == 1 || homes == MeasuredDays.sierraHomes else {
      throw ValidationError("--homes is for --grids 1")
    }
  }

  func run() async throws {
    let data = try MeasuredDays.folder(asked: dataFolder, executable: NodeProcess.executable)
    let folder = try DemoFolder(keep: keep)
    defer { folder.remove() }
    if grids == 1 {
      let demo = try CommunityDemo(
        data: data, homes: homes, days: days ?? MeasuredDays.week, minutes: minutes)
      let report = try await interruptible { try await demo.play(in: folder) }
      try end(report, text: report.text, faults: report.faults, audit: folder.auditCommand)
    } else {
      let demo = try UnionDemo(data: data, days: days ?? UnionDemo.days, minutes: minutes)
      let report = try await interruptible { try await demo.play(in: folder) }
      try end(
        report, text: report.text, faults: report.faults,
        audit: "intertie audit --network \(folder.path)")
    }
  }

  private func end(
    _ report: some Encodable, text: String, faults: [String], audit: String
  ) throws {
    // Figures of days that went wrong mean nothing to who reads them.
    if faults.isEmpty { print(text, terminator: "") }
    if let json { try Files.json(report).write(to: URL(fileURLWithPath: json), options: .atomic) }
    if let keep { print("\nKept in \(keep). Check it again:\n  \(audit)") }
    guard faults.isEmpty else {
      throw CommandFailure(
        "not as it should be, so that there is no report:\n  "
          + faults.joined(separator: "\n  ")
          + "\nA machine that is too busy is the likely cause; --minutes gives the days more time.")
    }
  }

  /// Runs `body`, which is cancelled by Ctrl-C and SIGTERM.
  private func interruptible<Report: Sendable>(
    _ body: @escaping @Sendable () async throws -> Report
  ) async throws -> Report {
    let (interrupts, continuation) = AsyncStream<Void>.makeStream()
    let signals = StopSignals { continuation.yield() }
    defer { signals.cancel() }
    return try await withThrowingTaskGroup(of: Report?.self) { group in
      group.addTask { try await body() }
      group.addTask {
        for await _ in interrupts { throw CommandFailure("interrupted") }
        return nil
      }
      defer { group.cancelAll() }
      do {
        guard let report = try await group.next(), let report else { throw CancellationError() }
        return report
      } catch {
        // The nodes are stopped before their folder goes.
        group.cancelAll()
        while await group.nextResult() != nil {}
        throw error
      }
    }
  }
}
