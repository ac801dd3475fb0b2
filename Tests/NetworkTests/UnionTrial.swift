import Domain
import Foundation
import ProcessSupport
import Wire

/// One run of the union: it is set up, trades, loses nodes, and is reckoned up.
struct UnionTrial: Sendable {
  let union: Union
  let beacon = Beacon(patience: 10)
  let nodes: UnionNodes
  let life: UnionLife
  private let start = ContinuousClock.now

  init(_ union: Union) throws {
    self.union = union
    nodes = try UnionNodes(union, beacon: beacon)
    life = UnionLife(union, beacon: beacon)
  }

  func run() async throws {
    try await nodes.start(Array(union.grids.indices))
    try await enterGrids()
    try await fund()
    async let lives: Void = life.run()
    do {
      try await trade()
    } catch {
      life.end()
      await lives
      throw error
    }
    life.end()
    await lives
    try await reckon()
    try await endInPeace()
  }

  private func say(_ text: String) {
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    print("union: \((seconds * 10).rounded() / 10) s: \(text)")
  }

  // MARK: Setting up

  /// The operator enters grids and lines, as a person would.
  private func enterGrids() async throws {
    let keys = nodes.path
    try NodeFolder.save(union.lead, at: "\(keys)/lead.key")
    for place in union.grids.indices {
      let text = try await backbone(["register", await nodes.folder(place).genesis], at: place)
      try demand(text.contains("applied"), text)
    }
    let again = try await backbone(["register", await nodes.folder(0).genesis], at: 3, code: 2)
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
    let overview = try await at(2) { try await $0.overview() }
    try demand(overview.grids.count == 4, "\(overview.grids.count) grids")
    try demand(
      overview.lines.map(\.fee) == union.lines.map(\.fee.raw)
        && overview.lines.map(\.forthMw) == union.lines.map(\.forth.raw), "other lines")
    say("four grids and their lines are entered")
  }

  /// `intertie backbone` at a node, signed by the roles' key; what it printed.
  private func backbone(
    _ arguments: [String], at place: Int, code expected: Int32 = 0
  ) async throws -> String {
    guard let node = beacon.place(of: place) else { throw Fault("node \(place) is gone") }
    let isSigned = !["status", "rounds", "withdrawals"].contains(arguments[0])
    let key = isSigned ? ["--key", "\(nodes.path)/lead.key"] : []
    let (code, text) = try await Executable.intertie(
      ["backbone"] + arguments + key
        + ["--node", "127.0.0.1:\(node.port)", "--ca", node.certificate], within: 20)
    try demand(code == expected, "'backbone \(arguments[0])' ended with \(code): \(text)")
    return text
  }

  /// Money and TSL for everybody, in one call; and there they are.
  private func fund() async throws {
    var bodies: [BackboneCommandBody] = []
    for grid in union.grids {
      for account in grid.funded {
        bodies.append(.issue(grid.chain, to: account, amount: Neighbourhood.money))
        bodies.append(.grant(grid.chain, to: account, amount: Neighbourhood.tsl))
      }
    }
    let key = union.lead.publicKey
    let signed = bodies
    try await at(0) { services in
      let first = try await services.backbone.account(
        .with { $0.account = key.data }, options: services.options
      ).nextSequence
      var request = Intertie_V1_SubmitRequest()
      request.commands = signed.enumerated().map {
        Intertie_V1_SignedCommand(union.command($1, sequence: first + UInt64($0)))
      }
      let results = try await services.backbone.submit(request, options: services.options).results
      try demand(results.allSatisfy { $0.rejection == .none }, "not all was issued: \(results)")
    }
    for (place, grid) in union.grids.enumerated() {
      for account in grid.funded {
        try await wait(20, for: "money of grid \(place)") {
          try await money(of: account, in: place) == Neighbourhood.money.raw
        }
      }
    }
    say("\(bodies.count) issues and grants have come")
  }

  var issued: Int64 {
    Neighbourhood.money.raw * Int64(union.grids.reduce(0) { $0 + $1.funded.count })
  }

  // MARK: Trading

  private func trade() async throws {
    try await rounds(3, within: 30)
    say("three rounds of all grids")
    let first = try await TransferTrial.begin(self)
    // The two that follow are on their way, or about to be, when the node dies.
    let left = try await TransferTrial.send(self, from: 3, to: 0, amount: 1_000_000)
    try await nodes.kill(3)
    let missing = try await TransferTrial.send(self, from: 0, to: 3, amount: 2_000_000)
    try await first.end(self)
    say("transfers are credited and refunded, and node 3 is dead")
    try await rounds(2, of: 3, within: 30)
    say("the others have coupled without it")
    try await nodes.start([3])
    try await left.isCredited(self)
    try await missing.isCredited(self)
    try await rounds(1, within: 30)
    say("node 3 is back: both transfers have ended, and it couples")
    let next = try await TransferTrial.send(self, from: 1, to: 0, amount: 3_000_000)
    try await nodes.kill(0)
    try await nodes.start([0])
    try await next.isCredited(self)
    try await rounds(2, within: 30)
    say("node 0 was killed and is back")
    try await withdraw()
  }

  /// Waits for so many more rounds in which at least so many grids have bid, with a flow.
  private func rounds(_ count: Int, of grids: Int = 4, within seconds: Double) async throws {
    let after = try await at(1) { try await $0.overview() }.lastRound.round
    try await wait(seconds, every: 100, for: "\(count) rounds of \(grids) grids") {
      let rounds = try await at(1) { services in
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
    try await at(2) { services in
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
    let left = try await money(of: grid.saver.publicKey, in: 2)
    // It paid one transfer, and got another back.
    try demand(left == Neighbourhood.money.raw - 4_000_000, "\(left) µ¤ are left")
    say("a withdrawal is paid out")
  }

  // MARK: The end

  private func reckon() async throws {
    let issued = issued - 4_000_000
    // Between two rounds, when nothing is under way, the books of both sides are equal.
    try await wait(30, every: 50, for: "a moment with nothing under way") {
      try await isLevel()
    }
    var all: [UnionReckoning] = []
    for place in union.grids.indices {
      all.append(try await at(place) { try await UnionReckoning(union, $0) })
    }
    let use = try all[0].checkRounds()
    try demand(use.partly > 0 && use.full > 0, "lines were used \(use)")
    var intervals = 0
    for (place, reckoning) in all.enumerated() {
      try reckoning.checkTotals(issued: issued)
      let common = min(all[0].rounds.count, reckoning.rounds.count)
      try demand(
        all[0].rounds.prefix(common) == reckoning.rounds.prefix(common), "other rounds")
      let counts = try await at(place) { try await reckoning.compare(place, $0) }
      try demand(counts.flowing >= 3, "grid \(place) has \(counts) intervals")
      intervals += counts.all
    }
    let told = life.told
    say(
      "\(all[0].rounds.count) rounds; lines full \(use.full) times, partly used \(use.partly); "
        + "\(use.wattHours) Wh between grids; \(intervals) intervals compared; \(told.readings) "
        + "readings, \(told.orders) orders, \(told.breaks) connections broken")
  }

  /// Whether each grid's accounts have together what its reserve backs.
  private func isLevel() async throws -> Bool {
    for (place, grid) in union.grids.enumerated() {
      let isLevel = try await at(place) { services in
        let before = try await services.overview()
        guard let reserve = before.grids.first(where: { $0.grid == grid.chain.data }) else {
          return false
        }
        let accounts = Set(grid.funded + SystemAccount.allCases.map(\.id) + TransferTrial.guests)
        var money: Int64 = 0
        for account in accounts {
          guard let found = try await services.find(account) else { continue }
          money += found.moneyFree + found.moneyHeld
        }
        return money == reserve.reserveMoney && before.own.underWay == 0
      }
      if !isLevel { return false }
    }
    return true
  }

  private func endInPeace() async throws {
    for place in union.grids.indices { try await nodes.terminate(place) }
    for place in union.grids.indices {
      let folder = await nodes.folder(place)
      let (code, text) = try await Executable.intertie(
        ["audit", "--genesis", folder.genesis, "--data", folder.data], within: 30)
      try demand(code == 0 && text.contains("audit passed"), "grid \(place): \(text)")
    }
    say("all have ended in peace, and the audits have passed")
  }

  // MARK: Asking

  /// Asks a node, a new one when it has been replaced meanwhile.
  func at<T: Sendable>(
    _ place: Int, _ body: @Sendable (Services) async throws -> T
  ) async throws -> T {
    guard let node = beacon.place(of: place) else { throw Fault("node \(place) is gone") }
    return try await node.connect(body)
  }

  func money(of account: PublicKey, in place: Int) async throws -> Int64 {
    try await at(place) { try await $0.find(account)?.moneyFree ?? 0 }
  }
}
