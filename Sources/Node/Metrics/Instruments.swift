import CoreMetrics
import Domain

/// Makes the handles of metrics in the table: once, when the node is put together.
struct Instruments: Sendable {
  let factory: any MetricsFactory

  /// `labels` are the values of the description's labels, in their order.
  func counter(_ description: MetricDescription, _ labels: String...) -> Counter {
    Counter(
      label: description.name, dimensions: Self.pair(description, labels), factory: factory)
  }

  func gauge(_ description: MetricDescription, _ labels: String...) -> Gauge {
    Gauge(
      label: description.name, dimensions: Self.pair(description, labels), factory: factory)
  }

  /// A histogram of times, recorded in nanoseconds.
  func timer(_ description: MetricDescription, _ labels: String...) -> Timer {
    Timer(
      label: description.name, dimensions: Self.pair(description, labels), factory: factory)
  }

  /// A histogram of numbers.
  func recorder(_ description: MetricDescription, _ labels: String...) -> Recorder {
    Recorder(
      label: description.name, dimensions: Self.pair(description, labels), aggregate: true,
      factory: factory)
  }

  private static func pair(_ description: MetricDescription, _ values: [String])
    -> [(String, String)]
  {
    Array(zip(description.labels, values))
  }
}
