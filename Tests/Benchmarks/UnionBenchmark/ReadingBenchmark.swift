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
  /// Of each grid: 500 readings a second, so that four grids and the client beside them leave half
  /// of two cores idle.
  private static let meters = 2000
  private static let batch = 100
  /// Intervals measured, after one without readings.
  private static let intervals = 2
  /// Of an interval, in which the readings of the one before come.
  private static let share = 0.6
  /// Readings may come so much later than they should, of the time for them.
  private static let slack = 1.05

  private struct Figures: Sendable {
    var readings: Int
    var seconds: Double
    var idleCores: Double
    /// CPU seconds of all nodes beside the readings.
    var processor: Double
    /// Why this is no measurement of what was meant; empty when it is one.
    var troubles: [String]

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
        "to one grid", "without the idle part", "to one grid",
      ])
    let one = results[1, default: []]
    for count in grids { say(count, results[count, default: []], one) }
    for count in grids {
      for trouble in results[count, default: []].flatMap(\.troubles) {
        print("overloaded, \(count) grids: \(trouble)")
      }
    }
    fflush(nil)
  }

  /// A row; runs that were overloaded are compared with nothing.
  private static func say(_ count: Int, _ all: [Figures], _ one: [Figures]) {
    let isSound = all.allSatisfy { $0.troubles.isEmpty }
    let isComparable = isSound && one.allSatisfy { $0.troubles.isEmpty }
    func text(_ part: (Figures) -> Double) -> String {
      let values = all.map(part)
      return "\(format(values.median)) [\(values.map { format($0) }.joined(separator: ", "))]"
    }
    func ratio(_ part: (Figures) -> Double) -> String {
      guard isSound else { return "overloaded" }
      return isComparable ? format(all.map(part).median / one.map(part).median, 2) : ""
    }
    row(
      [
        "\(count)", format(all.map { Double($0.readings) / $0.seconds }.median, 0),
        format(all.map { $0.idleCores }.median, 3), text { $0.gross }, ratio { $0.gross },
        text { $0.net }, ratio { $0.net },
      ])
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
      let (start, used) = (now(), try await league.cpuSeconds())
      try await league.nextInterval()
      let idle = try await (league.cpuSeconds() - used) / (now() - start)
      return try await load(league, idle: idle)
    }
  }

  private static func load(_ league: League, idle: Double) async throws -> Figures {
    let first = league.current
    let span = Double(intervals) * league.intervalSeconds
    let round = try await league.at(0) { try await $0.overview() }.lastRound.round
    let (start, used) = (now(), try await league.cpuSeconds())
    let readings = try await withThrowingTaskGroup(of: Int.self) { group in
      for place in league.grids.indices {
        group.addTask { try await stream(league, place, from: first) }
      }
      return try await group.reduce(0, +)
    }
    let took = now() - start
    try await Task.sleep(for: .seconds(max(0, span - took)))
    let processor = try await league.cpuSeconds() - used
    let seconds = now() - start
    let rounds = try await league.rounds(after: round)
    return Figures(
      readings: readings, seconds: seconds, idleCores: idle, processor: processor,
      troubles: troubles(league, readings: readings, took: took, rounds: rounds))
  }

  /// What was not as it was meant to be: the rate was held, and all grids bid in every interval.
  private static func troubles(
    _ league: League, readings: Int, took: Double, rounds: [Intertie_V1_CouplingRound]
  ) -> [String] {
    var troubles: [String] = []
    let count = league.grids.count
    let wanted = meters * intervals * count
    if readings != wanted { troubles.append("\(readings) of \(wanted) readings were in time") }
    let span = (Double(intervals - 1) + share) * league.intervalSeconds
    if took >= span * slack {
      troubles.append("they took \(format(took, 2)) s instead of \(format(span, 2))")
    }
    let bidders = rounds.map { $0.grids.count }
    if bidders.count < intervals || bidders.contains(where: { $0 != count }) {
      troubles.append("\(intervals) intervals had rounds of \(bidders) grids")
    }
    return troubles
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
          // Too late is what an overload makes of readings, and no fault.
          try demand(
            !ack.isBusy
              && ack.runs.allSatisfy {
                $0.reason == .tooLate || $0.reason == .none && $0.height > 0
              },
            "batch \(ack.id) was not applied: \(ack.runs)")
          let count = ack.runs.reduce(0) { $0 + ($1.reason == .none ? Int($1.count) : 0) }
          applied.withLock { $0 += count }
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
