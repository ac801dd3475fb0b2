import Domain

@testable import Metering

func key(_ number: Int) -> MeterID {
  MeterID(Bytes32(0x6d, 0, 0, UInt64(number)))
}

func genesisMeter(
  _ number: Int, account: Int, power: Int64 = 4_000_000, isClean: Bool = false
) -> (meter: GenesisMeter, account: AccountIndex) {
  (
    GenesisMeter(
      id: key(number), account: key(1000 + account), maximumPower: Power(power), isClean: isClean),
    AccountIndex(account)
  )
}

func reading(
  _ meter: Int, _ interval: Interval, exported: Int64 = 0, imported: Int64 = 0, version: UInt16 = 1,
  quality: ReadingQuality = .actual
) -> Reading {
  Reading(
    chain: .zero, meter: key(meter), interval: interval, exported: Energy(exported),
    imported: Energy(imported), quality: quality, version: version)
}

/// A core with the clock of its blocks.
struct Bench {
  var core: MeteringCore
  let calendar: Calendar
  let parameters: Parameters

  /// A chain that starts at the first instant of interval 100,000.
  static let first = Interval(100_000)

  init(
    _ meters: [(meter: GenesisMeter, account: AccountIndex)], intervalSeconds: Int64 = 900,
    lateDays: Int64 = 35
  ) {
    calendar = Calendar(
      intervalSeconds: intervalSeconds, closeDelaySeconds: 60,
      origin: Self.first.index * intervalSeconds, wallOrigin: 0)
    var parameters = Parameters()
    parameters.lateDays = lateDays
    self.parameters = parameters
    core = MeteringCore(calendar: calendar, parameters: parameters, meters: meters)
  }

  /// The interval so many after the first.
  func interval(_ offset: Int64) -> Interval { Self.first.advanced(by: offset) }

  /// The instant at which that interval ends.
  func end(_ offset: Int64) -> Timestamp { calendar.end(of: interval(offset)) }

  /// What a block at `time` makes of readings; nil for applied.
  mutating func send(_ readings: Reading..., at time: Timestamp) throws -> [Rejection?] {
    try apply(readings.map { .reading(entry: 0, $0) }, at: time)
  }

  mutating func apply(_ instructions: [MeterInstruction], at time: Timestamp) throws
    -> [Rejection?]
  {
    let receipts = core.apply(instructions, time: time)
    try core.checkEveryPage()
    return receipts.map(\.receipt.rejection)
  }

  mutating func close() throws -> MeterClose {
    let close = try core.close(core.nextClose)
    try core.checkEveryPage()
    return close
  }

  /// Closes everything before that interval.
  mutating func close(upTo offset: Int64) throws {
    while core.nextClose < interval(offset) { _ = try close() }
  }

  func figure(_ meter: Int, _ offset: Int64) -> MeteredInterval? {
    core.figure(meter: key(meter), interval: interval(offset))
  }

  /// The core as a restart finds it.
  mutating func restore() throws {
    core = try MeteringCore(calendar: calendar, parameters: parameters, chunks: core.chunks())
  }
}

/// Everything of a close, for comparison.
struct CloseRecord: Hashable {
  var interval: Interval
  var accounts: [MeteredAccount]
  var figures: [MeteredInterval]
  var estimated: Int
  var late: Int
  var expectedSurplus: Energy
  var expectedDeficit: Energy

  init(_ close: MeterClose) {
    interval = close.interval
    accounts = close.accounts
    figures = close.figures
    estimated = close.estimated
    late = close.late
    expectedSurplus = close.expectedSurplus
    expectedDeficit = close.expectedDeficit
  }
}

func figure(
  _ meter: UInt32, _ interval: Interval, exported: Int64 = 0, imported: Int64 = 0,
  version: UInt16 = 1, quality: ReadingQuality = .actual
) -> MeteredInterval {
  MeteredInterval(
    meter: meter, interval: interval, exported: Energy(exported), imported: Energy(imported),
    quality: quality, version: version)
}

func account(
  _ index: Int, minted: Int64 = 0, burned: Int64 = 0, generation: Int64 = 0,
  consumption: Int64 = 0, clean: Int64 = 0
) -> MeteredAccount {
  MeteredAccount(
    account: AccountIndex(index), minted: Energy(minted), burned: Energy(burned),
    generation: Energy(generation), consumption: Energy(consumption), clean: Energy(clean))
}
