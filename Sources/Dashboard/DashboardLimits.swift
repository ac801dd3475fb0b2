/// Bounds of what the dashboard keeps, takes and gives.
package enum DashboardLimits {
  // The registry. What comes beyond is counted and not shown.
  /// Names of metrics, those of the table included.
  package static let families = 256
  /// Series of all metrics together, histograms as one.
  package static let series = 4096
  /// Characters of a name that the table does not have, and of a label's value.
  package static let nameLength = 128
  package static let labelLength = 128

  // The server.
  /// Connections at a time; each is for one request.
  package static let connections = 64
  /// Seconds from a connection's beginning to its end, whatever has become of the request.
  package static let connectionSeconds: Int64 = 10
  /// Bytes of a request, head and body.
  package static let requestBytes = 16 << 10
  /// Fields of a request's head.
  package static let headerFields = 64
}
