import Domain
import Foundation
import GRPCCore
import Node
import Synchronization
import Wire

/// What became of the readings.
struct ReadingTally: Sendable {
  var sent = 0
  var applied = 0
  /// Refused, by reason.
  var refused: [Rejection: Int] = [:]
  /// Wall-clock microseconds from sending a batch to its acknowledgement.
  var delays: [Int64] = []

  var acknowledged: Int { applied + refused.values.reduce(0, +) }
}

/// What became of the settings that agents got in the days.
struct SettingTally: Encodable, Sendable {
  var sent = 0
  /// Came into a block before or behind the one close from which on they were to work.
  var misplaced = 0
}

/// What happened in the days, as the clients saw it.
struct DemoOutcome: Sendable {
  var tally = ReadingTally()
  var settings = SettingTally()
  var hands: [HandResult] = []
  var findings = DemoFindings()
}

/// What became of an order that was entered by hand.
struct HandResult: Sendable {
  var order: HandOrder
  var receipt: Receipt
  /// Of its block; 0 if it was refused before any.
  var height: UInt64
}

/// The homes' and the offices' side of the days, over one connection to the node.
struct DemoSession: Sendable {
  let plan: DemoPlan
  let connection: NodeConnection
  private let sequences = Sequences()

  init(plan: DemoPlan, connection: NodeConnection) {
    self.plan = plan
    self.connection = connection
  }

  // MARK: Commands

  private func sign(_ body: CommandBody, _ key: SigningKey) -> Intertie_V1_SignedCommand {
    Intertie_V1_SignedCommand(
      Command(
        chain: plan.genesis.chainID, signer: key.publicKey,
        sequence: sequences.next(of: key.publicKey), expires: plan.expiry, body: body), key: key)
  }

  /// Submits commands of any signers in one call; throws unless all of them are applied.
  @discardableResult
  private func submit(
    _ commands: [(SigningKey, CommandBody)], _ what: String
  ) async throws -> [Intertie_V1_SubmitResult] {
    let request = Intertie_V1_SubmitRequest.with {
      $0.commands = commands.map { sign($0.1, $0.0) }
    }
    let results = try await connection.ledger.submit(request, options: NodeConnection.options)
      .results
    guard results.count == commands.count else {
      throw CommandFailure("the node gave \(results.count) results for \(commands.count) commands")
    }
    for (index, result) in results.enumerated() {
      if let reason = result.rejection.domain {
        throw CommandFailure("\(what): command \(index) was rejected: \(reason)")
      }
    }
    return results
  }

  /// Members, meters, batteries, money and tokens; then the homes' agents.
  func register() async throws {
    try await submit(plan.registrations, "registration")
    try await submit(plan.agents(.night, day: 0), "agents")
  }

  /// No reading comes after the days: what is silent then is not estimated.
  func retire() async throws { try await submit(plan.retirements, "retiring the meters") }

  /// Submits one command, whatever becomes of it.
  func submit(_ body: CommandBody, by key: SigningKey) async throws -> Intertie_V1_SubmitResult {
    let request = Intertie_V1_SubmitRequest.with { $0.commands = [sign(body, key)] }
    let results = try await connection.ledger.submit(request, options: NodeConnection.options)
      .results
    guard let result = results.first, results.count == 1 else {
      throw CommandFailure("the node gave \(results.count) results for a command")
    }
    return result
  }

  // MARK: Time

  /// Wall-clock microseconds left until `time`; below zero when it is past.
  func left(until time: Timestamp) -> Int64 {
    let calendar = plan.calendar
    let elapsed = time.microseconds - calendar.origin * 1_000_000
    // Rounded up, so that the node's clock has got there too.
    let wall = calendar.wallOrigin * 1_000_000 + elapsed / calendar.rate + 1
    return wall - ChainClock.system()
  }

  /// Whether the days are still half a second away.
  var isEarly: Bool { left(until: plan.start) > 500_000 }

  func sleep(until time: Timestamp) async throws {
    while case let left = left(until: time), left > 0 {
      try await Task.sleep(for: .microseconds(left))
    }
  }

  // MARK: Meters

  /// Streams each interval's readings, all meters in one batch, as soon as it has ended.
  func streamReadings() async throws -> ReadingTally {
    let sent = Mutex<[UInt64: Int64]>([:])
    let homes = plan.keys.homes.count
    return try await connection.meter.stream { writer in
      var interval = plan.first
      while interval <= plan.last {
        let batch = batch(interval)
        try await sleep(until: plan.calendar.end(of: interval))
        sent.withLock { $0[batch.id] = ChainClock.system() }
        try await writer.write(batch)
        interval = interval.next
      }
    } onResponse: { response in
      var tally = ReadingTally()
      for try await ack in response.messages {
        guard !ack.isBusy else {
          throw CommandFailure("the node is too busy for the readings of interval \(ack.id)")
        }
        guard let results = ack.results, results.count == homes,
          let start = sent.withLock({ $0.removeValue(forKey: ack.id) })
        else { throw CommandFailure("the node acknowledged batch \(ack.id) wrongly") }
        tally.delays.append(ChainClock.system() - start)
        for result in results {
          if let reason = result.reason {
            tally.refused[reason, default: 0] += 1
          } else {
            tally.applied += 1
          }
        }
      }
      tally.sent = homes * Int(plan.last.index - plan.first.index + 1)
      return tally
    }
  }

  private func batch(_ interval: Interval) -> Intertie_V1_ReadingBatch {
    .with {
      $0.id = UInt64(interval.index)
      $0.readings = plan.keys.homes.enumerated().map { place, home in
        let flow = plan.flow(place, interval)
        return Intertie_V1_SignedReading(
          Reading(
            chain: plan.genesis.chainID, meter: home.meter.publicKey, interval: interval,
            exported: flow.exported, imported: flow.imported), key: home.meter)
      }
    }
  }

  // MARK: Members and offices

  /// Follows the plan's timeline; returns what became of the orders entered by hand, and of the
  /// agents' settings.
  func followTimeline() async throws -> (hands: [HandResult], settings: SettingTally) {
    var hands: [HandResult] = []
    var settings = SettingTally()
    var orders: [String: OrderID] = [:]
    for event in plan.timeline {
      try await sleep(until: event.time)
      switch event.act {
      case .commands(let commands, let what):
        let results = try await submit(commands, what)
        guard let window = event.window else { continue }
        settings.sent += results.count
        settings.misplaced += results.count {
          !window.contains(Timestamp(microseconds: $0.timeUs))
        }
      case .hand(let order):
        let label = "\(order.home)/\(order.name)"
        let result = try await enter(order, known: orders[label])
        if let id = result.receipt.order { orders[label] = id }
        hands.append(HandResult(order: order, receipt: result.receipt, height: result.height))
      }
    }
    return (hands, settings)
  }

  private func enter(_ order: HandOrder, known: OrderID?) async throws
    -> Intertie_V1_SubmitResult
  {
    guard let home = plan.keys.homes.first(where: { $0.name == order.home }) else {
      throw CommandFailure("there is no \(order.home)")
    }
    let options = NodeConnection.options
    let market = connection.market
    // An order that was refused has no number; then there is nothing to change.
    let id = known ?? OrderID(.max)
    switch order.act {
    case .place(let side, let wattHours, let timeInForce):
      let request = OrderRequest(
        side: side, wattHours: wattHours, limit: order.limit, timeInForce: timeInForce)
      return try await market.place(sign(.place(request), home.account), options: options)
    case .replace(let wattHours):
      let body = CommandBody.replace(id, wattHours: wattHours, limit: order.limit)
      return try await market.replace(sign(body, home.account), options: options)
    case .cancel:
      return try await market.cancel(sign(.cancel(id), home.account), options: options)
    }
  }

  // MARK: Watching

  /// Tells of every interval as it becomes final; returns when the last of the days is, and the one
  /// that settles it.
  func watch(_ show: @escaping @Sendable (Intertie_V1_IntervalTotals) async -> Void) async throws {
    let market = connection.market
    try await market.watchIntervals(.init()) { response in
      var missing = [plan.last.index, plan.settling.index]
      for try await totals in response.messages {
        await show(totals)
        missing.removeAll { $0 == totals.interval }
        if missing.isEmpty { return }
      }
      throw CommandFailure("the node stopped telling of closes")
    }
  }

  /// All the days, from the first reading to what the node tells of them.
  func live(_ show: @escaping @Sendable (Intertie_V1_IntervalTotals) async -> Void)
    async throws -> DemoOutcome
  {
    var outcome = DemoOutcome()
    try await withThrowingTaskGroup(of: (@Sendable (inout DemoOutcome) -> Void).self) { group in
      group.addTask {
        let tally = try await streamReadings()
        try await retire()
        return { $0.tally = tally }
      }
      group.addTask {
        let (hands, settings) = try await followTimeline()
        return {
          $0.hands = hands
          $0.settings = settings
        }
      }
      group.addTask {
        try await watch(show)
        return { _ in }
      }
      for try await part in group { part(&outcome) }
    }
    outcome.findings = try await findings()
    return outcome
  }
}

/// Each signer's next sequence number.
private final class Sequences: Sendable {
  private let used = Mutex<[PublicKey: UInt64]>([:])

  func next(of key: PublicKey) -> UInt64 {
    used.withLock { used in
      used[key, default: 0] += 1
      return used[key, default: 1]
    }
  }
}
