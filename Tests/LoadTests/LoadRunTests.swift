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

  /// Runs `body` with the address of a node that has the trial's genesis.
  private static func withNode(
    _ trial: Trial, _ body: @escaping @Sendable (LoadAddress) async throws -> Void
  ) async throws {
    let folder = try NodeFolder(
      genesis: trial.genesis, at: NodeFolder.fresh(), key: trial.validator, hasPeers: false)
    defer { folder.remove() }
    let node = try NodeProcess(folder)
    let port = try await node.port()
    try await body(
      LoadAddress(host: "127.0.0.1", port: port, security: .file(folder.certificate)))
    node.signal(SIGTERM)
    #expect(try await node.end() == .exit(0), "\(folder.logTail)")
  }

  private static func run(
    _ plan: LoadPlan, _ address: LoadAddress, _ credentials: LoadCredentials = .init()
  ) async throws -> LoadReport {
    try await LoadRun(
      plan: plan, addresses: [address], credentials: credentials, say: { _ in }, show: { _ in }
    ).run()
  }

  @Test func openAndClosedLoopsEndClean() async throws {
    try await alone(120, "a load run") {
      try await Self.withNode(try await Self.trial(meters: 60)) { address in
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
        let closed = try await Self.run(plan, address)
        #expect(closed.isClean, "\(closed.text)")
        #expect(closed.kinds.map(\.name) == ["readings", "orders", "transfers"])
        for kind in closed.kinds {
          #expect(kind.applied > 0 && kind.latency.count >= UInt64(kind.applied))
          #expect(kind.latency.p50 > 0 && kind.latency.p50 <= kind.latency.max)
        }
        #expect(closed.check.acknowledged == closed.check.entries)
        #expect(closed.check.receipts > 0)
      }
    }
  }

  /// Half of the members are enrolled by the run; without the operator's key it says what to do.
  @Test func membersAreEnrolled() async throws {
    try await alone(120, "an enrolment") {
      let trial = try await Self.trial(meters: 20)
      try await Self.withNode(trial) { address in
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
        // The keys are not needed a second time.
        #expect(try await Self.run(plan, address).isClean)
      }
    }
  }
}
