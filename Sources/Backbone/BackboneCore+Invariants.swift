import Domain

extension BackboneCore {
  /// What must hold between any two transitions.
  package func checkInvariants() throws(InvariantViolation) {
    try checkSums()
    for place in grids.indices { try check(grids[place]) }
    try checkRounds()
    try checkTables()
  }

  private func require(
    _ condition: Bool, _ text: @autoclosure () -> String
  ) throws(InvariantViolation) {
    if !condition { throw InvariantViolation("backbone: " + text()) }
  }

  /// Nothing is made or lost: TSL, money, ECT, energy.
  private func checkSums() throws(InvariantViolation) {
    var money = Int128(fund.raw)
    var tsl = Int128(treasury.raw)
    var ect: Int128 = 0
    var exported: Int128 = 0
    var clean: Int128 = 0
    for record in grids.all {
      money += Int128(record.reserve.money)
      tsl += Int128(record.reserve.tsl)
      ect += Int128(record.reserve.ect)
      exported += record.exported
      clean += Int128(record.cleanCounted.raw)
    }
    for account in accounts { money += Int128(account.money.raw) }
    for withdrawal in withdrawals { money += Int128(withdrawal.amount.raw) }
    try require(
      tsl == Int128(Limits.storageTokens), "\(tsl) micro-TSL instead of all that exist")
    try require(
      money == issued - withdrawn && money <= Int128(Limits.amount),
      "\(money) µ¤ where \(issued) were issued and \(withdrawn) paid out")
    try require(clean == Int128(cleanTotal.raw), "the grids' clean energy is not the total")
    try require(
      ect == Int128(RewardSchedule.earned(total: cleanTotal).raw),
      "\(ect) micro-ECT for \(cleanTotal.raw) mWh")
    try require(exported == 0, "\(exported) Wh left the grids and came nowhere")
    try require(treasury >= .zero && fund >= .zero, "the treasury or the fund is below zero")
  }

  private func check(_ record: GridRecord) throws(InvariantViolation) {
    let name = "grid \(record.grid)"
    for asset in TravellingAssets<Int64>.assets {
      try require(record.reserve[asset] >= 0, "\(name): a reserve of \(asset) below zero")
      try require(
        Int128(record.reserve[asset]) == record.credited[asset] - record.debited[asset],
        "\(name): the reserve of \(asset) is not what packets brought and took")
    }
    try require(
      record.cover >= .zero && record.free(.money) >= 0, "\(name): a bid without its cover")
    try require(record.lastVoid <= record.sent, "\(name): a void that was never sent")
    try require(
      zip(record.headers, record.headers.dropFirst()).allSatisfy { $0.height < $1.height }
        && record.headers.count <= BackboneLimits.headersPerGrid, "\(name): headers")
    try require(
      record.cleanAllowance >= .zero && record.cleanCounted >= .zero
        && (0...BackboneLimits.cleanPower).contains(record.cleanPower.raw),
      "\(name): clean energy")
    try require(record.epoch > 0, "\(name): epoch 0")
    do throws(Rejection) { try ValidatorSet.validate(record.validators) } catch {
      throw InvariantViolation("backbone: \(name): validators out of the rules")
    }
    guard let checkpoint = record.checkpoint else { return }
    try require(
      checkpoint.received <= record.sent && checkpoint.height > 0, "\(name): its checkpoint")
    for asset in TravellingAssets<Int64>.assets {
      // What the grid had then, what came on its way since, and what it has sent since that was
      // executed: all that the reserve stands for.
      let underWay = record.credited[asset] - checkpoint.credited[asset]
      let left = record.debited[asset] - checkpoint.debited[asset]
      try require(
        Int128(checkpoint.supplies[asset]) + underWay - left == Int128(record.reserve[asset]),
        "\(name): supply and packets under way of \(asset) are not the reserve")
    }
  }

  private func checkRounds() throws(InvariantViolation) {
    try require(
      zip(bids, bids.dropFirst()).allSatisfy { ($0.round, $0.grid) < ($1.round, $1.grid) },
      "bids out of order")
    for bid in bids {
      let record = grid(bid.grid)
      try require(
        bid.round > lastClosed && record?.openRound == bid.round && record?.cover == bid.cost,
        "a bid that its grid knows nothing of")
    }
    let waiting = grids.all.count { $0.openRound != nil }
    try require(waiting == bids.count, "\(waiting) grids wait for \(bids.count) bids")
    for record in grids.all where record.openRound == nil {
      try require(record.cover == .zero, "a cover without a bid")
    }
  }

  private func checkTables() throws(InvariantViolation) {
    try require(
      grids.count <= BackboneLimits.grids && lines.count <= BackboneLimits.lines
        && accounts.count <= BackboneLimits.accounts, "a table above its limit")
    try require(
      zip(lines, lines.dropFirst()).allSatisfy { $0.id < $1.id }
        && zip(accounts, accounts.dropFirst()).allSatisfy { $0.id < $1.id }
        && zip(withdrawals, withdrawals.dropFirst()).allSatisfy { $0.id < $1.id },
      "a table out of order")
    for line in lines {
      let isSound = (try? line.validate(intervalSeconds: genesis.calendar.intervalSeconds)) != nil
      try require(
        isSound && grid(line.from) != nil && grid(line.to) != nil && account(line.owner) != nil,
        "line \(line.id)")
    }
    for account in accounts {
      try require(account.money >= .zero && account.window.isPossible, "an account")
    }
    for role in genesis.roles.all { try require(account(role) != nil, "a role without an account") }
    var waiting = [Int](repeating: 0, count: grids.count)
    for withdrawal in withdrawals {
      if let place = grids.place(of: withdrawal.grid) { waiting[place] += 1 }
      try require(
        withdrawal.amount > .zero && withdrawal.id < nextWithdrawal
          && grid(withdrawal.grid) != nil, "withdrawal \(withdrawal.id)")
    }
    for place in grids.indices {
      try require(
        grids[place].withdrawalsWaiting == waiting[place]
          && waiting[place] <= BackboneLimits.withdrawalsPerGrid,
        "\(waiting[place]) withdrawals wait of grid \(grids[place].grid)")
      guard let kept = grids.chunks[place] else { continue }
      try require(kept == chunk(ofGrid: place), "the kept chunk of a grid is stale")
    }
  }
}
