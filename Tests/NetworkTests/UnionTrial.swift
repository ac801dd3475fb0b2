import Domain
import Foundation
import ProcessSupport
import Wire

/// One run of the union: it is set up, trades, loses nodes, and is reckoned up.
struct UnionTrial: Sendable {
  let stage: UnionStage
  let life: UnionLife
  private var union: Union { stage.union }
  private var nodes: UnionNodes { stage.nodes }

  init(_ union: Union) throws {
    stage = try UnionStage(union)
    life = UnionLife(union, beacon: stage.beacon)
  }

  func run() async throws {
    try await nodes.start(Array(union.grids.indices))
    try await enterGrids()
    try await stage.fund()
    try await life.during { try await trade() }
    let told = life.told
    try await stage.say(stage.reckon(paidOut: 4_000_000, guests: TransferTrial.guests))
    stage.say(
      "\(told.readings) readings, \(told.orders) orders, \(told.breaks) connections broken")
    try await stage.endInPeace()
    try await stage.audit()
  }

  // MARK: Setting up

  /// The operator enters grids and lines, as a person would.
  private func enterGrids() async throws {
    let keys = nodes.path
    try NodeFolder.save(union.lead, at: "\(keys)/lead.key")
    for place in union.grids.indices {
      let text = try await backbone(["register", nodes.folders[place].genesis], at: place)
      try demand(text.contains("applied"), text)
    }
    let again = try await backbone(["register", nodes.folders[0].genesis], at: 3, code: 2)
    try demand(again.contains("rejected: duplicate"), again)
    for line in union.lines {
      func kilowatts(_ power: Power) -> String { "\(Double(power.raw) / 1_000_000)" }
      let text = try await backbone(
        [
          "line", "\(line.id)", "\(line.from)", "\(line.to)", "--forth", kilowatts(line.forth),
          "--fee", "\(Double(line.fee.raw) / 1_000_000)", "--owner",
          line.owner.text(as: .account),
        ], at: 1)
      try demand(text.contains("applied"), text)
    }
    let overview = try await stage.at(2) { try await $0.overview() }
    try demand(overview.grids.count == 4, "\(overview.grids.count) grids")
    try demand(
      overview.lines.map(\.fee) == union.lines.map(\.fee.raw)
        && overview.lines.map(\.forthMw) == union.lines.map(\.forth.raw), "other lines")
    stage.say("four grids and their lines are entered")
  }

  /// `intertie backbone` at a node, signed by the roles' key; what it printed.
  private func backbone(
    _ arguments: [String], at place: Int, code expected: Int32 = 0
  ) async throws -> String {
    guard let node = stage.beacon.place(of: place) else { throw Fault("node \(place) is gone") }
    let isSigned = !["status", "rounds", "withdrawals"].contains(arguments[0])
    let key = isSigned ? ["--key", "\(nodes.path)/lead.key"] : []
    let (code, text) = try await Executable.intertie(
      ["backbone"] + arguments + key
        + ["--node", "127.0.0.1:\(node.port)", "--ca", node.certificate], within: 20)
    try demand(code == expected, "'backbone \(arguments[0])' ended with \(code): \(text)")
    return text
  }

  // MARK: Trading

  private func trade() async throws {
    try await rounds(3, within: 30)
    stage.say("three rounds of all grids")
    let first = try await TransferTrial.begin(stage)
    // The two that follow are on their way, or about to be, when the node dies.
    let left = try await TransferTrial.send(stage, from: 3, to: 0, amount: 1_000_000)
    try await nodes.kill(3)
    let missing = try await TransferTrial.send(stage, from: 0, to: 3, amount: 2_000_000)
    try await first.end(stage)
    stage.say("transfers are credited and refunded, and node 3 is dead")
    try await rounds(2, of: 3, within: 30)
    stage.say("the others have coupled without it")
    try await nodes.start([3])
    try await left.isCredited(stage)
    try await missing.isCredited(stage)
    try await rounds(1, within: 30)
    stage.say("node 3 is back: both transfers have ended, and it couples")
    let next = try await TransferTrial.send(stage, from: 1, to: 0, amount: 3_000_000)
    try await nodes.kill(0)
    try await nodes.start([0])
    try await next.isCredited(stage)
    try await rounds(2, within: 30)
    stage.say("node 0 was killed and is back")
    try await withdraw()
  }

  /// Waits for so many more rounds in which at least so many grids have bid, with a flow.
  private func rounds(_ count: Int, of grids: Int = 4, within seconds: Double) async throws {
    let after = try await stage.at(1) { try await $0.overview() }.lastRound.round
    try await wait(seconds, every: 100, for: "\(count) rounds of \(grids) grids") {
      let rounds = try await stage.at(1) { services in
        try await services.backbone.rounds(
          .with { $0.from = after + 1 }, options: services.options
        ).rounds
      }
      return rounds.count { round in
        round.grids.count >= grids && round.lines.contains { $0.flowWh != 0 }
      } >= count
    }
  }

  /// Money leaves by the gateway.
  private func withdraw() async throws {
    let grid = union.grids[2]
    try await stage.at(2) { services in
      let sequence = try await services.next(of: grid.saver.publicKey)
      let result = try await services.submit(
        grid.command(.redeem(amount: Money(4_000_000)), by: grid.saver, sequence: sequence))
      try demand(result.packet > 0, "not under way: \(result)")
    }
    try await wait(20, every: 100, for: "a withdrawal") {
      try await backbone(["withdrawals"], at: 1).contains("1  4.000000 ¤")
    }
    let paid = try await backbone(["pay-out", "1"], at: 1)
    try demand(paid.contains("applied"), paid)
    let left = try await stage.money(of: grid.saver.publicKey, in: 2)
    // It paid one transfer, and got another back.
    try demand(left == Neighbourhood.money.raw - 4_000_000, "\(left) µ¤ are left")
    stage.say("a withdrawal is paid out")
  }
}
