import Domain
import Foundation
import Storage
import TestSupport
import Testing

/// Blocks that link to each other as a real chain's do, with contents drawn from a seed; and what
/// a store that was given them should hold, worked out from the plain list.
struct SampleChain {
  let chain: ChainID
  private(set) var blocks: [ExecutedBlock] = []
  private var random: SplitMix64
  private var nextInterval = Interval(2_000_000)
  /// Whether intervals sometimes become final only after later ones.
  var waitsForRounds = false
  private var waiting: IntervalRecord?
  private var views: [UInt64] = [0]

  init(seed: UInt64) {
    random = SplitMix64(seed: seed)
    chain = Digest.sha256(Array("chain \(seed)".utf8))
  }

  var hash: Digest { blocks.last?.hash ?? chain }

  mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }

  mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) }
  }

  /// The next block, with up to so many of each; it becomes part of the chain.
  mutating func block(
    body: Int = 300, entries: Int = 20, trades: Int = 10, lines: Int = 150, closes: Int = 0
  ) -> ExecutedBlock {
    var block = frame(body: bytes(number(0...body)))
    block.receipts = (0..<number(0...entries)).map { _ in receipt() }
    block.readings = number(0...block.receipts.count)
    block.trades = (0..<number(0...trades)).map { _ in trade() }
    block.history = (0..<number(0...lines)).map { _ in line() }
    for _ in 0..<closes { close(into: &block) }
    if var record = waiting, number(0...2) == 0 {
      record.height = block.height
      block.intervals.append(record)
      waiting = nil
    }
    blocks.append(block)
    return block
  }

  private mutating func frame(body: [UInt8]) -> ExecutedBlock {
    let height = UInt64(blocks.count + 1)
    let attested = UInt64(max(0, blocks.count - number(0...2)))
    let of = attested == 0 ? nil : blocks[Int(attested) - 1]
    let view = views[blocks.count] + UInt64(number(1...3))
    let header = BlockHeader(
      chain: chain, epoch: 0, height: height, view: view, parentView: views[blocks.count],
      parent: hash, time: Timestamp(microseconds: Int64(height) * 1_000_001),
      body: Digest.sha256(body),
      attested: Attestation(
        height: attested, stateRoot: of?.roots.state ?? .zero,
        receiptsRoot: of?.roots.receipts ?? .zero, outboxRoot: of?.roots.outbox ?? .zero))
    views.append(view)
    return ExecutedBlock(
      height: height, hash: header.hash, header: header.encoded, body: body,
      finalization: bytes(number(0...200)), time: header.time,
      roots: BlockRoots(
        state: Digest.sha256(bytes(8)), receipts: Digest.sha256(bytes(8)),
        outbox: Digest.sha256(bytes(8))))
  }

  private mutating func receipt() -> Receipt {
    number(0...2) == 0
      ? .rejected(Rejection.allCases[number(0...Rejection.allCases.count - 1)])
      : Receipt(
        order: OrderID(UInt64(number(1...1000))), filled: Int64(number(0...9)),
        resting: Int64(number(0...9)), packet: number(0...3) == 0 ? .max : nil)
  }

  private mutating func trade() -> PricedTrade {
    PricedTrade(
      trade: Trade(
        buyer: account(), seller: account(), buyOrder: OrderID(UInt64(number(0...9999))),
        sellOrder: OrderID(UInt64.max - UInt64(number(0...9999))),
        wattHours: Int64(number(1...99_999)), price: Price(Int64(number(1...999_999))),
        mechanism: number(0...1) == 0 ? .continuous : .auction,
        taker: [nil, .buy, .sell][number(0...2)], released: Money(Int64(number(0...99_999))),
        coversShortfall: number(0...1) == 0),
      buyerPays: Money(Int64(number(0...9999))), sellerGets: Money(Int64(number(0...9999))),
      networkGets: Money(Int64(number(0...9))))
  }

  /// Mostly a few accounts, now and then one far beyond them.
  private mutating func account() -> AccountIndex {
    AccountIndex(number(0...19) == 0 ? number(0...3000) : number(0...12))
  }

  private mutating func line() -> HistoryLine {
    let kinds = HistoryKind.allCases
    var line = HistoryLine(
      account(), kinds[number(0...kinds.count - 1)],
      reference: number(0...9) == 0 ? .max : UInt64(number(0...99)),
      entry: number(0...1) == 0 ? nil : UInt32(number(0...16_383)),
      counterparty: number(0...1) == 0 ? nil : account())
    line.watt = Energy(Int64(number(-999_999_999...999_999_999)))
    line.money = Money(Int64.min + Int64(number(0...99)))
    line.tsl = StorageTokens(Int64.max - Int64(number(0...99)))
    line.ect = RewardTokens(Int64(number(-9...9)))
    return line
  }

  /// Closes the next interval: most meters have a figure, and some older figures change.
  private mutating func close(into block: inout ExecutedBlock) {
    var record = IntervalRecord(interval: nextInterval, height: block.height)
    record.balance.generation = Energy(Int64(number(0...999_999)))
    record.balance.stored = Energy(-Int64(number(0...999_999)))
    record.clearingPrice = number(0...1) == 0 ? nil : Price(Int64(number(1...999)))
    record.tradedSurplus = -(Int128(number(0...99)) << 70) - 1
    record.optimalSurplus = Int128(number(0...99)) << 64 | Int128(UInt64.max)
    record.isUtilityAvailable = number(0...3) > 0
    record.late = number(0...9)
    record.couplingPrice = number(0...1) == 0 ? nil : Price(Int64(number(0...999)))
    record.couplingBought = Int64(number(0...99))
    record.couplingSold = Int64(number(0...99))
    record.couplingMoney = Money(Int64(number(-99...99)))
    block.closed.append(nextInterval)
    if waitsForRounds, waiting == nil, number(0...1) == 0 {
      waiting = record
    } else {
      block.intervals.append(record)
    }
    for meter in 0..<450 where number(0...9) > 0 {
      block.figures.append(figure(UInt32(meter), nextInterval))
    }
    for _ in 0..<number(0...30) {
      let older = nextInterval.advanced(by: -Int64(number(0...5)))
      if older.index >= 2_000_000 { block.figures.append(figure(UInt32(number(0...9)), older)) }
    }
    nextInterval = nextInterval.next
  }

  private mutating func figure(_ meter: UInt32, _ interval: Interval) -> MeteredInterval {
    MeteredInterval(
      meter: meter, interval: interval, exported: Energy(Int64(number(0...99_999))),
      imported: Energy(Int64(number(0...99_999))), quality: ReadingQuality.allCases[number(0...2)],
      version: UInt16(number(1...65_535)))
  }
}

/// A folder of its own for a test, removed with it.
final class TemporaryFolder {
  let path: String
  var database: String { path + "/chain.db" }

  init() throws {
    path = FileManager.default.temporaryDirectory.path + "/storage-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// The files as they are now, in another folder: what a crash would leave.
  func image() throws -> TemporaryFolder {
    let copy = try TemporaryFolder()
    for suffix in ["", "-wal"] where FileManager.default.fileExists(atPath: database + suffix) {
      try FileManager.default.copyItem(atPath: database + suffix, toPath: copy.database + suffix)
    }
    return copy
  }

  func contents(_ suffix: String = "") throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: database + suffix)))
  }

  func replace(_ bytes: [UInt8], _ suffix: String = "") throws {
    try Data(bytes).write(to: URL(fileURLWithPath: database + suffix))
  }

  /// Place of the only occurrence of `pattern` in the database file.
  func offset(of pattern: [UInt8]) throws -> Int {
    let data = try Data(contentsOf: URL(fileURLWithPath: database))
    let range = try #require(data.range(of: Data(pattern)))
    #expect(data[range.upperBound...].range(of: Data(pattern)) == nil)
    return range.lowerBound
  }

  /// Flips one bit of the only occurrence of `pattern`, in its middle unless told.
  func damage(_ pattern: [UInt8], at place: Int? = nil) throws {
    let offset = try offset(of: pattern)
    var bytes = try contents()
    bytes[offset + (place ?? pattern.count / 2)] ^= 1
    try replace(bytes)
  }
}
