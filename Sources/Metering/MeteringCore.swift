import Domain

/// A figure of a closed interval that waits for the next close. In the order of the figures of
/// a close: oldest interval first, then by meter.
struct LateKey: Hashable, Comparable, Sendable {
  var interval: Interval
  var meter: UInt32

  static func < (a: Self, b: Self) -> Bool {
    (a.interval.index, a.meter) < (b.interval.index, b.meter)
  }
}

/// The community's balance in one interval, of the interval's own figures.
struct Expectation: Hashable, Sendable {
  /// Sum of the accounts' positive net exports, and of their positive net imports.
  var surplus = Energy.zero
  var deficit = Energy.zero
}

/// Which intervals a block's readings may be for; from the block's time alone.
struct ReadingWindow {
  /// The first interval that has not ended.
  let current: Interval
  /// The oldest whose end is no more than the days for late readings ago.
  let earliest: Interval

  init(at time: Timestamp, calendar: Calendar, parameters: Parameters) {
    current = calendar.interval(at: time)
    // At the first instant of `current` the interval that ended then is still within the days.
    let extra: Int64 = calendar.start(of: current) == time ? 1 : 0
    earliest = current.advanced(by: -parameters.lateDays * calendar.intervalsPerDay - extra)
  }
}

/// Where a reading goes once it is accepted.
private struct ReadingPlace {
  var meter: Int
  /// Of the history.
  var number: Int64 = 0
  var slot = 0
  /// Nil: the page is not there, or has no row of the meter, yet.
  var page: Int?
  var offset: Int?
}

/// Metering: readings into the figures of intervals, once each, and what each close posts.
///
/// A reading of an interval that is not closed yet is gathered; a higher version replaces a lower
/// one. At the close the figure is posted, or, for a meter in service that stayed silent, the
/// node's own estimate, which counts as version 0. Whatever comes later for a closed interval is
/// gathered too and settles as a difference at the next close. Two readings with the same
/// version but different figures are a fault of the meter: the first in the chain stands.
///
/// A meter takes part from the interval in which it is registered; readings of earlier intervals
/// are `tooLate`. A retired meter's last gathered readings still count, but nothing is estimated
/// for it, and its id is never registered again.
package struct MeteringCore: Sendable {
  let calendar: Calendar
  let parameters: Parameters
  var registry: MeterRegistry
  var history: MeterHistory
  /// Posted figures that a late reading will replace at the next close.
  var late: [LateKey: Slot] = [:]
  /// The first interval that is not closed yet.
  package internal(set) var nextClose: Interval
  /// Everything posted since genesis, as the closes reported it.
  package internal(set) var totals = PostedEnergy()
  /// The part of it whose pages are gone.
  package internal(set) var dropped = PostedEnergy()
  /// For each interval of the day, the balance when it was last closed.
  var lastDay: ContiguousArray<Expectation>

  /// Pages are kept for the days of late readings and, for the estimates, a week and the day
  /// that is under way.
  static let extraDays: Int64 = 8

  /// `meters` are numbered in their order and take part from the chain's first interval. What
  /// `Genesis.faults` refuses is no matter of this initialiser: of two lines with one id the
  /// first stands, and an interval's energy is limited to 32 bits of mWh in any case.
  package init(
    calendar: Calendar, parameters: Parameters,
    meters: [(meter: GenesisMeter, account: AccountIndex)]
  ) {
    self.init(
      calendar: calendar, parameters: parameters,
      registry: MeterRegistry(intervalSeconds: calendar.intervalSeconds))
    for (meter, account) in meters where registry.index(of: meter.id) == nil {
      registry.add(
        meter.id, account: account, maximumPower: meter.maximumPower, isClean: meter.isClean,
        first: nextClose)
    }
  }

  init(calendar: Calendar, parameters: Parameters, registry: MeterRegistry) {
    let intervals = Int(calendar.intervalsPerDay)
    self.calendar = calendar
    self.parameters = parameters
    self.registry = registry
    history = MeterHistory(intervalsPerDay: intervals)
    nextClose = calendar.firstInterval
    lastDay = ContiguousArray(repeating: Expectation(), count: intervals)
  }

  /// Executes a block's instructions in order; `time` is the block's. Every instruction gets
  /// its receipt; one that is rejected changes nothing.
  package mutating func apply(
    _ instructions: [MeterInstruction], time: Timestamp
  ) -> [PlacedReceipt] {
    let window = ReadingWindow(at: time, calendar: calendar, parameters: parameters)
    var receipts: [PlacedReceipt] = []
    receipts.reserveCapacity(instructions.count)
    for instruction in instructions {
      switch instruction {
      case .reading(let entry, let reading):
        receipts.append(PlacedReceipt(entry, gather(reading, window)))
      case .register(let entry, let id, let account, let maximumPower, let isClean):
        let first = max(window.current, nextClose)
        do throws(Rejection) {
          try registry.register(
            id, account: account, maximumPower: maximumPower, isClean: isClean, first: first)
          receipts.append(PlacedReceipt(entry, .applied))
        } catch { receipts.append(PlacedReceipt(entry, .rejected(error))) }
      case .retire(let entry, let id):
        do throws(Rejection) {
          try registry.retire(id, nextClose: nextClose)
          receipts.append(PlacedReceipt(entry, .applied))
        } catch { receipts.append(PlacedReceipt(entry, .rejected(error))) }
      }
    }
    return receipts
  }

  /// Why `reading` would be refused in a block of `time`, as far as can be told before it;
  /// nil if it would not. Changes nothing.
  package func admit(_ reading: Reading, time: Timestamp) -> Rejection? {
    do throws(Rejection) {
      _ = try place(
        reading, ReadingWindow(at: time, calendar: calendar, parameters: parameters))
      return nil
    } catch { return error }
  }

  private mutating func gather(_ reading: Reading, _ window: ReadingWindow) -> Receipt {
    let place: ReadingPlace
    do throws(Rejection) { place = try self.place(reading, window) } catch {
      return .rejected(error)
    }
    let page = place.page ?? history.open(place.number)
    let offset = place.offset ?? history.pages[page].open(place.meter, slot: place.slot)
    var new = Slot(
      exported: UInt32(reading.exported.raw), imported: UInt32(reading.imported.raw),
      version: reading.version, quality: reading.quality)
    if reading.interval < nextClose {
      let old = history.pages[page].load(offset)
      if !old.isLate {
        let key = LateKey(interval: reading.interval, meter: UInt32(place.meter))
        late[key] = old == .empty ? .zeroEstimate : old
      }
      new.isLate = true
    }
    history.pages[page].store(new, at: offset, nextClose: nextClose)
    return .applied
  }

  /// The checks of a reading, in the order of `Rejection`'s cases; throws the first that fails.
  ///
  /// Only an interval that has ended and in which the meter took part can have a version; the
  /// comparison with both bounds comes first, so that no index, however wild, overflows.
  private func place(
    _ reading: Reading, _ window: ReadingWindow
  ) throws(Rejection) -> ReadingPlace {
    guard reading.exported.raw >= 0, reading.imported.raw >= 0, reading.version > 0 else {
      throw .malformed
    }
    guard let index = registry.index(of: reading.meter), registry.meters[index].inService else {
      throw .unknownSigner
    }
    let first = registry.meters[index].first
    var place = ReadingPlace(meter: index)
    if reading.interval >= first, reading.interval < window.current {
      (place.number, place.slot) = history.place(of: reading.interval)
      place.page = history.page(place.number)
      if let page = place.page {
        place.offset = history.pages[page].offset(of: index, slot: place.slot)
        if let offset = place.offset {
          let known = history.pages[page].load(offset).version
          if reading.version == known { throw .duplicate }
          if reading.version < known { throw .staleVersion }
        }
      }
    }
    let limit = Int64(registry.meters[index].maximumEnergy)
    guard reading.exported.raw <= limit, reading.imported.raw <= limit else { throw .abovePower }
    guard reading.interval < window.current else { throw .intervalInFuture }
    guard reading.interval >= first, reading.interval >= window.earliest else { throw .tooLate }
    return place
  }

  /// The first interval of the oldest day whose figures are kept.
  var oldestKept: Interval {
    let days = parameters.lateDays + Self.extraDays
    return nextClose.advanced(
      by: -Int64(calendar.slot(of: nextClose)) - days * calendar.intervalsPerDay)
  }
}

// MARK: Reading

extension MeteringCore {
  /// The figure that is posted for a meter's interval; nil if the interval is not closed, or so
  /// long ago that its page is gone, or the meter took no part in it. A late correction shows
  /// only once it is settled.
  package func figure(meter id: MeterID, interval: Interval) -> MeteredInterval? {
    guard let index = registry.index(of: id), interval < nextClose,
      interval >= registry.meters[index].first
    else { return nil }
    guard interval >= oldestKept else { return nil }
    let (number, slot) = history.place(of: interval)
    if let page = history.page(number),
      let offset = history.pages[page].offset(of: index, slot: slot)
    {
      let known = history.pages[page].load(offset)
      let posted =
        known.isLate ? late[LateKey(interval: interval, meter: UInt32(index))] : known
      if let posted, posted != .empty {
        return MeteredInterval(posted, meter: index, interval: interval)
      }
    }
    guard registry.meters[index].isEstimated(at: interval) else { return nil }
    return MeteredInterval(.zeroEstimate, meter: index, interval: interval)
  }

  package func meterIndex(_ id: MeterID) -> UInt32? { registry.indexes[id] }

  /// The meter with a number that this core gave out.
  package func meter(_ index: UInt32) -> Meter { registry.meters[Int(index)] }

  package var meterCount: Int { registry.meters.count }
}

extension MeteredInterval {
  init(_ slot: Slot, meter: Int, interval: Interval) {
    self.init(
      meter: UInt32(meter), interval: interval, exported: Energy(Int64(slot.exported)),
      imported: Energy(Int64(slot.imported)), quality: slot.quality ?? .estimated,
      version: slot.version)
  }
}
