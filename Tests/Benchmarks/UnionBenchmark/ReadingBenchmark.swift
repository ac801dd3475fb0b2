import Domain
import Foundation
import ProcessSupport
import Synchronization
import Wire

/// Readings a second over one, two and four grids under the same load each, and the CPU that all
/// nodes take for each: what a grid costs must not rise with the number of its neighbours. Each
/// meter is read once an interval, before its close; time runs so fast that a coupling round comes
/// every few seconds.
struct ReadingBenchmark: Sendable {
  private static let grids = [1, 2, 4]
  private static let meters = 6000
  private static let batch = 100
  /// Intervals measured, after one without readings.
  private static let intervals = 2
  /// Of an interval, in which the readings of the one before come.
  private static let share = 0.6

  private struct Figures: Sendable {
    var readings: Int
    var seconds: Double
    var idleCores: Double
    /// CPU seconds of all nodes beside the readings.
    var processor: Double
    var rounds: Int64

    var gross: Double { processor / Double(readings) * 1e6 }
    var net: Double { (processor - idleCores * seconds) / Double(readings) * 1e6 }
  }

  static func run(times: Int) async throws {
    var results: [Int: [Figures]] = [:]
    // Interleaved, so that what drifts on the machine meets all of them.
    for _ in 0..<times {
      for count in grids { results[count, default: []].append(try await measure(count)) }
    }
    table(
      "Readings over one, two and four grids, \(meters) meters each; median of \(times) runs",
      [
        "grids", "readings a second, all grids", "idle, cores", "µs of CPU a reading, all in",
        "without the idle part", "to one grid",
      ])
    let one = results[1, default: []].map(\.gross).median
    for count in grids {
      let all = results[count, default: []]
      let gross = all.map(\.gross).median
      row(
        [
          "\(count)", format(all.map { Double($0.readings) / $0.seconds }.median, 0),
          format(all.map(\.idleCores).median, 3),
          "\(format(gross)) [\(all.map { format($0.gross) }.joined(separator: ", "))]",
          format(all.map(\.net).median), format(gross / one, 2),
        ])
    }
    fflush(nil)
  }

  private static func measure(_ count: Int) async throws -> Figures {
    var plan = League.Plan()
    plan.nodes = count
    plan.rate = 225
    plan.closeDelay = 660
    plan.roundSeconds = 840
    plan.accounts = 32
    plan.meters = meters
    return try await League.run(plan, entering: count) { league in
      try await league.round(of: count)
      try await league.nextInterval()
      let (start, used) = (now(), await league.cpuSeconds())
      try await league.nextInterval()
      let idle = (await league.cpuSeconds() - used) / (now() - start)
      return try await load(league, idle: idle)
    }
  }

  private static func load(_ league: League, idle: Double) async throws -> Figures {
    let first = league.current
    let span = Double(intervals) * league.intervalSeconds
    let round = try await league.at(0) { try await $0.overview() }.lastRound.round
    let (start, used) = (now(), await league.cpuSeconds())
    let readings = try await withThrowingTaskGroup(of: Int.self) { group in
      for place in league.grids.indices {
        group.addTask { try await stream(league, place, from: first) }
      }
      return try await group.reduce(0, +)
    }
    try await Task.sleep(for: .seconds(max(0, span - (now() - start))))
    let (seconds, processor) = (now() - start, await league.cpuSeconds() - used)
    try demand(
      readings == meters * intervals * league.grids.count, "\(readings) readings were applied")
    let last = try await league.at(0) { try await $0.overview() }.lastRound.round
    return Figures(
      readings: readings, seconds: seconds, idleCores: idle, processor: processor,
      rounds: last - round)
  }

  /// Readings of a grid's meters, evenly over the time for them; how many were applied.
  private static func stream(
    _ league: League, _ place: Int, from first: Interval
  ) async throws -> Int {
    let start = now()
    let pace = league.intervalSeconds * share / Double(meters)
    let applied = Mutex(0)
    try await league.at(place) { services in
      try await services.meter.stream { writer in
        for turn in 0..<intervals {
          for number in stride(from: 0, to: meters, by: batch) {
            let batch = batch(
              league, place, number, of: Interval(first.index - 1 + Int64(turn)))
            let due = start + Double(turn) * league.intervalSeconds + Double(number) * pace
            if due > now() { try await Task.sleep(for: .seconds(due - now())) }
            try await writer.write(batch)
          }
        }
      } onResponse: { response in
        for try await ack in response.messages {
          try demand(
            ack.runs.allSatisfy { $0.reason == .none && $0.height > 0 },
            "batch \(ack.id) was not applied: \(ack.runs)")
          applied.withLock { $0 += ack.runs.reduce(0) { $0 + Int($1.count) } }
        }
      }
    }
    return applied.withLock { $0 }
  }

  private static func batch(
    _ league: League, _ place: Int, _ first: Int, of interval: Interval
  ) -> Intertie_V1_ReadingBatch {
    let grid = league.grids[place]
    return .with {
      $0.id = UInt64(first)
      $0.readings = (first..<first + batch).map { number in
        Intertie_V1_SignedReading(
          Reading(
            chain: grid.chain, meter: grid.meters[number].publicKey, interval: interval,
            exported: Energy(500_000), imported: Energy(500_000), quality: .actual, version: 1),
          key: grid.meters[number])
      }
    }
  }
}
