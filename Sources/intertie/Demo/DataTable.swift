import Foundation

/// A file of figures at even steps of time: the time, then one column each.
struct DataTable {
  /// Whose time the first column has.
  enum Clock {
    /// `time_local`: civil time of the place.
    case local
    /// `time_utc`, of days in which the place keeps British summer time.
    case britishSummer

    var column: String {
      switch self {
      case .local: "time_local"
      case .britishSummer: "time_utc"
      }
    }

    /// From the column's time to civil time, seconds.
    var shift: Int64 {
      switch self {
      case .local: 0
      case .britishSummer: 3600
      }
    }
  }

  var path: String
  var columns: [String]
  var times: [String]
  private var rows: [[Substring]]
  private let clock: Clock
  private let stepsOfHour: Int

  init(path: String, clock: Clock, stepsOfHour: Int) throws {
    self.path = path
    self.clock = clock
    self.stepsOfHour = stepsOfHour
    let text = String(decoding: try Files.read(path, what: "data file"), as: UTF8.self)
    let lines = text.split(whereSeparator: \.isNewline).map { line in
      line.split(separator: ",", omittingEmptySubsequences: false)
    }
    guard let header = lines.first, header.first == Substring(clock.column) else {
      throw CommandFailure("\(path) does not begin with a line '\(clock.column),…'")
    }
    columns = header.dropFirst().map(String.init)
    rows = Array(lines.dropFirst())
    times = rows.map { String($0[0]) }
    if let line = rows.firstIndex(where: { $0.count != header.count }) {
      throw CommandFailure("\(path), line \(line + 2): not \(header.count) fields")
    }
  }

  func last(days: Int) throws -> DataTable {
    let steps = days * 24 * stepsOfHour
    guard rows.count >= steps else {
      throw CommandFailure("\(path) has \(rows.count) steps of time; \(steps) are needed")
    }
    var part = self
    part.rows = rows.suffix(steps)
    part.times = times.suffix(steps)
    return part
  }

  /// A column in millionths, exactly; none below zero.
  func figures(of column: String) throws -> [Int64] {
    guard let index = columns.firstIndex(of: column) else {
      throw CommandFailure("\(path) has no column '\(column)'")
    }
    return try zip(times, rows).map { time, row in
      let value = try Amounts.micro(String(row[index + 1]), "\(column) at \(time) in \(path)")
      guard value >= 0 else {
        throw CommandFailure("\(path): \(column) at \(time) is below zero")
      }
      return value
    }
  }

  /// The civil time of the first row as if it were UTC. Throws unless it is a midnight and each row
  /// is a step behind the one before.
  func start() throws -> Int64 {
    let format = ISO8601DateFormatter()
    let seconds = try times.map { time in
      let minutes = time.hasSuffix("Z") ? String(time.dropLast()) : time
      guard let date = format.date(from: minutes + ":00Z") else {
        throw CommandFailure("\(path): '\(time)' is not a time like 2017-04-17T00:00")
      }
      return Int64(date.timeIntervalSince1970) + clock.shift
    }
    guard let first = seconds.first, first % 86_400 == 0 else {
      throw CommandFailure("\(path): its last week does not begin at midnight")
    }
    let step = Int64(3600 / stepsOfHour)
    for (place, time) in seconds.enumerated() where time != first + Int64(place) * step {
      throw CommandFailure("\(path): \(times[place]) is not \(step) s after the line before")
    }
    return first
  }
}
