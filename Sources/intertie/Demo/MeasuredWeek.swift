import Domain
import Foundation

/// What was measured at one home, hour by hour, in mWh.
struct MeasuredHome: Sendable {
  var name: String
  var consumed: [Int64]
  /// Of its own roof.
  var generated: [Int64]

  /// What its meter sees in a part of an hour: generation covers the home's own consumption first.
  /// Each direction of the hour's net is split evenly; the remainder goes to the last part.
  func flow(hour: Int, part: Int, of parts: Int) -> (exported: Energy, imported: Energy) {
    let net = generated[hour] - consumed[hour]
    let whole = abs(net)
    let even = whole / Int64(parts)
    let share = part == parts - 1 ? whole - even * Int64(parts - 1) : even
    return net > 0 ? (Energy(share), .zero) : (.zero, Energy(share))
  }

  /// Generation that the home used in the same hour, so that it never reached a meter.
  var usedBehindMeter: Int64 { zip(consumed, generated).reduce(0) { $0 + min($1.0, $1.1) } }
}

/// A week of a real community: the last seven days of the data files, from a midnight on.
struct MeasuredWeek: Sendable {
  var homes: [MeasuredHome]
  /// Retail price of each hour, as the data has it.
  var retail: [Price]
  /// The first hour's civil time, taken as UTC: Unix seconds.
  var start: Int64

  static let hours = 7 * 24

  /// Reads `sierra_crest_*.csv` in `folder`, with the first `count` homes.
  init(folder: String, homes count: Int) throws {
    func table(_ name: String) throws -> HourTable {
      try HourTable(path: "\(folder)/sierra_crest_\(name).csv").last(Self.hours)
    }
    let loads = try table("load_kwh")
    let roofs = try table("pv_kwh")
    let tariff = try table("tariff")
    guard roofs.columns == loads.columns, roofs.times == loads.times, tariff.times == loads.times
    else {
      throw CommandFailure("the data files in \(folder) do not have the same homes and hours")
    }
    guard (1...loads.columns.count).contains(count) else {
      throw CommandFailure("the data has 1 to \(loads.columns.count) homes, not \(count)")
    }
    homes = try loads.columns.prefix(count).map { name in
      MeasuredHome(
        name: name, consumed: try loads.figures(of: name), generated: try roofs.figures(of: name))
    }
    retail = try tariff.figures(of: "price_usd_per_kwh").map { Price($0) }
    start = try loads.start()
  }

  /// The folder with the data files: the one that was asked for, else the resources beside the
  /// executable, else those of the checkout that it was built in.
  static func folder(asked: String?, executable: String) throws -> String {
    if let asked {
      guard isData(asked) else {
        throw CommandFailure("\(asked) does not hold sierra_crest_load_kwh.csv and its companions")
      }
      return asked
    }
    let beside = (executable as NSString).deletingLastPathComponent
    let candidates = [
      beside + "/intertie_intertie.resources/Data", beside + "/Data",
      beside + "/../../../Sources/intertie/Data",
    ]
    guard let found = candidates.first(where: isData) else {
      throw CommandFailure(
        "the measured data is not beside the executable; give its folder (Sources/intertie/Data of "
          + "the project) with --data-folder")
    }
    return found
  }

  private static func isData(_ folder: String) -> Bool {
    FileManager.default.fileExists(atPath: folder + "/sierra_crest_load_kwh.csv")
  }
}

/// A file of hourly figures: `time_local`, then one column each.
private struct HourTable {
  var path: String
  var columns: [String]
  var times: [String]
  var rows: [[Substring]]

  init(path: String) throws {
    self.path = path
    let text = String(decoding: try Files.read(path, what: "data file"), as: UTF8.self)
    let lines = text.split(whereSeparator: \.isNewline).map { line in
      line.split(separator: ",", omittingEmptySubsequences: false)
    }
    guard let header = lines.first, header.first == "time_local" else {
      throw CommandFailure("\(path) does not begin with a line 'time_local,…'")
    }
    columns = header.dropFirst().map(String.init)
    rows = Array(lines.dropFirst())
    times = rows.map { String($0[0]) }
    if let line = rows.firstIndex(where: { $0.count != header.count }) {
      throw CommandFailure("\(path), line \(line + 2): not \(header.count) fields")
    }
  }

  func last(_ hours: Int) throws -> HourTable {
    guard rows.count >= hours else {
      throw CommandFailure("\(path) has \(rows.count) hours; \(hours) are needed")
    }
    var part = self
    part.rows = rows.suffix(hours)
    part.times = times.suffix(hours)
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

  /// The first time as if it were UTC. Throws unless it is a midnight and an hour follows an hour.
  func start() throws -> Int64 {
    let format = ISO8601DateFormatter()
    let seconds = try times.map { time in
      guard let date = format.date(from: time + ":00Z") else {
        throw CommandFailure("\(path): '\(time)' is not a time like 2017-04-17T00:00")
      }
      return Int64(date.timeIntervalSince1970)
    }
    guard let first = seconds.first, first % 86_400 == 0 else {
      throw CommandFailure("\(path): its last week does not begin at midnight")
    }
    for (hour, time) in seconds.enumerated() where time != first + Int64(hour) * 3600 {
      throw CommandFailure("\(path): \(times[hour]) is not an hour after the line before")
    }
    return first
  }
}
