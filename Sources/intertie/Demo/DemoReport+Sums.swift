import Domain
import Node
import Wire

extension DemoReport {
  /// Sums everything up from the data, from what the node told and from the audit of its chain.
  init(plan: DemoPlan, _ outcome: DemoOutcome, audit: AuditReport) {
    let (findings, hands) = (outcome.findings, outcome.hands)
    let end = plan.calendar.end(of: plan.last)
    self.init(
      community: plan.genesis.name, from: DemoText.format(plan.start, "yyyy-MM-dd HH:mm"),
      to: DemoText.format(end, "yyyy-MM-dd HH:mm"), rate: plan.calendar.rate,
      seconds: Double(end.seconds - plan.start.seconds) / Double(plan.calendar.rate),
      days: plan.measured.days, audit: audit)
    sumEnergy(plan, findings)
    market.storedPrice = findings.intervals.last?.feedInPrice ?? 0
    sumMarket(plan, findings)
    bills = plan.measured.homes.indices.map { Self.bill(of: $0, plan, findings) }
    arrears = findings.arrears
    sumSavings(plan, findings)
    batteryHome = plan.keys.homes[plan.batteryHome].name
    sumTokens(plan, findings)
    sumReadings(outcome.tally, findings)
    settings = outcome.settings
    payments = paid(plan, findings)
    byHand = hands.indices.map { place in
      HandEntry(hands[place], traded: Self.tradedLater(place, hands, findings), plan)
    }
    faults = findFaults(plan, findings) + payments.faults(findings.intervals, arrears: arrears)
  }

  private mutating func sumEnergy(_ plan: DemoPlan, _ findings: DemoFindings) {
    for home in plan.measured.homes {
      energy.generated += home.generated.reduce(0, +)
      energy.consumed += home.consumed.reduce(0, +)
      energy.usedBehindMeter += home.usedBehindMeter
    }
    for index in plan.first.index...plan.last.index {
      for home in plan.measured.homes.indices {
        let flow = plan.flow(home, Interval(index))
        energy.sentExported += flow.exported.raw
        energy.sentImported += flow.imported.raw
      }
    }
    intervals = findings.intervals.count
    for totals in findings.intervals {
      if totals.sheet.isBalanced { balancedIntervals += 1 }
      energy.exported += totals.generationMwh
      energy.imported += totals.consumptionMwh
      energy.boughtFromUtility += totals.utilityImportMwh
      energy.soldToUtility += totals.utilityExportMwh
      energy.unserved += totals.unservedMwh
      energy.curtailed += totals.curtailedMwh
      energy.tieImport += totals.tieImportMwh
      energy.tieExport += totals.tieExportMwh
      energy.stored += totals.storedMwh
      energy.highestStored = max(energy.highestStored, energy.stored)
      if energy.stored > plan.capacity.raw { energy.closesAboveCapacity += 1 }
    }
    energy.capacity = plan.capacity.raw
    energy.selfSufficiency =
      Double(energy.usedLocally) / Double(max(1, energy.consumed))
    energy.selfConsumption =
      Double(energy.keptLocally) / Double(max(1, energy.generated))
    energy.maximumHeld = findings.maximumHeld
  }

  private mutating func sumMarket(_ plan: DemoPlan, _ findings: DemoFindings) {
    let homes = Set(plan.keys.homes.map(\.account.publicKey.data))
    for trade in findings.trades {
      market.trades += 1
      if trade.mechanism == .auction { market.auctionTrades += 1 }
      if homes.contains(trade.buyer), homes.contains(trade.seller) {
        market.tradesBetweenHomes += 1
        market.tradedBetweenHomes += trade.wattHours * 1000
      }
    }
    var (wattHours, retail, feedIn) = (Int64(0), Int64(0), Int64(0))
    for totals in findings.intervals {
      wattHours += totals.tradedWh
      market.money += totals.tradedMoney
      retail += totals.tradedWh * totals.retailPrice
      feedIn += totals.tradedWh * totals.feedInPrice
      market.tradedSurplus += totals.tradedSurplus
      market.optimalSurplus += totals.optimalSurplus
    }
    market.traded = wattHours * 1000
    if wattHours > 0 {
      market.meanPrice = market.money * 1000 / wattHours
      market.meanRetail = retail / wattHours
      market.meanFeedIn = feedIn / wattHours
    }
    market.hours = Self.hours(findings)
    market.feedIn = findings.intervals.map(\.feedInPrice).max() ?? 0
    var maker = HomeBill(home: "community")
    maker.add(findings.lines(of: plan.keys.community.publicKey))
    market.makerMoney = -maker.here
    market.makerStored = maker.stored
  }

  private static func hours(_ findings: DemoFindings) -> [Hours] {
    var hours: [Int64: Hours] = [:]
    for totals in findings.intervals {
      var entry = hours[totals.retailPrice] ?? Hours(retail: totals.retailPrice)
      entry.intervals += 1
      entry.traded += totals.tradedWh * 1000
      entry.money += totals.tradedMoney
      hours[totals.retailPrice] = entry
    }
    return hours.values.sorted { $0.retail < $1.retail }
  }

  /// What the utility earned less, and how much of it needs no storage: in each interval the
  /// smaller of both directions stays among neighbours, worth the whole band.
  private mutating func sumSavings(_ plan: DemoPlan, _ findings: DemoFindings) {
    saved = bills.reduce(market.makerMoney) { $0 + $1.alone - $1.here }
    var direct: Int128 = 0
    for totals in findings.intervals where totals.interval <= plan.last.index {
      var (exported, imported) = (Int64(0), Int64(0))
      for home in plan.measured.homes.indices {
        let flow = plan.flow(home, Interval(totals.interval))
        exported += flow.exported.raw
        imported += flow.imported.raw
      }
      direct += Int128(min(exported, imported)) * Int128(totals.retailPrice - totals.feedInPrice)
    }
    savedWithoutStorage = Int64(direct / 1_000_000)
  }

  private static func bill(of home: Int, _ plan: DemoPlan, _ findings: DemoFindings) -> HomeBill {
    let measured = plan.measured.homes[home]
    var bill = HomeBill(home: measured.name)
    bill.consumed = measured.consumed.reduce(0, +)
    bill.generated = measured.generated.reduce(0, +)
    // µ¤/kWh × mWh, millionths of µ¤.
    var alone: Int128 = 0
    for totals in findings.intervals where totals.interval <= plan.last.index {
      let flow = plan.flow(home, Interval(totals.interval))
      bill.exported += flow.exported.raw
      bill.imported += flow.imported.raw
      alone += Int128(flow.imported.raw) * Int128(totals.retailPrice)
      alone -= Int128(flow.exported.raw) * Int128(totals.feedInPrice)
    }
    bill.alone = Int64(alone / 1_000_000)
    bill.add(findings.lines(of: plan.keys.homes[home].account.publicKey))
    let feedIn = findings.intervals.last?.feedInPrice ?? 0
    bill.storedValue = Int64(Int128(bill.stored) * Int128(feedIn) / 1_000_000)
    return bill
  }

  private mutating func sumTokens(_ plan: DemoPlan, _ findings: DemoFindings) {
    for totals in findings.intervals {
      tokens.commission += totals.commissions
      tokens.rewards += totals.rewards
    }
    var cooperative = HomeBill(home: "cooperative")
    cooperative.add(findings.lines(of: plan.keys.cooperative.publicKey))
    tokens.toCooperative = cooperative.commissionShare
    tokens.rewardsOfCooperative = cooperative.rewards
    tokens.toHomes = bills.reduce(0) { $0 + $1.commissionShare }
    tokens.rewardsOfHomes = bills.reduce(0) { $0 + $1.rewards }
  }

  private mutating func sumReadings(_ tally: ReadingTally, _ findings: DemoFindings) {
    readings.sent = tally.sent
    readings.acknowledged = tally.acknowledged
    readings.applied = tally.applied
    for (reason, count) in tally.refused { readings.refused["\(reason)"] = count }
    readings.late = findings.intervals.reduce(0) { $0 + Int($1.late) }
    readings.estimated = findings.intervals.reduce(0) { $0 + Int($1.estimated) }
    let delays = tally.delays.sorted()
    if let longest = delays.last {
      readings.medianDelayMicroseconds = delays[delays.count / 2]
      readings.longestDelayMicroseconds = longest
    }
  }

  /// Wh of an order that traded after it was entered, until somebody changed it.
  private static func tradedLater(_ place: Int, _ hands: [HandResult], _ findings: DemoFindings)
    -> Int64
  {
    let entered = hands[place]
    guard let id = entered.receipt.order?.raw else { return 0 }
    let next = hands[(place + 1)...].first {
      $0.order.home == entered.order.home && $0.order.name == entered.order.name && $0.height > 0
    }
    let end = next?.height ?? .max
    return findings.trades.reduce(0) { sum, trade in
      let isIts = trade.buyOrder == id || trade.sellOrder == id
      let isLater = trade.height > entered.height && trade.height <= end
      return sum + (isIts && isLater ? trade.wattHours : 0)
    }
  }

  private func findFaults(_ plan: DemoPlan, _ findings: DemoFindings) -> [String] {
    var faults: [String] = []
    func require(_ condition: Bool, _ fault: String) { if !condition { faults.append(fault) } }
    let wanted = Int(plan.last.index - plan.first.index + 1)
    let days = findings.intervals.map(\.interval).prefix { $0 <= plan.last.index }
    let isComplete = Array(days) == Array(plan.first.index...plan.last.index)
    require(isComplete, "\(intervals) intervals were closed, not \(wanted)")
    require(
      balancedIntervals == intervals,
      "the energy balance is off in \(intervals - balancedIntervals) intervals")
    require(
      readings.acknowledged == readings.sent,
      "\(readings.sent - readings.acknowledged) readings were not acknowledged")
    require(
      readings.applied == readings.acknowledged,
      "\(readings.acknowledged - readings.applied) readings were refused: \(readings.refused)")
    require(
      energy.exported == energy.sentExported && energy.imported == energy.sentImported,
      "the chain counted other figures than the meters sent")
    let isPriced = findings.intervals.prefix(wanted).enumerated().allSatisfy { place, totals in
      totals.retailPrice == plan.measured.retail[place / plan.measured.parts].raw
    }
    require(isPriced, "the tariff in force was not the data's in every interval")
    // Beside a backbone the last interval becomes final after its close, and trades between the two
    // are the next one's; the audit counts them all.
    let counted =
      plan.isCoupled
      || Int64(findings.trades.filter { $0.timeUs > plan.start.microseconds }.count)
        == findings.intervals.reduce(0) { $0 + Int64($1.trades) }
    require(counted, "the intervals' totals count other trades than the node tells")
    return faults
  }
}

extension DemoReport.HandEntry {
  init(_ result: HandResult, traded later: Int64, _ plan: DemoPlan) {
    let order = result.order
    let hours = Int64(order.day) * 24 + Int64(order.hour)
    time = DemoText.moment(plan.start.advanced(bySeconds: hours * 3600))
    home = order.home
    let price = "at \(DemoText.price(order.limit.raw))"
    func energy(_ wattHours: Int64) -> String { "\(DemoText.kWh(wattHours * 1000)) kWh" }
    let isBuy: Bool
    switch order.act {
    case .place(let side, let wattHours, let kind):
      isBuy = side == .buy
      let name: String
      switch kind {
      case .goodTillCancelled: name = "till cancelled"
      case .immediateOrCancel: name = "at once or not"
      case .fillOrKill: name = "whole or not"
      case .goodTillInterval: name = "till a close"
      }
      act = "\(isBuy ? "buys" : "sells") \(energy(wattHours)) \(price), \(name)"
    case .replace(let wattHours):
      isBuy = false
      act = "changes it to \(energy(wattHours)) \(price)"
    case .cancel:
      isBuy = false
      act = "cancels it"
    }
    let receipt = result.receipt
    if let reason = receipt.rejection {
      outcome =
        reason == .unknownObject ? "it was traded or cancelled already" : "rejected: \(reason)"
    } else if case .cancel = order.act {
      outcome = "cancelled"
    } else {
      let rest = receipt.resting > 0 ? ", \(energy(later)) later" : ""
      outcome = "\(energy(receipt.filled)) at once" + rest
    }
  }
}
