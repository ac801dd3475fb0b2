import Market
import ProcessSupport

/// How many grids one backbone carries with intervals of 15 minutes.
struct Capacity {
  let processes: RoundFigures
  let replica: ReplicaBenchmark.Figures

  private static let intervalSeconds = 900.0
  private static let intervalsPerDay = 96.0
  private static let replicas = 4.0
  /// Of one core, for a replica of the backbone.
  private static let share = 0.5

  func say() {
    let most = Double(CouplingLimits.grids)
    let budget = Self.share * Self.intervalSeconds
    let base = processes.processor.base / Self.replicas
    let each = processes.processor.each / Self.replicas
    let busy = (base + each * most) / Self.intervalSeconds * 100
    let day = processes.disk.at(most) * Self.intervalsPerDay
    let rate = processes.wire.at(most) * 8 / Self.intervalSeconds
    print(
      """

      With 15 minutes an interval and half a core for a replica of the backbone, CPU would do for \
      \(format((budget - base) / each, 0)) grids by what four processes take (for each grid \
      \(format(each * 1000)) ms a replica, the grid's own chain included), for \
      \(format(budget / replica.stored, 0)) by what executing and storing takes. A round takes \
      \(CouplingLimits.grids) at most: these need \(format(busy, 2)) % of a core, \
      \(format(day / 1e6, 0)) MB of disk a day on each replica, \(format(rate / 1000, 0)) kbit/s \
      between all nodes.
      """)
  }
}
