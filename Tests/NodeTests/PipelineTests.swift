import Domain
import Node
import TestSupport
import Testing
import Wire

enum WireSample {
  static func command(chain: ChainID, signer: PublicKey) -> [UInt8] {
    WireCommand.payload(
      of: Command(
        chain: chain, signer: signer, sequence: 1, expires: Timestamp(seconds: 1 << 40),
        body: .redeem(amount: Money(1))))
  }
}

/// The same line over bare cores and over actors, and over a restored snapshot.
@Suite struct PipelineTests {
  @Test(arguments: 1...12 as ClosedRange<UInt64>)
  func coresActorsAndSnapshotsAgree(seed: UInt64) async throws {
    let test = try TestGrid()
    defer { test.remove() }
    var random = SplitMix64(seed: seed)
    var bare = try await BarePipeline(genesis: test.genesis)
    let start = try await BarePipeline(genesis: test.genesis)
    var acting = NodePipeline(over: start)
    var restored = bare
    var workload = Workload(test)
    for height in 1...60 as ClosedRange<UInt64> {
      let block = workload.block(height: height, &random)
      let first = try await bare.execute(block)
      let second = try await acting.execute(block)
      let third = try await restored.execute(block)
      #expect(first.attestation == second.attestation, "seed \(seed), height \(height)")
      #expect(first.attestation == third.attestation, "seed \(seed), height \(height)")
      #expect(first.receipts == second.receipts)
      if let chunks = first.chunks {
        restored = try BarePipeline(genesis: test.genesis, chunks: chunks)
      }
    }
    #expect(workload.closes(bare) > 10, "the workload must close intervals")
  }
}

extension Pipeline
where Meter == MeterActor, Book == BookActor, Books == LedgerActor, Fee == FeeActor {
  /// The same state in actors.
  init(over bare: BarePipeline) {
    let thread = ChainThread.next()
    self.init(
      bare, meter: MeterActor(bare.meter, on: thread), book: BookActor(bare.book, on: thread),
      ledger: LedgerActor(bare.ledger, on: thread), fee: FeeActor(bare.fee, on: thread))
  }
}

/// Random blocks of commands and readings, times growing.
struct Workload {
  private let test: TestGrid
  private var time: Int64
  private var sequences: [PublicKey: UInt64] = [:]
  private var orders: UInt64 = 0

  init(_ test: TestGrid) {
    self.test = test
    time = TestGrid.origin * 1_000_000
  }

  func closes(_ pipeline: BarePipeline) -> Int64 {
    pipeline.nextClose.index - test.genesis.calendar.firstInterval.index
  }

  mutating func block(height: UInt64, _ random: inout SplitMix64) -> DecidedBlock {
    time += 1 + random.below(600_000_000)
    var entries: [VerifiedEntry] = []
    for _ in 0..<random.below(12) { entries.append(command(&random)) }
    let now = test.genesis.calendar.interval(at: Timestamp(microseconds: time))
    let previous = now.advanced(by: -1)
    for meter in 0..<2 where random.below(4) > 0 {
      entries.append(
        VerifiedEntry(
          verified: .reading(
            Reading(
              chain: test.genesis.chainID, meter: test.meters[meter].publicKey,
              interval: previous, exported: Energy(random.below(2_000_000)),
              imported: Energy(random.below(1_000_000)), version: UInt16(1 + random.below(3)))),
          signed: SignedBytes(payload: [UInt8(meter)], signature: .zero)))
    }
    let attested = Attestation(
      height: height - 1, stateRoot: .zero, receiptsRoot: .zero, outboxRoot: .zero)
    let header = BlockHeader(
      chain: test.genesis.chainID, epoch: 1, height: height, view: height, parentView: height - 1,
      parent: .zero, time: Timestamp(microseconds: time), body: .zero, attested: attested)
    return DecidedBlock(
      header: header, hash: header.hash, body: [], entries: entries, finality: nil)
  }

  private mutating func command(_ random: inout SplitMix64) -> VerifiedEntry {
    let keys = [test.homes[0], test.homes[1], test.lead].map(\.publicKey)
    let signer = keys[Int(random.below(3))]
    return command(body(&random, peer: keys[Int(random.below(3))]), by: signer)
  }

  /// A command with the signer's next sequence.
  mutating func command(_ body: CommandBody, by signer: PublicKey) -> VerifiedEntry {
    sequences[signer, default: 0] += 1
    let command = Command(
      chain: test.genesis.chainID, signer: signer, sequence: sequences[signer, default: 1],
      expires: Timestamp(seconds: 1 << 40), body: body)
    return VerifiedEntry(
      verified: .command(command),
      signed: SignedBytes(payload: WireCommand.payload(of: command), signature: .zero))
  }

  private mutating func body(_ random: inout SplitMix64, peer: PublicKey) -> CommandBody {
    switch random.below(8) {
    case 0: return .transfer(to: peer, asset: .money, amount: 1 + random.below(1_000_000))
    case 1: return .transfer(to: peer, asset: .watt, amount: 1 + random.below(500_000))
    case 2: return .cancel(OrderID(1 + UInt64(random.below(Int64(orders) + 1))))
    case 3:
      return .setAgent(
        AgentSettings(
          buyPrice: Price(100_000 + random.below(200_000)),
          sellPrice: Price(100_000 + random.below(200_000)), low: Energy(random.below(500_000)),
          high: Energy(500_000 + random.below(1_000_000))))
    default:
      orders += 1
      return .place(
        OrderRequest(
          side: random.below(2) == 0 ? .buy : .sell, wattHours: 1 + random.below(1500),
          limit: Price(100_000 + random.below(200_000)), timeInForce: .goodTillCancelled))
    }
  }
}
