import Domain

@testable import Metering

/// The rules once more, from dictionaries that are searched whole at every step.
struct NaiveMetering {
  struct Place: Hashable {
    var meter: MeterID
    var interval: Interval
  }

  struct Service {
    var account: Int
    var isClean: Bool
    var power: Int64
    var first: Interval
    var isRetired = false
  }

  let calendar: Calendar
  let lateDays: Int64
  var order: [MeterID] = []
  var services: [MeterID: Service] = [:]
  /// The highest version that each meter sent.
  var sent: [Place: Reading] = [:]
  /// What stands in the accounts: with version 0, the node's estimate.
  var posted: [Place: Reading] = [:]
  var nextClose: Interval
  /// Sums of everything that closes reported.
  var generation: Int64 = 0
  var consumption: Int64 = 0

  init(_ bench: Bench) {
    calendar = bench.calendar
    lateDays = bench.parameters.lateDays
    nextClose = bench.calendar.firstInterval
  }

  private func day(_ interval: Interval) -> Int64 { interval.index / calendar.intervalsPerDay }

  func isKept(_ interval: Interval) -> Bool {
    day(interval) >= day(nextClose) - lateDays - 8
  }

  mutating func apply(_ instruction: MeterInstruction, at time: Timestamp) -> Rejection? {
    switch instruction {
    case .register(_, let id, let account, let power, let isClean):
      guard power.raw > 0, power.raw <= Limits.meterPower else { return .malformed }
      guard power.raw * calendar.intervalSeconds / 3600 <= 4_294_967_295 else {
        return .limitExceeded
      }
      guard services[id] == nil else { return .duplicate }
      order.append(id)
      services[id] = Service(
        account: account.int, isClean: isClean, power: power.raw,
        first: calendar.interval(at: time))
      return nil
    case .retire(_, let id):
      guard services[id]?.isRetired == false else { return .unknownObject }
      services[id]?.isRetired = true
      return nil
    case .reading(_, let reading):
      let reason = refuse(reading, at: time)
      if reason == nil {
        sent[Place(meter: reading.meter, interval: reading.interval)] = reading
      }
      return reason
    }
  }

  private func refuse(_ reading: Reading, at time: Timestamp) -> Rejection? {
    if reading.version == 0 || reading.exported < .zero || reading.imported < .zero {
      return .malformed
    }
    guard let service = services[reading.meter], !service.isRetired else { return .unknownSigner }
    let known = sent[Place(meter: reading.meter, interval: reading.interval)]
    if let known, isKept(reading.interval) {
      if known.version == reading.version { return .duplicate }
      if known.version > reading.version { return .staleVersion }
    }
    let limit = Int128(service.power) * Int128(calendar.intervalSeconds)
    for energy in [reading.exported, reading.imported] where Int128(energy.raw) * 3600 > limit {
      return .abovePower
    }
    let end = calendar.end(of: reading.interval)
    if end > time { return .intervalInFuture }
    if reading.interval < service.first || end.advanced(bySeconds: lateDays * 86_400) < time {
      return .tooLate
    }
    return nil
  }

  private func estimate(_ place: Place) -> Reading {
    for days in [7, 1] as [Int64] {
      let earlier = place.interval.advanced(by: -days * calendar.intervalsPerDay)
      if var figure = sent[Place(meter: place.meter, interval: earlier)] {
        figure.quality = .estimated
        figure.version = 0
        return figure
      }
    }
    return Reading(
      chain: .zero, meter: place.meter, interval: place.interval, exported: .zero,
      imported: .zero, quality: .estimated, version: 0)
  }

  /// The accounts' postings and the figures, in order.
  mutating func close() -> (accounts: [MeteredAccount], figures: [MeteredInterval], late: Int) {
    var accounts: [Int: MeteredAccount] = [:]
    var figures: [MeteredInterval] = []
    var late = 0
    let older = sent.keys.filter {
      $0.interval < nextClose && posted[$0]?.version != sent[$0]?.version
    }
    let own = order.map { Place(meter: $0, interval: nextClose) }.filter {
      services[$0.meter]!.first <= nextClose
        && (sent[$0] != nil || !services[$0.meter]!.isRetired)
    }
    let numbers = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1, $0) })
    let sorted = older.sorted {
      ($0.interval, numbers[$0.meter]!) < ($1.interval, numbers[$1.meter]!)
    }
    late = older.count
    for place in own + sorted {
      let service = services[place.meter]!
      let new = sent[place] ?? estimate(place)
      let old = posted[place]
      let exported = new.exported.raw - (old?.exported.raw ?? 0)
      let imported = new.imported.raw - (old?.imported.raw ?? 0)
      posted[place] = new
      generation += exported
      consumption += imported
      var sum = accounts[service.account] ?? account(service.account)
      sum.generation.raw += exported
      sum.consumption.raw += imported
      if service.isClean { sum.clean.raw += exported }
      if exported > 0 { sum.minted.raw += exported } else { sum.burned.raw -= exported }
      if imported > 0 { sum.burned.raw += imported } else { sum.minted.raw -= imported }
      accounts[service.account] = sum
      figures.append(
        MeteredInterval(
          meter: UInt32(numbers[place.meter]!), interval: place.interval, exported: new.exported,
          imported: new.imported, quality: new.quality, version: new.version))
    }
    nextClose = nextClose.next
    let all = accounts.values.filter { $0.minted != .zero || $0.burned != .zero }
    return (all.sorted { $0.account < $1.account }, figures, late)
  }
}
