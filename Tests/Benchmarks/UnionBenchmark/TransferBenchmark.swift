import Domain
import Foundation
import ProcessSupport
import Wire

/// Transfers between the members of four grids: from handing one in at the one grid's node until
/// the other grid's node shows the credit to who asks for it.
struct TransferBenchmark: Sendable {
  /// So many that a percentile of 99 says something; every pair of grids equally often.
  private static let alone = 204
  private static let seconds = 5.0
  private static let warmUp = 2.0
  /// Transfers in one call at most.
  private static let batch = 64
  private static let flights = [64, 1024, 8192]
  /// Milliseconds between two looks at what has come, when many are under way. The nodes' answers
  /// are in the CPU that is measured: four nodes at 50 questions a second each.
  private static let period = 20

  private let league: League
  /// Of each grid: gets what is sent there one at a time, and gets all else.
  private let lone = (0..<4).map { _ in SigningKey.generate().publicKey }
  private let receivers = (0..<4).map { _ in SigningKey.generate().publicKey }
  private let flights = Flights(grids: 4)

  static func run() async throws {
    var plan = League.Plan()
    plan.accounts = 64
    try await League.run(plan, entering: 4) { try await TransferBenchmark($0).run() }
  }

  private init(_ league: League) { self.league = league }

  private func run() async throws {
    table(
      "Transfers between four grids, intervals of 15 minutes; CPU with the answers to who asks",
      [
        "in flight", "settled a second", "p50", "p90", "p99", "CPU of all nodes a transfer",
        "seen within",
      ])
    try await runAlone()
    for count in Self.flights { try await run(inFlight: count) }
  }

  /// A signed transfer of so many µ¤, under the next sequence of one of the grid's accounts.
  private func transfer(
    _ amount: Int, from: Int, to: Int, receiver: PublicKey
  ) -> SignedBytes {
    let grid = league.grids[from]
    let sender = amount % grid.accounts.count
    return SignedBytes.command(
      .transferAbroad(
        grid: league.grids[to].chain, to: receiver, asset: .money, amount: Int64(amount),
        deadline: 1 << 40), on: grid.chain, by: grid.accounts[sender],
      sequence: flights.sequence(of: sender, in: from))
  }

  // MARK: One at a time

  private func runAlone() async throws {
    var (times, receipts, looks): ([Double], [Double], Int) = ([], [], 0)
    for number in 0..<Self.alone {
      let from = number % 4
      let to = (from + 1 + number / 4 % 3) % 4
      let signed = transfer(1000, from: from, to: to, receiver: lone[to])
      let (took, receipt, count) = try await league.at(to) { there in
        try await league.at(from) { here in
          let had = try await there.find(lone[to])?.moneyFree ?? 0
          let start = now()
          async let answer = submit([signed], here)
          var looks = 0
          while try await there.find(lone[to])?.moneyFree ?? 0 == had { looks += 1 }
          let took = now() - start
          return (took, try await answer - start, looks + 1)
        }
      }
      times.append(took * 1000)
      receipts.append(receipt * 1000)
      looks += count
    }
    let resolution = times.reduce(0, +) / Double(looks)
    row(
      [
        "1", format(1000 / (times.reduce(0, +) / Double(times.count)), 0), text(times, 50),
        text(times, 90), last(times), "", "\(format(resolution, 2)) ms",
      ])
    row(
      [
        "1, receipt of the debit", "", text(receipts, 50), text(receipts, 90), last(receipts), "",
        "",
      ])
    fflush(nil)
  }

  private func text(_ times: [Double], _ percent: Int) -> String {
    text(times.percentile(percent))
  }

  private func text(_ time: Double) -> String { "\(format(time, time < 100 ? 1 : 0)) ms" }

  /// Of fewer than a hundred the longest, for what it is.
  private func last(_ times: [Double]) -> String {
    times.count < 100 ? "longest \(text(times.percentile(100)))" : text(times, 99)
  }

  /// When the receipts were there.
  private func submit(_ signed: [SignedBytes], _ services: Services) async throws -> Double {
    let results = try await services.submit(signed)
    try demand(
      results.allSatisfy { $0.rejection == .none && $0.packet > 0 },
      "not under way: \(Set(results.map(\.rejection)))")
    return now()
  }

  // MARK: Many at a time

  private func run(inFlight count: Int) async throws {
    let start = now()
    let end = start + Self.warmUp + Self.seconds
    var processor = 0.0
    try await withThrowingTaskGroup(of: Void.self) { group in
      for place in 0..<4 {
        group.addTask { try await send(from: place, limit: count / 4, until: end) }
        group.addTask { try await listen(at: place, until: end) }
      }
      try await Task.sleep(for: .seconds(Self.warmUp))
      let used = try await league.cpuSeconds()
      try await Task.sleep(for: .seconds(end - now()))
      processor = try await league.cpuSeconds() - used
      try await group.waitForAll()
    }
    try await check()
    let window = flights.all.filter { flight in
      flight.arrived.map { start + Self.warmUp..<end ~= $0 } ?? false
    }
    let times = window.compactMap { flight in flight.arrived.map { ($0 - flight.handedIn) * 1000 } }
    try demand(!times.isEmpty, "nothing arrived within \(Self.seconds) s")
    row(
      [
        "\(count)", format(Double(times.count) / Self.seconds, 0), text(times, 50),
        text(times, 90), last(times),
        "\(format(processor / Double(times.count) * 1000, 2)) ms", "\(Self.period) ms",
      ])
    fflush(nil)
  }

  private func send(from: Int, limit: Int, until end: Double) async throws {
    try await league.at(from) { services in
      var turn = from
      while now() < end {
        let free = min(limit - flights.leaving(from), Self.batch)
        guard free > 0 else {
          try await Task.sleep(for: .milliseconds(1))
          continue
        }
        turn += 1
        let to = (from + 1 + turn % 3) % 4
        let first = flights.depart(free, from: from, to: to)
        _ = try await submit(
          (first..<first + free).map { transfer($0, from: from, to: to, receiver: receivers[to]) },
          services)
      }
    }
  }

  /// Until all that were sent here have come.
  private func listen(at place: Int, until end: Double) async throws {
    let deadline = Deadline(60)
    try await league.at(place) { services in
      var isKnown = false
      while now() < end || flights.coming(to: place) > 0 {
        var cursor: UInt64 = 0
        // Newest first, until a page brings one that is not new.
        repeat {
          if !isKnown { isKnown = try await services.find(receivers[place]) != nil }
          guard isKnown else { break }
          let page = try await services.history(of: receivers[place], limit: 50, cursor: cursor)
          let news = page.lines.count { flights.arrive(Int($0.money), at: place) }
          cursor = news == page.lines.count ? page.next : 0
        } while cursor != 0
        try demand(!deadline.isOver, "\(flights.coming(to: place)) have not come to grid \(place)")
        try await Task.sleep(for: .milliseconds(Self.period))
      }
    }
  }

  /// Every transfer was credited, once, and nothing else came.
  private func check() async throws {
    try demand(flights.faults.isEmpty, "\(flights.faults.prefix(3))")
    let all = flights.all
    for place in 0..<4 {
      let lines = try await league.at(place) {
        try await $0.wholeHistory(of: receivers[place])
      }
      let due = all.indices.filter { all[$0].to == place }.map { $0 + 1 }
      try demand(
        lines.map { Int($0.money) }.sorted() == due
          && lines.allSatisfy { $0.kind == .receivedFromAbroad },
        "grid \(place) was credited \(lines.count) times for \(due.count) transfers")
    }
  }
}
