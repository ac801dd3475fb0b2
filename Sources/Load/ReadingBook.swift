import Domain
import Wire

/// The meters of one connection and what each has read so far.
///
/// A meter reads the newest interval that has ended. Its first reading of an interval is `actual`,
/// version 1 unless the interval had ended before the run began. When it is to read again before
/// the next interval has ended, it sends a correction, the next version of the same interval, as a
/// meter does that found a better figure. So a reading a second on a chain whose intervals last a
/// second is what real meters do, only faster, and on a chain in real time all but the first of
/// each interval are corrections; the report tells how many were which.
package struct ReadingBook: Sendable {
  private struct MeterState {
    var interval = Interval(-1)
    /// Of the last reading of it; 0 for none.
    var version: UInt16 = 0
  }

  private let chain: ChainID
  /// Numbers of the meters and their keys.
  private let numbers: [Int]
  private let keys: [SigningKey]
  private let clock: LoadClock
  /// The interval that had ended when the run began, and its first version in this run. A run
  /// before this one may have read it: versions follow from how long ago it ended, so that they
  /// are above the earlier run's.
  private let oldest: Interval
  private let oldestVersion: UInt16
  private var states: [MeterState]
  private var place = 0
  package private(set) var corrections = 0
  /// Meters that had used up all versions of their interval when it was their turn.
  package private(set) var skipped = 0

  /// `start` is the `Monotonic` time at which the run begins; `lead` keeps its versions above those
  /// of a reading that was sent just before.
  package init(
    chain: ChainID, numbers: [Int], keys: [SigningKey], clock: LoadClock, start: Int64,
    lead: UInt16 = 1
  ) {
    self.chain = chain
    self.numbers = numbers
    self.keys = keys
    self.clock = clock
    oldest = clock.ended(at: start)
    let age = Double(clock.since(oldest, at: start))
    let part = min(1, max(0, age / Double(max(1, clock.intervalMicroseconds))))
    oldestVersion = UInt16(1 + part * 60_000) + lead
    states = Array(repeating: MeterState(), count: numbers.count)
  }

  /// Meters on this connection.
  package var count: Int { states.count }

  /// The reading that the next meter in turn sends at a `Monotonic` time; nil when it has no
  /// version left, until the next interval has ended.
  package mutating func next(at instant: Int64) -> SignedBytes? {
    let index = place
    place = (place + 1) % states.count
    let interval = max(clock.ended(at: instant), oldest)
    let isFirst = interval > states[index].interval
    if isFirst {
      states[index] = MeterState(
        interval: interval, version: interval == oldest ? oldestVersion - 1 : 0)
    }
    guard states[index].version < .max else {
      skipped += 1
      return nil
    }
    states[index].version += 1
    let version = states[index].version
    if !isFirst { corrections += 1 }
    let energy = self.energy(of: numbers[index], interval, version)
    let isProducer = numbers[index].isMultiple(of: 2)
    let payload = WireReading.payload(
      of: Reading(
        chain: chain, meter: keys[index].publicKey, interval: states[index].interval,
        exported: isProducer ? energy : .zero, imported: isProducer ? .zero : energy,
        quality: isFirst ? .actual : .corrected, version: version))
    return SignedBytes(payload: payload, signature: keys[index].sign(payload, for: .reading))
  }

  /// Meters of even numbers export, the others import: 0.2 to 1.2 kW over the interval, another
  /// figure for each interval and version.
  private func energy(of number: Int, _ interval: Interval, _ version: UInt16) -> Energy {
    let draw = LoadDraws.mix(
      UInt64(truncatingIfNeeded: number) &* 0x1_0000_0001
        ^ UInt64(bitPattern: interval.index) << 16 ^ UInt64(version))
    let power = 200_000 + Int64(draw % 1_000_000)
    return Energy(power * clock.intervalSeconds / 3600)
  }
}
