import Domain

/// What a run is to do, as it was asked for.
package struct LoadPlan: Hashable, Sendable {
  package enum Pace: Hashable, Sendable {
    /// Items a second, all kinds and grids together, whatever the nodes answer: an item's latency
    /// counts from the instant at which this rate wants it sent.
    case open(perSecond: Double)
    /// As many as are answered: a set number under way on each connection.
    case closed
  }

  /// All grids together.
  package var meters = 1000
  package var pace: Pace = .closed
  package var mix = LoadMix.readings
  package var seconds = 10
  package var connections = 4
  /// What all keys and choices are drawn from.
  package var seed: UInt64 = 1
  /// Times that an item is sent again after the node was busy or a connection broke.
  package var retries = 8
  /// Milliseconds until it is sent again at most, whatever the node asks for.
  package var longestPause = LoadLimits.pause.upperBound
  /// Readings in one message at most, 1...Limits.readingsPerMessage.
  package var batch = 1024
  /// Commands in one call, 1...Limits.commandsPerSubmission.
  package var commandsPerCall = 1
  /// Microseconds for which a connection gathers readings before it sends them as one message.
  package var gather: Int64 = 10_000
  /// Seconds that answers are waited for when the load has ended.
  package var grace = 30
  /// Money that each member is given at its enrolment, µ¤.
  package var funds: Int64 = 1_000_000_000

  package init() {}

  /// Throws `LoadFailure` with what is out of its range.
  package func validate() throws(LoadFailure) {
    func demand(_ condition: Bool, _ what: String) throws(LoadFailure) {
      guard condition else { throw LoadFailure(what) }
    }
    try demand(LoadLimits.meters.contains(meters), "--meters is 1 to \(Limits.meters)")
    try demand(
      LoadLimits.connections.contains(connections),
      "--connections is 1 to \(LoadLimits.connections.upperBound)")
    try demand(
      LoadLimits.seconds.contains(seconds), "--seconds is 1 to \(LoadLimits.seconds.upperBound)")
    try demand(
      LoadLimits.retries.contains(retries), "--retry is 0 to \(LoadLimits.retries.upperBound)")
    try demand(
      (1...Limits.readingsPerMessage).contains(batch),
      "--batch is 1 to \(Limits.readingsPerMessage)")
    try demand(
      (1...Limits.commandsPerSubmission).contains(commandsPerCall),
      "--commands-per-call is 1 to \(Limits.commandsPerSubmission)")
    try demand((0...1_000_000).contains(gather), "--gather is 0 to 1000 ms")
    try demand((0...3600).contains(grace), "--grace is 0 to 3600 s")
    try demand((1...Limits.amount / 1_048_576).contains(funds), "--funds is out of range")
    if case .open(let rate) = pace {
      try demand(LoadLimits.rate.contains(rate), "--rate is 0.001 to 10,000,000 a second")
    }
  }

  /// Meters of each of `grids` grids: as equal as can be, the first ones have one more.
  package func meters(ofEach grids: Int) -> [Int] {
    (0..<grids).map { meters / grids + ($0 < meters % grids ? 1 : 0) }
  }

  /// The numbers, among a grid's `count` meters, of those on its connection `place` of `of`.
  package static func numbers(_ count: Int, on place: Int, of: Int) -> [Int] {
    Array(stride(from: place, to: count, by: of))
  }
}
