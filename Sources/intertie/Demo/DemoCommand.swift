import ArgumentParser
import Domain
import Foundation
import Node
import Storage

struct DemoCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo",
    abstract: "Runs a week of twelve real homes in two minutes, and reports.",
    discussion: """
      Starts a node as a process of its own and drives it over gRPC as meters and members would: \
      registers the homes with their own keys, streams their measured load and generation in \
      accelerated chain time, trades by their agents and a few orders by hand. Ends with a report \
      on standard output and an audit that replays the chain from its genesis. Exit code 1 if \
      anything does not add up.
      """)

  @Option(help: "Wall-clock minutes for the week, 0.25 to 120.") var minutes = 2.0
  @Option(help: "Homes that take part, from the first of the data on: 1 to 12.") var homes = 12
  @Option(help: "Writes the report to this file as JSON, too.") var json: String?
  @Option(help: "Keeps the chain, the genesis and all keys in this new folder.") var keep: String?
  @Option(help: "Folder of the measured data, if it is not beside the executable.")
  var dataFolder: String?

  func validate() throws {
    guard (0.25...120).contains(minutes) else {
      throw ValidationError("--minutes takes 0.25 to 120")
    }
    guard (1...12).contains(homes) else { throw ValidationError("--homes takes 1 to 12") }
  }

  func run() async throws {
    let source = try MeasuredWeek.folder(asked: dataFolder, executable: NodeProcess.executable)
    let week = try MeasuredWeek(folder: source, homes: homes)
    let folder = try DemoFolder(keep: keep)
    defer { folder.remove() }
    let report = try await interruptible { try await play(week, in: folder) }
    print(report.text, terminator: "")
    if let json { try Files.json(report).write(to: URL(fileURLWithPath: json), options: .atomic) }
    if keep != nil {
      print(
        "\nKept in \(folder.path). Check it again:\n  intertie audit --genesis \(folder.genesis) "
          + "--data \(folder.data)")
    }
    guard report.faults.isEmpty else {
      throw CommandFailure("not as it should be:\n  " + report.faults.joined(separator: "\n  "))
    }
  }

  /// Runs `body`, which is cancelled by Ctrl-C and SIGTERM.
  private func interruptible(
    _ body: @escaping @Sendable () async throws -> DemoReport
  ) async throws -> DemoReport {
    let (interrupts, continuation) = AsyncStream<Void>.makeStream()
    let signals = StopSignals { continuation.yield() }
    defer { signals.cancel() }
    return try await withThrowingTaskGroup(of: DemoReport?.self) { group in
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
        // The node is stopped before its folder goes.
        group.cancelAll()
        while await group.nextResult() != nil {}
        throw error
      }
    }
  }

  /// Wall-clock seconds for starting the node and registering everybody; when one is too short on
  /// a busy machine, the next is tried with a new chain.
  private static let leads: [Int64] = [6, 20, 60]

  private func play(_ week: MeasuredWeek, in folder: DemoFolder) async throws -> DemoReport {
    let keys = DemoKeys(homes: week.homes.map(\.name))
    try folder.save(keys)
    DemoProgress.say("Starting a node for \(homes == 1 ? "one home" : "\(homes) homes") ...")
    for lead in Self.leads {
      let plan = DemoPlan(
        week: week, keys: keys, minutes: minutes, lead: lead,
        wallOrigin: Int64(Date().timeIntervalSince1970))
      folder.clear()
      let faults = plan.genesis.faults
      guard faults.isEmpty else { throw CommandFailure(faults.joined(separator: "\n")) }
      try Files.create(folder.genesis, try Files.json(plan.genesis))
      if let outcome = try await live(plan, in: folder) {
        return DemoReport(
          plan: plan, findings: outcome.findings, tally: outcome.tally, hands: outcome.hands,
          audit: try await audit(plan, in: folder))
      }
    }
    throw CommandFailure("this machine is too busy to start a node in a minute")
  }

  /// What happened in the week, as the clients saw it.
  private struct Outcome: Sendable {
    var tally = ReadingTally()
    var hands: [HandResult] = []
    var findings = DemoFindings()
  }

  /// The node's life: nil when the week had begun before everybody was registered.
  private func live(_ plan: DemoPlan, in folder: DemoFolder) async throws -> Outcome? {
    let node = try NodeProcess(folder: folder)
    let outcome: Outcome?
    do {
      let port = try await node.port()
      let address = NodeAddress(node: "127.0.0.1:\(port)", ca: folder.certificate)
      outcome = try await address.connect { connection in
        try await spend(DemoSession(plan: plan, connection: connection))
      }
    } catch {
      let hasEnded = !node.isRunning
      let fault = node.stop()
      if hasEnded { throw CommandFailure(fault ?? "the node stopped by itself") }
      throw fault.map { CommandFailure("\(error)\n\($0)") } ?? error
    }
    if let fault = node.stop() { throw CommandFailure(fault) }
    return outcome
  }

  private func spend(_ session: DemoSession) async throws -> Outcome? {
    let plan = session.plan
    let progress = DemoProgress(plan: plan)
    try await session.register()
    guard session.left(until: plan.weekStart) > 500_000 else { return nil }
    DemoProgress.say(
      "All are registered. Their week begins on \(DemoText.day(plan.weekStart)), "
        + "\(plan.calendar.rate) times as fast as it was."
    )
    var outcome = Outcome()
    try await withThrowingTaskGroup(of: (@Sendable (inout Outcome) -> Void).self) { group in
      group.addTask {
        let tally = try await session.streamReadings()
        try await session.retire()
        return { $0.tally = tally }
      }
      group.addTask {
        let hands = try await session.followTimeline()
        return { $0.hands = hands }
      }
      group.addTask {
        try await session.watch(progress)
        return { _ in }
      }
      for try await part in group { part(&outcome) }
    }
    outcome.findings = try await session.findings()
    return outcome
  }

  private func audit(_ plan: DemoPlan, in folder: DemoFolder) async throws -> AuditReport {
    do {
      let store = try Store(path: folder.data + "/chain.sqlite", chain: plan.genesis.chainID)
      defer { try? store.close() }
      return try await Audit(store: store, genesis: plan.genesis).run { _, _ in }
    } catch let failure as NodeFailure {
      throw CommandFailure("audit FAILED: \(failure)")
    } catch let failure as StorageFailure {
      throw CommandFailure("audit FAILED: \(failure)")
    }
  }
}
