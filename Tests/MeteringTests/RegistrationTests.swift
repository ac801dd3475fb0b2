import Domain
import Testing

@testable import Metering

private func at(_ offset: Int64) -> Interval { Bench.first.advanced(by: offset) }

private func register(
  _ meter: Int, account: Int = 7, power: Int64 = 4_000_000, isClean: Bool = false
) -> MeterInstruction {
  .register(
    entry: 0, meter: key(meter), account: AccountIndex(account), maximumPower: Power(power),
    isClean: isClean)
}

private func retire(_ meter: Int) -> MeterInstruction { .retire(entry: 0, meter: key(meter)) }

@Suite struct RegistrationTests {
  @Test(
    arguments: [
      (1, 4_000_000, Rejection.duplicate), (2, 0, .malformed), (2, -1, .malformed),
      (2, 4_000_000_001, .malformed), (2, Int64.max, .malformed), (1, 0, .malformed),
      (2, 1, nil), (2, 4_000_000_000, nil),
    ] as [(Int, Int64, Rejection?)])
  func outcome(meter: Int, power: Int64, reason: Rejection?) throws {
    var bench = Bench([genesisMeter(1, account: 7)])
    #expect(
      try bench.apply([register(meter, power: power)], at: bench.end(0)) == [reason])
  }

  /// 4,294,967,295 mWh is what fits: with an interval of a day, 178,956,970 mW × 24 h.
  @Test func longIntervalsLimitThePower() throws {
    var bench = Bench([genesisMeter(1, account: 7)], intervalSeconds: 86_400)
    #expect(
      try bench.apply(
        [
          register(2, power: 178_956_970), register(3, power: 178_956_971),
          register(1, power: 178_956_971),
        ],
        at: bench.end(0)) == [nil, .limitExceeded, .limitExceeded])
    #expect(
      try bench.send(
        reading(2, at(1), exported: 4_294_967_280), reading(2, at(1), exported: 4_294_967_281),
        at: bench.end(1)) == [nil, .duplicate])
    #expect(
      try bench.send(reading(2, at(1), exported: 4_294_967_281, version: 2), at: bench.end(1))
        == [.abovePower])
    _ = try bench.close()
    #expect(
      try bench.close().accounts == [
        account(7, minted: 4_294_967_280, generation: 4_294_967_280)
      ])
  }

  /// A genesis line beyond 32 bits of energy is held to them.
  @Test func genesisBeyond32Bits() throws {
    var bench = Bench(
      [genesisMeter(1, account: 7, power: 4_000_000_000), genesisMeter(1, account: 8)],
      intervalSeconds: 86_400)
    #expect(bench.core.meterCount == 1)
    #expect(
      try bench.send(
        reading(1, at(0), exported: 4_294_967_296), reading(1, at(0), exported: 4_294_967_295),
        at: bench.end(0)) == [.abovePower, nil])
    try bench.restore()
    #expect(try bench.close().accounts.first?.minted == Energy(4_294_967_295))
  }

  @Test func tableIsFull() throws {
    var bench = Bench((0..<Limits.meters).map { genesisMeter($0, account: 7) })
    let instructions = [register(Limits.meters), register(0), retire(0), register(Limits.meters)]
    let receipts = bench.core.apply(instructions, time: bench.end(0))
    #expect(
      receipts.map(\.receipt.rejection) == [.limitExceeded, .limitExceeded, nil, .limitExceeded])
  }

  @Test func numbersFollowRegistration() throws {
    var bench = Bench([genesisMeter(5, account: 9), genesisMeter(3, account: 2, isClean: true)])
    #expect(try bench.apply([register(1, account: 4)], at: bench.end(0)) == [nil])
    #expect([5, 3, 1, 8].map { bench.core.meterIndex(key($0)) } == [0, 1, 2, nil])
    #expect(bench.core.meter(1).id == key(3))
    #expect(bench.core.meter(1).account == AccountIndex(2))
    #expect(bench.core.meter(1).maximumPower == Power(4_000_000))
    #expect(bench.core.meter(1).isClean)
    #expect(!bench.core.meter(2).isClean)
    #expect(bench.core.meter(2).inService)
    #expect(try bench.apply([retire(1)], at: bench.end(0)) == [nil])
    #expect(!bench.core.meter(2).inService)
    #expect(bench.core.meterIndex(key(1)) == 2)
  }

  @Test func retireOnceAndNeverAgain() throws {
    var bench = Bench([genesisMeter(1, account: 7)])
    #expect(
      try bench.apply(
        [retire(2), retire(1), retire(1), register(1), register(1, power: 0)], at: bench.end(0))
        == [.unknownObject, nil, .unknownObject, .duplicate, .malformed])
  }

  /// Registered in interval 1, during the close delay of interval 0.
  @Test func takesPartFromItsInterval() throws {
    var bench = Bench([])
    let time = bench.end(0).advanced(bySeconds: 10)
    #expect(
      try bench.apply(
        [
          register(1), .reading(entry: 1, reading(1, at(0))), .reading(entry: 2, reading(1, at(1))),
        ],
        at: time) == [nil, .tooLate, .intervalInFuture])
    let before = try bench.close()
    #expect(before.figures.isEmpty)
    #expect(before.estimated == 0)
    #expect(bench.figure(1, 0) == nil)
    #expect(bench.core.meter(0).first == at(1))
    #expect(
      try bench.send(reading(1, at(0)), reading(1, at(1), imported: 5), at: bench.end(1))
        == [.tooLate, nil])
    #expect(try bench.close().figures == [figure(0, at(1), imported: 5)])
  }

  /// Meter 1 has sent before it was retired, meter 2 has not: what is known is closed, nothing
  /// is estimated, and late readings that were taken before still settle.
  @Test func retiredMeterClosesWithWhatIsKnown() throws {
    var bench = Bench([genesisMeter(1, account: 7), genesisMeter(2, account: 8)])
    _ = try bench.close()
    #expect(
      try bench.send(
        reading(1, at(1), exported: 40), reading(1, at(0), exported: 3),
        reading(2, at(0), imported: 9), at: bench.end(1)) == [nil, nil, nil])
    #expect(
      try bench.apply(
        [
          retire(1), retire(2), .reading(entry: 0, reading(1, at(1), version: 2)),
          .reading(entry: 0, reading(2, at(1))),
        ], at: bench.end(1)) == [nil, nil, .unknownSigner, .unknownSigner])
    try bench.restore()
    let close = try bench.close()
    #expect(
      close.figures == [
        figure(0, at(1), exported: 40), figure(0, at(0), exported: 3),
        figure(1, at(0), imported: 9),
      ])
    #expect(
      close.accounts == [
        account(7, minted: 43, generation: 43), account(8, burned: 9, consumption: 9),
      ])
    #expect(close.estimated == 0)
    #expect(close.late == 2)
    #expect(try bench.close().figures.isEmpty)
    #expect(bench.figure(1, 1) == figure(0, at(1), exported: 40))
    #expect(bench.figure(2, 1) == nil)
    #expect(bench.figure(2, 2) == nil)
  }
}
