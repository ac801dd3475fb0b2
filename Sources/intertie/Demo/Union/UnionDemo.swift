import Domain
import Foundation
import Node
import Wire

/// The demonstration of four communities: their days by themselves, then the same days coupled.
struct UnionDemo: Sendable {
  private let plan: UnionPlan
  private let paces: [Double]

  static let days = 3
  /// Wall-clock seconds for an interval of a community by itself, which waits for nobody. Its
  /// readings and settings have as much chain time as in the other pass.
  private var paceAlone: Double { paces[0] / 2 }
  /// Of coupled ones: a round takes a few tenths of a second, and an interval whose predecessor's
  /// round is still open is not coupled. When too few are, the days begin anew at the next pace.
  private static let paces = [0.6, 1.2, 2.4]
  /// Rounds after which that is decided, and the least share of them with all grids, in per cent.
  static let trialRounds = 32
  static let leastCoupled = 90

  /// `minutes` for all coupled days, whatever is coupled then; half of it for those before.
  init(data: String, days: Int, minutes: Double?) throws {
    plan = try UnionPlan(data: data, days: days)
    let intervals = Double(plan.communities[0].intervals)
    paces = minutes.map { [$0 * 60 / intervals] } ?? Self.paces
  }

  /// The outcome of one pass over the days.
  struct Pass: Sendable {
    var plans: [DemoPlan]
    var outcomes: [DemoOutcome]
    /// Wall-clock seconds for an interval.
    var pace: Double
  }

  func play(in folder: DemoFolder) async throws -> UnionReport {
    if folder.isKept { DemoProgress.say("Making the keys of everybody ...") }
    for place in plan.names.indices {
      try folder.save(plan.keys.grids[place], for: files(place, in: folder))
      try FileManager.default.createDirectory(
        atPath: alone(place, in: folder).path, withIntermediateDirectories: true)
    }
    if folder.isKept {
      for (name, key) in plan.keys.named {
        try folder.save(key, "\(folder.path)/backbone-\(name).key")
      }
    }
    let began = ContinuousClock.now
    let alone = try await playAlone(in: folder)
    let (coupled, network) = try await playCoupled(in: folder)
    DemoProgress.say("Replaying all chains from their geneses ...")
    var audits: [AuditReport] = []
    for place in plan.names.indices {
      audits.append(
        try await DemoNodes.audit(alone.plans[place], self.alone(place, in: folder)))
    }
    let folders = plan.names.indices.map { place in
      let files = files(place, in: folder)
      return AuditedFolder(genesis: files.genesis, data: files.data)
    }
    return try UnionReport(
      plan, alone: alone, audits: audits, coupled: coupled, network: network,
      audit: try await AuditCommand.network(folders),
      seconds: (ContinuousClock.now - began) / .seconds(1))
  }

  private func files(_ place: Int, in folder: DemoFolder) -> NodeFiles {
    folder.node(plan.folder(place))
  }

  /// The node of a community by itself; its key is the same.
  private func alone(_ place: Int, in folder: DemoFolder) -> NodeFiles {
    var files = folder.node("alone/" + plan.folder(place))
    files.key = folder.node(plan.folder(place)).key
    return files
  }

  private func calendar(_ pace: Double, closeDelay: Int64, lead: Int64) -> Domain.Calendar {
    DemoPlan.calendar(
      of: plan.communities[0], interval: pace, closeDelay: closeDelay, lead: lead,
      wallOrigin: Int64(Date().timeIntervalSince1970))
  }

  // MARK: By themselves

  private func playAlone(in folder: DemoFolder) async throws -> Pass {
    DemoProgress.say("Four communities, first each by itself: starting their nodes ...")
    for lead in DemoNodes.leads {
      let plans = plan.plans(
        calendar(paceAlone, closeDelay: UnionPlan.closeDelay, lead: lead))
      let files = plans.indices.map { alone($0, in: folder) }
      let outcomes = try await DemoNodes.run(plans, files) { connections -> [DemoOutcome]? in
        let sessions = zip(plans, connections).map { DemoSession(plan: $0, connection: $1) }
        try await inParallel(sessions.count) { try await sessions[$0].register() }
        guard sessions[0].isEarly else { return nil }
        let progress = UnionProgress(plan, plans)
        return try await inParallel(sessions.count) { place in
          try await sessions[place].live { await progress.showAlone($0, of: place) }
        }
      }
      if let outcomes { return Pass(plans: plans, outcomes: outcomes, pace: paceAlone) }
    }
    throw DemoNodes.tooBusy
  }

  // MARK: Coupled

  private enum Attempt: Sendable {
    case done([DemoOutcome], UnionFindings)
    /// Days had begun before everything was entered.
    case late
    /// Too few intervals were coupled.
    case busy
  }

  private func playCoupled(in folder: DemoFolder) async throws -> (Pass, UnionFindings) {
    DemoProgress.say(
      "Now with lines between them: starting four nodes, which keep a backbone together ...")
    var (pace, lead) = (0, 0)
    while lead < Self.leads.count {
      let isLast = pace == paces.count - 1
      let calendar = calendar(
        paces[pace], closeDelay: UnionPlan.closeDelay, lead: Self.leads[lead])
      let backbone = plan.backbone(calendar)
      let plans = plan.plans(calendar, backbone: backbone)
      let files = plans.indices.map { self.files($0, in: folder) }
      let attempt = try await DemoNodes.run(plans, files) { connections in
        try await spend(plans, connections, mayGiveUp: !isLast)
      }
      switch attempt {
      case .done(let outcomes, let findings):
        return (Pass(plans: plans, outcomes: outcomes, pace: paces[pace]), findings)
      case .late: lead += 1
      case .busy:
        DemoProgress.say(
          "Too few rounds come in time on this machine, which is busy: beginning anew, slower ...")
        pace += 1
      }
    }
    throw DemoNodes.tooBusy
  }

  private static let leads: [Int64] = [12, 40, 120]

  private func spend(
    _ plans: [DemoPlan], _ connections: [NodeConnection], mayGiveUp: Bool
  ) async throws -> Attempt {
    let sessions = zip(plans, connections).map { DemoSession(plan: $0, connection: $1) }
    let union = UnionSession(plan: plan, sessions: sessions)
    try await union.enter()
    guard sessions[0].isEarly else { return .late }
    DemoProgress.say(
      "Four grids, four lines and their money are entered. Monday again, "
        + "\(plans[0].calendar.rate) times as fast as it was.")
    let progress = UnionProgress(plan, plans)
    do {
      var outcomes: [DemoOutcome] = []
      var findings = UnionFindings()
      try await withThrowingTaskGroup(of: Part.self) { group in
        group.addTask { .rounds(try await union.watchRounds(progress, mayGiveUp: mayGiveUp)) }
        group.addTask { .acts(try await union.act()) }
        group.addTask {
          .outcomes(
            try await inParallel(sessions.count) { place in
              try await sessions[place].live { await progress.show($0, of: place) }
            })
        }
        for try await part in group {
          switch part {
          case .outcomes(let some): outcomes = some
          case .rounds(let rounds): findings.rounds = rounds
          case .acts(let acts): findings.acts = acts
          }
        }
      }
      return .done(outcomes, findings)
    } catch is TooFewRounds {
      await progress.close()
      return .busy
    }
  }

  private enum Part: Sendable {
    case outcomes([DemoOutcome])
    case rounds([Intertie_V1_CouplingRound])
    case acts([UnionActResult])
  }
}

/// Too few intervals of the first hours were coupled.
struct TooFewRounds: Error {}

/// Does the same at several places at once; what each gave, in order.
@discardableResult
func inParallel<Result: Sendable>(
  _ count: Int, _ body: @escaping @Sendable (Int) async throws -> Result
) async throws -> [Result] {
  try await withThrowingTaskGroup(of: (Int, Result).self) { group in
    for place in 0..<count { group.addTask { (place, try await body(place)) } }
    var results: [Int: Result] = [:]
    for try await (place, result) in group { results[place] = result }
    return (0..<count).compactMap { results[$0] }
  }
}
