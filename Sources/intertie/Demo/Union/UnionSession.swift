import Domain
import Foundation
import GRPCCore
import Node
import Wire

/// What the backbone told of the days.
struct UnionFindings: Sendable {
  /// Rounds of the days, ascending.
  var rounds: [Intertie_V1_CouplingRound] = []
  var acts: [UnionActResult] = []
}

/// What became of something done by hand.
struct UnionActResult: Sendable {
  var act: UnionAct
  /// Nil when it ended as it should.
  var fault: String?
  /// Wall-clock microseconds until the effect was seen.
  var delay: Int64 = 0
}

/// The backbone's roles and those who act over it, with a session in each grid.
struct UnionSession: Sendable {
  let plan: UnionPlan
  let sessions: [DemoSession]

  private static let patience: Int64 = 30_000_000
  private static let pause = Duration.milliseconds(40)

  // MARK: Setting up

  /// Enters grids, lines, homes, meters and storage, and waits until everybody has money and TSL.
  func enter() async throws {
    let plans = sessions.map(\.plan)
    let backbone = plan.backbone(plans[0].calendar).chainID
    try await submit(try plan.entries(plans, on: backbone), plan.keys.lead)
    async let grants: Void = submit(plan.grants(plans), plan.keys.lead)
    async let issues: Void = submit(plan.issues(plans), plan.keys.gateway)
    try await inParallel(sessions.count) { try await sessions[$0].register() }
    _ = try await (grants, issues)
    try await inParallel(sessions.count) { try await awaitFunding(of: sessions[$0]) }
  }

  /// Throws unless all are applied.
  private func submit(_ bodies: [BackboneCommandBody], _ key: SigningKey) async throws {
    let results = try await sessions[0].connection.submit(toBackbone: bodies, key: key)
    for (index, result) in results.enumerated() where result.rejection != .none {
      throw CommandFailure(
        "the backbone rejected command \(index): "
          + Refusals.text(result, of: .backbone(bodies[index])))
    }
  }

  private func awaitFunding(of session: DemoSession) async throws {
    for (account, money, tsl) in session.plan.funding {
      let found = try await wait {
        guard let found = try await session.find(account) else { return Bool?.none }
        return found.moneyFree + found.moneyHeld == money.raw && found.tsl == tsl.raw ? true : nil
      }
      guard found != nil else {
        throw CommandFailure("\(session.plan.measured.name) has no money after 30 s")
      }
    }
  }

  /// What `look` gives as soon as it is not nil; nil after half a minute.
  private func wait<Found: Sendable>(
    _ look: () async throws -> Found?
  ) async throws -> Found? {
    let deadline = ChainClock.system() + Self.patience
    while true {
      if let found = try await look() { return found }
      guard ChainClock.system() < deadline else { return nil }
      try await Task.sleep(for: Self.pause)
    }
  }

  // MARK: Rounds

  /// Asks for each round of the days as it closes, until the last. Throws `TooFewRounds`, if it
  /// may, when in the first hours too few had all grids.
  func watchRounds(
    _ progress: UnionProgress, mayGiveUp: Bool
  ) async throws -> [Intertie_V1_CouplingRound] {
    let first = sessions[0].plan.first
    let last = sessions[0].plan.last
    let trial = first.advanced(by: Int64(UnionDemo.trialRounds))
    var rounds: [Intertie_V1_CouplingRound] = []
    var next = first.index
    var isTried = !mayGiveUp || trial > last
    while next <= last.index {
      let from = next
      let page = try await sessions[0].connection.backbone.rounds(
        .with { $0.from = from }, options: NodeConnection.options
      ).rounds
      for round in page where round.round >= next {
        next = round.round + 1
        guard round.round <= last.index else { continue }
        rounds.append(round)
        await progress.show(round)
      }
      // No rounds at all are too few as well.
      let calendar = sessions[0].plan.calendar
      let isOver = sessions[0].left(until: calendar.close(of: trial.next)) < 0
      if !isTried, next > trial.index || isOver {
        isTried = true
        let tried = rounds.filter { $0.round < trial.index && $0.grids.count == sessions.count }
        let least = UnionDemo.trialRounds * UnionDemo.leastCoupled / 100
        guard tried.count >= least else { throw TooFewRounds() }
      }
      // Nobody bids any more: the rounds are missing, and counted as such.
      if sessions[0].left(until: sessions[0].plan.expiry) < 0 { break }
      try await Task.sleep(for: .milliseconds(100))
    }
    return rounds
  }

  // MARK: By hand

  /// Does what the days hold by hand, each at its time.
  func act() async throws -> [UnionActResult] {
    let acts = UnionAct.all.filter { $0.day < sessions[0].plan.measured.days }
    return try await inParallel(acts.count) { try await perform(acts[$0]) }
  }

  private func perform(_ act: UnionAct) async throws -> UnionActResult {
    let session = sessions[act.grid]
    let home = session.plan.keys.homes[act.home]
    try await session.sleep(until: session.plan.time(act.day, act.hour))
    let began = ChainClock.system()
    let sent = try await session.submit(body(of: act), by: home.account)
    guard sent.rejection == .none, sent.packet > 0 else {
      return UnionActResult(act: act, fault: "it was not sent: \(sent.rejection)")
    }
    let fault: String?
    switch act.kind {
    case .pay(let grid, let place, let asset, let amount):
      let to = sessions[grid]
      fault = try await isPosted(.receivedFromAbroad, at: to, to.plan.keys.homes[place]) {
        (asset == .money ? $0.money : $0.tsl) == amount
      }
    case .payLate(_, _, let amount):
      fault = try await isPosted(.refunded, at: session, home) {
        $0.money == amount && $0.reference == sent.packet
      }
    case .withdraw(let amount): fault = try await isPaidOut(amount, to: home, at: session)
    }
    return UnionActResult(act: act, fault: fault, delay: ChainClock.system() - began)
  }

  private func body(of act: UnionAct) -> CommandBody {
    switch act.kind {
    case .pay(let grid, let home, let asset, let amount):
      let to = sessions[grid].plan
      return .transferAbroad(
        grid: to.genesis.chainID, to: to.keys.homes[home].account.publicKey, asset: asset,
        amount: amount, deadline: 1 << 40)
    case .payLate(let grid, let home, let amount):
      let to = sessions[grid].plan
      return .transferAbroad(
        grid: to.genesis.chainID, to: to.keys.homes[home].account.publicKey, asset: .money,
        amount: amount, deadline: 1)
    case .withdraw(let amount): return .redeem(amount: Money(amount))
    }
  }

  private func isPosted(
    _ kind: HistoryKind, at session: DemoSession, _ home: DemoKeys.Home,
    _ isIt: (Intertie_V1_HistoryEntry) -> Bool
  ) async throws -> String? {
    let found = try await wait {
      let lines = try await session.connection.ledger.history(
        .with { $0.account = home.account.publicKey.data }, options: NodeConnection.options
      ).lines
      return lines.contains { $0.kind.domain == kind && isIt($0) } ? true : nil
    }
    return found == nil ? "it had not come after 30 s" : nil
  }

  /// The gateway sees the withdrawal and says that it was paid.
  private func isPaidOut(
    _ amount: Int64, to home: DemoKeys.Home, at session: DemoSession
  ) async throws -> String? {
    let gateway = sessions[0].connection
    let waiting = try await wait {
      try await gateway.backbone.withdrawals(.init(), options: NodeConnection.options)
        .withdrawals.first {
          $0.account == home.account.publicKey.data && $0.amount == amount
            && $0.grid == session.plan.genesis.chainID.data
        }
    }
    guard let waiting else { return "the gateway had not seen it after 30 s" }
    try await submit([.payOut(withdrawal: waiting.withdrawal)], plan.keys.gateway)
    return nil
  }
}

extension DemoSession {
  /// Nil for an account that the grid has never seen.
  fileprivate func find(_ account: PublicKey) async throws -> Intertie_V1_AccountResponse? {
    do { return try await connection.account(account) } catch let error as RPCError
      where error.code == .notFound
    { return nil }
  }
}
