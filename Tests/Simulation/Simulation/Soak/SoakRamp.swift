import Node

/// What a simulated chain carries: found by offering more and more until it does not keep up.
package struct SoakRamp: Sendable {
  /// One rate, offered for some seconds to a chain of its own.
  package struct Trial: Sendable {
    /// Entries a second, offered and final.
    package var rate: Int
    package var final: Int
    package var refused: Int
    package var p50: Int64
    package var p99: Int64
    /// Of this process, seconds for each simulated second.
    package var processorSeconds: Double

    /// What was offered became final, at once, and nobody was sent away.
    package var isSustained: Bool {
      refused == 0 && final * 100 >= rate * SoakRamp.finalPercent && p99 <= SoakRamp.patience
    }

    package var text: String {
      "\(rate) offered: \(final) final a second, p50 \(p50 / 1000) ms, p99 \(p99 / 1000) ms, "
        + "\(refused) refused: \(isSustained ? "keeps up" : "does not keep up")"
    }
  }

  package static let finalPercent = 97
  /// p99 of a chain that keeps up, µs.
  package static let patience: Int64 = 1_000_000
  private static let firstRate = 1000
  /// A rate above this one is not tried: the simulation of a second takes too long.
  private static let lastRate = 64_000
  /// The first seconds of a trial do not count.
  private static let secondsCounted: Int64 = 4
  private static let halvings = 3

  private let settings: SoakSettings

  package init(_ settings: SoakSettings) { self.settings = settings }

  /// The highest rate that was sustained, within an eighth of the lowest that was not; 0 when even
  /// the first was not. `told` hears of each trial.
  package func capacity(_ told: (Trial) -> Void) async -> Int {
    var (good, bad) = (0, Self.firstRate)
    while bad <= Self.lastRate {
      let trial = await trial(rate: bad)
      told(trial)
      guard trial.isSustained else { break }
      (good, bad) = (bad, bad * 2)
    }
    for _ in 0..<Self.halvings where good > 0 && bad <= Self.lastRate {
      let trial = await trial(rate: (good + bad) / 2)
      told(trial)
      if trial.isSustained { good = trial.rate } else { bad = trial.rate }
    }
    return good
  }

  package func trial(rate: Int) async -> Trial {
    var settings = settings
    settings.rate = rate
    settings.hasFaults = false
    settings.periods = 3
    settings.periodSeconds = Self.secondsCounted
    let counted = await Soak(settings).probe().suffix(2)
    let seconds = Int(Self.secondsCounted) * counted.count
    var latency = Latencies()
    for period in counted { latency.add(period.latency) }
    return Trial(
      rate: rate, final: counted.reduce(0) { $0 + $1.final } / max(seconds, 1),
      refused: counted.reduce(0) { $0 + $1.refused }, p50: latency.percentile(50),
      p99: latency.percentile(99),
      processorSeconds: counted.reduce(0) { $0 + $1.processorSeconds } / Double(max(seconds, 1)))
  }
}

extension Soak {
  /// The periods alone, and no verdict.
  package func probe() async -> [SoakPeriod] {
    _ = await start(isSettled: false) { _ in }
    return periods
  }
}
