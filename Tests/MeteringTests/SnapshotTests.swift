import Domain
import TestSupport
import Testing

@testable import Metering

@Suite struct SnapshotTests {
  /// Readings of 20 meters over some days, with gaps, late corrections and a retired meter.
  private func bench(seed: UInt64, closes: Int64 = 60) throws -> (Bench, SplitMix64) {
    var random = SplitMix64(seed: seed)
    let meters = (0..<20).map { genesisMeter($0, account: 30 - $0 / 2, isClean: $0 % 3 == 0) }
    var bench = Bench(meters, intervalSeconds: 21_600, lateDays: 3)
    for step in 0..<closes { try advance(&bench, step, &random) }
    return (bench, random)
  }

  @discardableResult
  private func advance(
    _ bench: inout Bench, _ step: Int64, _ random: inout SplitMix64
  ) throws -> CloseRecord {
    let time = bench.end(step)
    var instructions: [MeterInstruction] = []
    for _ in 0..<12 {
      let back: Int64 = random.below(3) == 0 ? random.below(12) : 0
      instructions.append(
        .reading(
          entry: 0,
          reading(
            Int(random.below(20)), bench.interval(step - back), exported: random.below(1000),
            imported: random.below(1000), version: UInt16(1 + random.below(3)))))
    }
    if step == 20 { instructions.append(.retire(entry: 0, meter: key(4))) }
    if step == 22 {
      instructions.append(
        .register(
          entry: 0, meter: key(19), account: AccountIndex(1), maximumPower: Power(1), isClean: true)
      )
    }
    _ = try bench.apply(instructions, at: time)
    return CloseRecord(try bench.close())
  }

  @Test(arguments: UInt64(0)..<20)
  func restoredCoreGoesOnTheSame(seed: UInt64) throws {
    var (bench, random) = try bench(seed: seed)
    // With gathered and late readings in it.
    _ = try bench.send(
      reading(1, bench.interval(60), exported: 5), reading(1, bench.interval(55), version: 9),
      at: bench.end(60))
    #expect(!bench.core.late.isEmpty)
    var restored = bench
    try restored.restore()
    #expect(restored.core.chunks() == bench.core.chunks())
    for step in Int64(60)..<120 {
      var same = random
      let expected = try advance(&bench, step, &random)
      #expect(try advance(&restored, step, &same) == expected, "seed \(seed) step \(step)")
    }
    #expect(restored.core.chunks() == bench.core.chunks(), "seed \(seed)")
  }

  @Test func chunksAreNamedAndOrdered() throws {
    var (bench, _) = try bench(seed: 1)
    let day = Bench.first.index / 4
    // Next close is interval 60, day 15; 3 + 8 days before it are kept.
    #expect(
      bench.core.chunks().map(\.name) == ["meter/registry", "meter/state"]
        + (Int64(4)..<15).map { "meter/page/\(day + $0)" })
  }

  /// Only the pages that changed have a new digest; a digest is that of the bytes.
  @Test func unchangedPagesKeepTheirChunk() throws {
    var (bench, _) = try bench(seed: 2)
    let before = bench.core.chunks()
    #expect(before.allSatisfy { $0.digest == Digest.sha256($0.bytes) })
    #expect(bench.core.history.pages.allSatisfy { $0.digest != nil })
    #expect(
      try bench.send(reading(3, bench.interval(57), version: 77), at: bench.end(60)) == [nil])
    #expect(
      bench.core.history.pages.filter { $0.digest == nil }.map(\.number) == [
        Bench.first.index / 4 + 14
      ])
    let after = bench.core.chunks()
    #expect(after.allSatisfy { $0.digest == Digest.sha256($0.bytes) })
    let changed = zip(before, after).filter { $0 != $1 }.map { $1.name }
    #expect(changed == ["meter/state", "meter/page/\(Bench.first.index / 4 + 14)"])
  }

  /// The registry's chunk is kept too, until a meter comes or goes.
  @Test func registryChunkFollowsTheMeters() throws {
    var bench = Bench([genesisMeter(1, account: 7)])
    let start = bench.core.chunks()[0]
    _ = try bench.close()
    #expect(bench.core.chunks()[0] == start)
    let new = MeterInstruction.register(
      entry: 0, meter: key(2), account: AccountIndex(3), maximumPower: Power(5), isClean: true)
    #expect(try bench.apply([new], at: bench.end(0)) == [nil])
    let grown = bench.core.chunks()[0]
    #expect(grown.digest != start.digest)
    #expect(try bench.apply([.retire(entry: 0, meter: key(1))], at: bench.end(0)) == [nil])
    #expect(bench.core.chunks()[0].digest != grown.digest)
    let meters = [bench.core.meter(0), bench.core.meter(1)]
    try bench.restore()
    #expect([bench.core.meter(0), bench.core.meter(1)] == meters)
    #expect(!meters[0].inService)
  }

  /// A page exists only for intervals with a figure, and a row only for a meter with one.
  @Test func memoryFollowsTheReadings() throws {
    var bench = Bench((0..<1000).map { genesisMeter($0, account: $0) })
    try bench.close(upTo: 5 * 96)
    #expect(bench.core.history.pages.isEmpty)
    #expect(
      try bench.send(reading(999, bench.interval(96), imported: 1), at: bench.end(479)) == [nil])
    #expect(bench.core.history.pages.map(\.rowCount) == [1])
    #expect(bench.core.history.pages[0].bytes.count == 8 + 4 + 16 * 12)
    try bench.close(upTo: 96 + (7 + 35 + 8 + 2) * 96)
    #expect(bench.core.history.pages.isEmpty, "the reading and the estimate after it are gone")
    #expect(bench.core.totals == PostedEnergy(exported: 0, imported: 2))
    #expect(bench.core.dropped == bench.core.totals)
  }

  private func refusal(_ bench: Bench, _ chunks: [StateChunk]) -> Rejection? {
    do throws(Rejection) {
      _ = try MeteringCore(
        calendar: bench.calendar, parameters: bench.parameters, chunks: chunks)
      return nil
    } catch { return error }
  }

  @Test func chunksThatAreMissingOrMisplaced() throws {
    var (bench, _) = try bench(seed: 3)
    let chunks = bench.core.chunks()
    #expect(refusal(bench, chunks) == nil)
    #expect(refusal(bench, []) == .malformed)
    #expect(refusal(bench, [chunks[0]]) == .malformed)
    for index in chunks.indices {
      var fewer = chunks
      fewer.remove(at: index)
      #expect(refusal(bench, fewer) == .malformed, "without \(chunks[index].name)")
      var repeated = chunks
      repeated.insert(chunks[index], at: index)
      #expect(refusal(bench, repeated) == .malformed, "twice \(chunks[index].name)")
      var shorter = chunks
      shorter[index] = StateChunk(
        name: chunks[index].name, bytes: Array(chunks[index].bytes.dropLast()))
      #expect(refusal(bench, shorter) == .malformed, "cut \(chunks[index].name)")
      var renamed = chunks
      renamed[index].name += "x"
      #expect(refusal(bench, renamed) == .malformed, "renamed \(chunks[index].name)")
    }
    var forged = chunks
    forged[4].digest = .zero
    #expect(refusal(bench, forged) == .malformed)
  }

  /// Any byte changed in any chunk: refused, or a core whose invariants hold and that goes on;
  /// never a trap. A figure that was posted cannot change without notice.
  @Test(arguments: UInt64(0)..<60)
  func damagedChunksNeverTrap(seed: UInt64) throws {
    var (bench, random) = try bench(seed: seed % 4, closes: 24)
    _ = try bench.send(
      reading(1, bench.interval(24), exported: 5), reading(1, bench.interval(20), version: 9),
      at: bench.end(24))
    let chunks = bench.core.chunks()
    random = SplitMix64(seed: seed)
    for _ in 0..<40 {
      var damaged = chunks
      for _ in 0...random.below(2) {
        let index = Int(random.below(Int64(chunks.count)))
        var bytes = damaged[index].bytes
        let place = Int(random.below(Int64(min(bytes.count, 400))))
        bytes[place] = [0, 1, 0x7f, 0x80, 0xff, bytes[place] ^ 1][Int(random.below(6))]
        damaged[index] = StateChunk(name: chunks[index].name, bytes: bytes)
      }
      var core: MeteringCore
      do throws(Rejection) {
        core = try MeteringCore(
          calendar: bench.calendar, parameters: bench.parameters, chunks: damaged)
      } catch {
        #expect(error == .malformed)
        continue
      }
      try core.checkEveryPage()
      _ = core.apply([.reading(entry: 0, reading(2, bench.interval(24)))], time: bench.end(24))
      for _ in 0..<8 { _ = try core.close(core.nextClose) }
      try core.checkEveryPage()
      #expect(!core.chunks().isEmpty)
    }
  }

  @Test func postedFigureCannotChangeUnnoticed() throws {
    var (bench, _) = try bench(seed: 5)
    let place = bench.core.history.pages.count - 2
    let row = bench.core.history.pages[place]
    let offset = try #require(row.offset(of: row.meter(ofRow: 0), slot: 1))
    var slot = row.load(offset)
    #expect(slot != .empty)
    slot.exported ^= 1
    bench.core.history.pages[place].store(slot, at: offset, nextClose: bench.core.nextClose)
    #expect(throws: InvariantViolation.self) { try bench.core.checkInvariants() }
    #expect(refusal(bench, bench.core.chunks()) == .malformed)
  }
}
