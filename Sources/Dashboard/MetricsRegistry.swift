import CoreMetrics
import Domain
import Synchronization

/// Keeps what the metrics of this process count, and gives it as Prometheus' text.
///
/// A factory for swift-metrics: a handle is looked up once, when it is made, and counts without the
/// registry afterwards. Metrics of the table that it was made with are known by their exact name,
/// with help, scale and bounds; others, of libraries, are taken as they come, up to a limit. What
/// has no room, or a kind that its name does not have, counts for nobody and is not shown: metrics
/// never stop a node.
package final class MetricsRegistry: MetricsFactory {
  enum Cell: Sendable {
    case counter(CounterCell)
    case gauge(GaugeCell)
    case histogram(HistogramCell)
  }

  struct Series: Sendable {
    var labels: [MetricLabel]
    var cell: Cell

    /// A gauge that was never set says nothing.
    var isShown: Bool {
      if case .gauge(let gauge) = cell { gauge.value != nil } else { true }
    }
  }

  struct Family: Sendable {
    var description: MetricDescription
    var isDeclared: Bool
    var series: [Series] = []
  }

  fileprivate struct State {
    var families: [Family]
    var places: [String: Int]
    var series = 0
  }

  private let state: Mutex<State>

  /// The names in `table` differ.
  package init(_ table: [MetricDescription]) {
    let families = table.map { Family(description: $0, isDeclared: true) }
    let places = Dictionary(
      table.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    state = Mutex(State(families: families, places: places))
  }

  /// Those with a series that is shown, the table's first, in its order, then the others by name.
  var families: [Family] {
    let all = state.withLock { $0.families }.filter { $0.series.contains(where: \.isShown) }
    let others = all.filter { !$0.isDeclared }
    return all.filter(\.isDeclared)
      + others.sorted { $0.description.name < $1.description.name }
  }

  /// Names that are shown and that the table does not have.
  package var undeclared: [String] {
    families.filter { !$0.isDeclared }.map(\.description.name)
  }

  // MARK: MetricsFactory

  package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
    let cell = cell(label, dimensions, otherwise: .counter) { _ in .counter(CounterCell()) }
    if case .counter(let counter)? = cell { return counter }
    return CounterCell()
  }

  package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
    gauge(label, dimensions)
  }

  package func makeRecorder(
    label: String, dimensions: [(String, String)], aggregate: Bool
  ) -> any RecorderHandler {
    aggregate
      ? histogram(label, dimensions, Self.plainBounds, .one) : gauge(label, dimensions)
  }

  package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
    histogram(label, dimensions, Self.timeBounds, .nanoseconds)
  }

  package func destroyCounter(_ handler: any CounterHandler) { remove(handler) }
  package func destroyMeter(_ handler: any MeterHandler) { remove(handler) }
  package func destroyRecorder(_ handler: any RecorderHandler) { remove(handler) }
  package func destroyTimer(_ handler: any TimerHandler) { remove(handler) }

  /// Bounds of histograms that the table does not have: of any figure, and of times in ns.
  private static let plainBounds: [Int64] = [0, 1, 10, 100, 1000, 10_000, 100_000, 1_000_000]
  private static let timeBounds: [Int64] = [
    100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000,
  ]

  private func gauge(_ label: String, _ dimensions: [(String, String)]) -> GaugeCell {
    let cell = cell(label, dimensions, otherwise: .gauge) { _ in .gauge(GaugeCell()) }
    if case .gauge(let gauge)? = cell { return gauge }
    return GaugeCell()
  }

  private func histogram(
    _ label: String, _ dimensions: [(String, String)], _ bounds: [Int64], _ scale: MetricScale
  ) -> HistogramCell {
    let cell = cell(label, dimensions, otherwise: .histogram(bounds: bounds), scale) {
      guard case .histogram(let bounds) = $0 else { return nil }
      return .histogram(HistogramCell(bounds: bounds))
    }
    if case .histogram(let histogram)? = cell { return histogram }
    return HistogramCell(bounds: bounds)
  }

  /// The series of that name with those labels, made if it is not there; nil without room for it.
  private func cell(
    _ label: String, _ dimensions: [(String, String)], otherwise kind: MetricDescription.Kind,
    _ scale: MetricScale = .one, make: (MetricDescription.Kind) -> Cell?
  ) -> Cell? {
    let labels = dimensions.map { MetricLabel(name: $0.0, value: $0.1) }
    return state.withLock { state in
      guard let place = state.place(of: label, kind, scale) else { return nil }
      let family = state.families[place]
      if let known = family.series.first(where: { $0.labels == labels }) { return known.cell }
      guard state.series < DashboardLimits.series, kind.isLike(family.description.kind),
        let cell = make(family.description.kind)
      else { return nil }
      state.families[place].series.append(Series(labels: labels, cell: cell))
      state.series += 1
      return cell
    }
  }

  private func remove(_ handler: AnyObject) {
    state.withLock { state in
      for place in state.families.indices {
        let before = state.families[place].series.count
        state.families[place].series.removeAll { $0.cell.handler === handler }
        state.series -= before - state.families[place].series.count
      }
    }
  }
}

extension MetricsRegistry.State {
  /// Where the family of that name is; a new one for a name that is not here, nil without room.
  fileprivate mutating func place(
    of label: String, _ kind: MetricDescription.Kind, _ scale: MetricScale
  ) -> Int? {
    if let place = places[label] { return place }
    let name = MetricLabel.sanitized(label, mayHaveColon: true)
    if let place = places[name] { return place }
    guard families.count < DashboardLimits.families else { return nil }
    families.append(
      MetricsRegistry.Family(
        description: MetricDescription(name, kind, scale: scale, help: ""), isDeclared: false))
    places[name] = families.count - 1
    return families.count - 1
  }
}

extension MetricsRegistry.Cell {
  fileprivate var handler: AnyObject {
    switch self {
    case .counter(let cell): cell
    case .gauge(let cell): cell
    case .histogram(let cell): cell
    }
  }
}

extension MetricDescription.Kind {
  /// The same kind, whatever the bounds.
  fileprivate func isLike(_ other: Self) -> Bool {
    switch (self, other) {
    case (.counter, .counter), (.gauge, .gauge), (.histogram, .histogram): true
    default: false
    }
  }
}

/// A label of a series, its name as Prometheus takes names.
struct MetricLabel: Hashable, Sendable {
  let name: String
  let value: String

  init(name: String, value: String) {
    self.name = Self.sanitized(name, mayHaveColon: false)
    self.value = String(value.prefix(DashboardLimits.labelLength))
  }

  /// `[a-zA-Z_:][a-zA-Z0-9_:]*` for a metric, without colons for a label; any other character
  /// becomes an underscore.
  static func sanitized(_ name: String, mayHaveColon: Bool) -> String {
    var result = ""
    for scalar in name.unicodeScalars.prefix(DashboardLimits.nameLength) {
      let isDigit = ("0"..."9").contains(scalar)
      let isLetter = ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar)
      if isDigit, result.isEmpty { result = "_" }
      let isTaken = isDigit || isLetter || scalar == "_" || (mayHaveColon && scalar == ":")
      result.unicodeScalars.append(isTaken ? scalar : "_")
    }
    return result.isEmpty ? "_" : result
  }
}
