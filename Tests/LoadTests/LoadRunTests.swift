import Domain
import Foundation
import Load
import Node
import ProcessSupport
import TestSupport
import Testing

/// Whole runs against a node in a process of its own.
@Suite(.serialized) struct LoadRunTests {
  private struct Trial {
    var lead: SigningKey
    var genesis: Genesis
    var validator: SigningKey
  }

  /// Intervals of a second each, with so many simulated meters in the genesis.
  private static func trial(meters: Int) async throws -> Trial {
    var random = SplitMix64(seed: 11)
    let (lead, validator) = (try Community.key(&random), try Community.key(&random))
    let id = lead.publicKey
    let now = ChainClock.system() / 1_000_000
    let plain = Genesis(
      name: "load", calendar: Domain.Calendar(origin: now, wallOrigin: now),
      parameters: Parameters(),
      roles: Roles(operator: id, oracle: id, gateway: id, utility: id, community: id),
      validators: [validator.publicKey],
      tariff: Tariff(retail: Price(300_000), feedIn: Price(100_000), intervalsPerDay: 96))
    var settings = LoadedGenesis.Settings()
    settings.intervalSeconds = 60
    settings.rate = 60
    return Trial(
      lead: lead,
      genesis: try LoadedGenesis.make(
        from: plain, keys: await LoadKeys.derive(meters, seed: 1), settings, now: now),
      validator: validator)
  }

  /// Runs `body` with the address of a node that has the trial's genesis, and that ends so.
  private static func withNode(
    _ trial: Trial, ending expected: NodeProcess.End = .exit(0),
    _ body: @escaping @Sendable (LoadAddress, NodeProcess) async throws -> Void
  ) async throws {
    let folder = try NodeFolder(
      genesis: trial.genesis, at: NodeFolder.fresh(), key: trial.validator, hasPeers: false)
    defer { folder.remove() }
    let node = try NodeProcess(folder)
    let port = try await node.port()
    try await body(
      LoadAddress(host: "127.0.0.1", port: port, security: .file(folder.certificate)), node)
    node.signal(SIGTERM)
    let end = try await node.end()
    #expect(end == expected, "\(folder.logTail)")
  }

  private static func run(
    _ plan: LoadPlan, _ address: LoadAddress, _ credentials: LoadCredentials = .init(),
    end: LoadEnd = LoadEnd(), show: @escaping @Sendable (LoadProgress) -> Void = { _ in }
  ) async throws -> LoadReport {
    try await LoadRun(
      plan: plan, addresses: [address], credentials: credentials, end: end, say: { _ in },
      show: show
    ).run()
  }

  @Test func openAndClosedLoopsEndClean() async throws {
    try await alone(120, "a load run") {
      try await Self.withNode(try await Self.trial(meters: 60)) { address, _ in
        var plan = LoadPlan()
        plan.meters = 60
        plan.seconds = 2
        plan.connections = 3
        plan.mix = try LoadMix("readings=70,orders=20,transfers=10")
        plan.pace = .open(perSecond: 150)
        let open = try await Self.run(plan, address)
        #expect(open.isClean, "\(open.text)")
        // 300, but for what the last instant of each of six lanes rounds.
        let items = open.applied + open.unsent + open.refused
        #expect((294...306).contains(items), "\(open.text)")
        plan.pace = .closed
        plan.commandsPerCall = 4
        // Until enough is applied for some of each kind, however long that takes.
        plan.seconds = 3600
        let end = LoadEnd()
        let closed = try await Self.run(plan, address, end: end) { progress in
          if progress.applied >= 600 { end.ask() }
        }
        #expect(closed.isClean, "\(closed.text)")
        #expect(closed.kinds.map(\.name) == ["readings", "orders", "transfers"])
        for kind in closed.kinds {
          #expect(kind.applied > 0 && kind.latencySamples >= UInt64(kind.applied))
          let latency = try #require(kind.latencyMicroseconds)
          #expect(latency.p50 > 0 && latency.p50 <= latency.max)
        }
        #expect(closed.check.acknowledged == closed.check.entries)
        #expect(closed.check.receipts > 0)
      }
    }
  }

  /// Planned for an hour and ended as soon as something is applied.
  @Test(arguments: [LoadPlan.Pace.open(perSecond: 200), .closed])
  func aRunThatIsStoppedHasItsReport(pace: LoadPlan.Pace) async throws {
    try await alone(120, "a load run that is stopped") {
      try await Self.withNode(try await Self.trial(meters: 60)) { address, _ in
        var plan = LoadPlan()
        plan.meters = 60
        plan.seconds = 3600
        plan.mix = try LoadMix("readings=70,transfers=30")
        plan.pace = pace
        let end = LoadEnd()
        let report = try await Self.run(plan, address, end: end) { progress in
          if progress.applied >= 200 { end.ask() }
        }
        #expect(report.isStopped && report.isClean, "\(report.text)")
        #expect(report.loadSeconds > 0 && report.loadSeconds < 100)
        #expect(report.applied >= 200 && report.check.acknowledged == report.check.entries)
        let inTime = report.kinds.reduce(0) { $0 + $1.appliedPerSecond } * report.loadSeconds
        #expect(inTime <= Double(report.applied) + 0.5)
        #expect(report.perSecond.reduce(0) { $0 + $1.applied } == report.applied)
        #expect(report.text.contains("STOPPED after"), "\(report.text)")
      }
    }
  }

  /// What was acknowledged before the node was gone is told, with why it was not checked.
  @Test func aNodeThatIsGoneLeavesAReport() async throws {
    try await alone(120, "a load run whose node is killed") {
      let trial = try await Self.trial(meters: 60)
      try await Self.withNode(trial, ending: .signal(SIGKILL)) { address, node in
        var plan = LoadPlan()
        plan.meters = 60
        plan.seconds = 3600
        plan.pace = .open(perSecond: 200)
        plan.retries = 0
        plan.grace = 2
        let end = LoadEnd()
        let report = try await Self.run(plan, address, end: end) { progress in
          guard progress.applied >= 200 else { return }
          node.signal(SIGKILL)
          end.ask()
        }
        #expect(report.check.verdict == .notChecked && !report.isClean, "\(report.text)")
        #expect(report.check.acknowledged >= 200 && report.applied >= 200)
        #expect(report.check.unchecked.map(\.acknowledged) == [report.check.acknowledged])
        #expect(report.check.unchecked[0].reason.contains("does not answer"), "\(report.text)")
        #expect(report.text.contains("NOT CHECKED: "), "\(report.text)")
      }
    }
  }

  /// Half of the members are enrolled by the run; without the operator's key it says what to do.
  @Test func membersAreEnrolled() async throws {
    try await alone(120, "an enrolment") {
      let trial = try await Self.trial(meters: 20)
      try await Self.withNode(trial) { address, _ in
        var plan = LoadPlan()
        plan.meters = 40
        plan.seconds = 1
        plan.mix = try LoadMix("readings=50,transfers=50")
        plan.pace = .open(perSecond: 100)
        let failure = await #expect(throws: LoadFailure.self) {
          try await Self.run(plan, address)
        }
        #expect(failure?.description.contains("20 of 40") == true)
        var credentials = LoadCredentials()
        credentials.operators = [trial.lead]
        let report = try await Self.run(plan, address, credentials)
        #expect(report.isClean, "\(report.text)")
        #expect(report.kinds[1].rejected.isEmpty, "\(report.text)")
        // A unit, and admission, meter and money of 20 members.
        #expect(report.commandsBeforeLoad == 61 && report.readingsBeforeLoad >= 1)
        // The keys are not needed a second time.
        let again = try await Self.run(plan, address)
        #expect(again.isClean && again.commandsBeforeLoad == 0, "\(again.text)")
      }
    }
  }
}
