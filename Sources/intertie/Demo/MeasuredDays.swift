import Domain
import Foundation

/// What was measured at one home, step by step, in mWh.
package struct MeasuredHome: Sendable {
  package var name: String
  package var consumed: [Int64]
  /// Of its own roof.
  package var generated: [Int64]

  /// What its meter sees in a part of a step: generation covers the home's own consumption first.
  /// Each direction of the step's net is split evenly; the remainder goes to the last part.
  func flow(step: Int, part: Int, of parts: Int) -> (exported: Energy, imported: Energy) {
    let net = generated[step] - consumed[step]
    let whole = abs(net)
    let even = whole / Int64(parts)
    let share = part == parts - 1 ? whole - even * Int64(parts - 1) : even
    return net > 0 ? (Energy(share), .zero) : (.zero, Energy(share))
  }

  /// Generation that the home used in the same step, so that it never reached a meter.
  var usedBehindMeter: Int64 { zip(consumed, generated).reduce(0) { $0 + min($1.0, $1.1) } }
}

/// Some days of a real community, from a midnight on.
package struct MeasuredDays: Sendable {
  package var name: String
  package var homes: [MeasuredHome]
  /// Retail price of each step, µ¤ per kWh.
  package var retail: [Price]
  /// The first step's civil time, taken as UTC: Unix seconds.
  package var start: Int64
  /// Steps of the data in an hour: 1 or 2.
  var stepsOfHour: Int

  static let intervalsOfHour = 4

  var stepsOfDay: Int { 24 * stepsOfHour }
  package var days: Int { retail.count / stepsOfDay }
  /// Intervals in a step.
  package var parts: Int { Self.intervalsOfHour / stepsOfHour }
  package var intervals: Int { retail.count * parts }
  package var hasRoofs: Bool { homes.contains { $0.generated.contains { $0 > 0 } } }

  /// The retail prices of a day, from 0 on.
  func retail(day: Int) -> ArraySlice<Price> {
    retail[(day * stepsOfDay)..<((day + 1) * stepsOfDay)]
  }

  /// What a home's meter sees in an interval, counted from the first one.
  package func flow(_ home: Int, interval: Int) -> (exported: Energy, imported: Energy) {
    homes[home].flow(step: interval / parts, part: interval % parts, of: parts)
  }

  /// The first days of these.
  package func first(_ count: Int) -> MeasuredDays {
    var part = self
    let steps = min(count, days) * stepsOfDay
    part.retail = Array(retail.prefix(steps))
    for home in homes.indices {
      part.homes[home].consumed = Array(homes[home].consumed.prefix(steps))
      part.homes[home].generated = Array(homes[home].generated.prefix(steps))
    }
    return part
  }

  /// The same days at another date, civil hour by civil hour. Throws unless the weekdays agree.
  package func laid(over other: MeasuredDays) throws -> MeasuredDays {
    guard (other.start - start) % (7 * 86_400) == 0 else {
      throw CommandFailure("the days of \(name) and \(other.name) begin on different weekdays")
    }
    var part = self
    part.start = other.start
    return part
  }
}

// MARK: The files

extension MeasuredDays {
  /// Monday to Sunday.
  static let week = 7
  /// Homes of Sierra Crest that are there.
  static let sierraHomes = 12
  /// A pound in ¤: an assumption, millionths.
  static let pound: Int64 = 1_500_000

  /// The last seven days of `sierra_crest_*.csv` in `folder`, with these of its homes.
  package static func sierra(_ folder: String, name: String, homes: Range<Int>) throws
    -> MeasuredDays
  {
    func table(_ name: String) throws -> DataTable {
      try DataTable(
        path: "\(folder)/sierra_crest_\(name).csv", clock: .local, stepsOfHour: 1
      ).last(days: week)
    }
    let loads = try table("load_kwh")
    let roofs = try table("pv_kwh")
    let tariff = try table("tariff")
    guard roofs.columns == loads.columns, roofs.times == loads.times, tariff.times == loads.times
    else {
      throw CommandFailure("the data files in \(folder) do not have the same homes and hours")
    }
    guard homes.lowerBound >= 0, homes.upperBound <= loads.columns.count, !homes.isEmpty else {
      throw CommandFailure("the data has 1 to \(loads.columns.count) homes, not \(homes)")
    }
    return MeasuredDays(
      name: name,
      homes: try loads.columns[homes].map { name in
        MeasuredHome(
          name: name, consumed: try loads.figures(of: name), generated: try roofs.figures(of: name))
      },
      retail: try tariff.figures(of: "price_usd_per_kwh").map { Price($0) },
      start: try loads.start(), stepsOfHour: 1)
  }

  /// The last seven days of `london_*.csv` in `folder`: the homes on one of the two tariffs,
  /// "flat" or "dynamic". None has a roof.
  package static func london(_ folder: String, name: String, tariff kind: String) throws
    -> MeasuredDays
  {
    func table(_ name: String) throws -> DataTable {
      try DataTable(path: "\(folder)/london_\(name).csv", clock: .britishSummer, stepsOfHour: 2)
        .last(days: week)
    }
    let loads = try table("\(kind)_load_kwh")
    let tariff = try table("tariff")
    guard tariff.times == loads.times else {
      throw CommandFailure("the data files in \(folder) do not have the same half hours")
    }
    return MeasuredDays(
      name: name,
      homes: try loads.columns.map { name in
        let consumed = try loads.figures(of: name)
        return MeasuredHome(
          name: name, consumed: consumed, generated: consumed.map { _ in 0 })
      },
      retail: try tariff.figures(of: "\(kind)_gbp_per_kwh").map {
        Price($0 * pound / 1_000_000)
      }, start: try loads.start(), stepsOfHour: 2)
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
