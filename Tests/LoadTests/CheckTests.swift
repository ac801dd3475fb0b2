import Domain
import Load
import TestSupport
import Testing
import Wire

private let chain = Digest.sha256([1])
private let meter = LoadKeys.meter(0, seed: 1)
private let stranger = LoadKeys.meter(1, seed: 1)
private let member = LoadKeys.member(0, seed: 1)

private func reading(_ version: UInt16, by key: SigningKey = meter) -> SignedBytes {
  let payload = WireReading.payload(
    of: Reading(
      chain: chain, meter: key.publicKey, interval: Interval(7), exported: Energy(1),
      imported: .zero, version: version))
  return SignedBytes(payload: payload, signature: key.sign(payload, for: .reading))
}

private func mark(_ signed: SignedBytes) -> UInt64 { AcknowledgedItems.mark(signed.payload) }

private func body(_ entries: [SignedBytes], _ kind: EntryKind = .reading) -> [UInt8] {
  var writer = CanonicalWriter()
  for entry in entries {
    writer.write(kind.rawValue)
    writer.write(counted: entry.payload)
    writer.write(entry.signature)
  }
  return writer.bytes
}

@Suite("What was acknowledged is held against the chain") struct ChainScanTests {
  private var items = AcknowledgedItems(draws: LoadDraws(seed: 1))

  /// Heights 1 and 2 with two readings each, all acknowledged; a stranger's are passed over.
  private mutating func fill() -> [[SignedBytes]] {
    let blocks = [[reading(1), reading(2)], [reading(3), reading(4)]]
    for (index, block) in blocks.enumerated() {
      for (place, entry) in block.enumerated() {
        items.note(
          mark(entry), .reading, height: UInt64(index + 1),
          rejection: place == 1 ? .staleVersion : nil)
      }
    }
    return [blocks[0] + [reading(9, by: stranger)], blocks[1]]
  }

  private func scan(
    _ blocks: [[SignedBytes]], before: Set<UInt64> = []
  ) throws -> (ChainScan, [ChainScan.Places]) {
    var scan = ChainScan(
      items, meters: [meter.publicKey], members: [member.publicKey], before: before)
    for (index, block) in blocks.enumerated() {
      try scan.add(height: UInt64(index + 1), body: body(block))
    }
    let copies = scan.finish()
    return (scan, copies)
  }

  @Test mutating func aTrueChainPasses() throws {
    let blocks = fill()
    let (scan, copies) = try scan(blocks)
    #expect(scan.faults.texts.isEmpty && copies.isEmpty)
    #expect(scan.blocks == 2 && scan.entries == 4 && items.acknowledged == 4)
    #expect(items.applied == 2 && scan.sampled.count == 4)
    #expect(scan.sampled[3].1 == ReceiptPosition(height: 2, index: 1))
  }

  /// Another node of the chain brings the reading again with which the run tried it.
  @Test mutating func whatWasSentBeforeTheLoadIsPassedOver() throws {
    var blocks = fill()
    blocks[1].append(reading(7))
    #expect(try scan(blocks).0.crowds.count == 1)
    let (found, _) = try scan(blocks, before: [mark(reading(7))])
    #expect(found.crowds.isEmpty && found.faults.texts.isEmpty && found.entries == 4)
  }

  @Test mutating func whatIsMissingIsFound() throws {
    var blocks = fill()
    blocks[1].removeLast()
    #expect(try scan(blocks).0.faults.count > 0)
  }

  /// A copy is for the receipts to tell: without it the block is as it was acknowledged.
  @Test mutating func whatStandsThereTwiceIsFound() throws {
    var blocks = fill()
    blocks[1].append(blocks[0][0])
    var (found, _) = try scan(blocks)
    #expect(found.faults.count == 0 && found.crowds.map(\.height) == [2])
    let crowd = found.crowds[0]
    #expect(crowd.sum(without: [2]) == crowd.told)
    #expect(crowd.sum(without: []) != crowd.told && crowd.sum(without: [1]) != crowd.told)
    found.fault(2, crowd.told, found: crowd.sum(without: []))
    #expect(
      found.faults.texts == [
        "block 2: 2 entries were acknowledged, 3 are there; does another run send with this seed?"
      ])
  }

  @Test mutating func anotherBlockOrEntryIsFound() throws {
    var blocks = fill()
    blocks[0][0] = reading(77)
    let faults = try scan(blocks).0.faults
    #expect(faults.texts.first == "block 1: other entries than the 2 that were acknowledged")
    let swapped = [blocks[1], blocks[0]]
    #expect(try scan(swapped).0.faults.count >= 2)
  }

  @Test mutating func aBlockThatIsNotThereIsFound() throws {
    let blocks = fill()
    let faults = try scan([blocks[0]]).0.faults
    #expect(faults.texts.first == "block 2: entries were acknowledged in it, and it was not found")
  }

  /// What was refused without a block must not be there.
  @Test mutating func whatWasRefusedAndIsThereIsFound() throws {
    items.note(mark(reading(5)), .reading, height: 0, rejection: .badSignature)
    #expect(items.acknowledged == 0)
    let crowds = try scan([[reading(5)]]).0.crowds
    #expect(crowds.map(\.told.count) == [0] && crowds[0].sum(without: []).count == 1)
    #expect(try scan([[]]).0.faults.count == 0)
  }

  /// What was in doubt may be there or not, unless an answer said that it is.
  @Test mutating func doubtsAreSettledByAnswers() throws {
    items.doubt(mark(reading(1)))
    #expect(try scan([[]]).0.faults.count == 0)
    #expect(try scan([[reading(1)]]).0.faults.count == 0)
    items.settle(mark(reading(1)), height: 0, rejection: .duplicate)
    #expect(try scan([[reading(1)]]).0.faults.count == 0)
    #expect(try scan([[]]).0.faults.count == 1)
    // There twice: the receipts have to tell whether it was applied once.
    let (found, copies) = try scan([[reading(1)], [], [reading(1)]])
    #expect(found.faults.count == 0)
    #expect(copies.map(\.count) == [2])
    #expect(copies[0].positions.map(\.height) == [1, 3])
  }

  /// What was acknowledged in the end counts as that, must stand where it was said, and its receipt
  /// is asked for.
  @Test mutating func whatWasSettledMustStandWhereItWasSaid() throws {
    for version: UInt16 in 1...2 { items.doubt(mark(reading(version))) }
    items.settle(mark(reading(1)), height: 1, rejection: nil)
    items.settle(mark(reading(2)), height: 2, rejection: .staleVersion)
    #expect(items.acknowledged == 2 && items.applied == 1 && items.highest == 2)
    let found = try scan([[reading(1)], [reading(2)]]).0
    #expect(found.faults.count == 0)
    let places = found.sampled.sorted { $0.1.height < $1.1.height }
    #expect(places.map(\.1.height) == [1, 2])
    #expect(places.map(\.0.rejection) == [nil, .staleVersion])
    let faults = try scan([[reading(1), reading(2)], []]).0.faults
    #expect(faults.count == 1)
    #expect(faults.texts[0].hasSuffix("was acknowledged in block 2, it stands elsewhere"))
    // In its block and in another one: the receipts have to tell.
    let (twice, copies) = try scan([[reading(1), reading(2)], [reading(2)]])
    #expect(twice.faults.count == 0 && twice.sampled.count == 1)
    #expect(copies.map(\.isApplied) == [false])
  }

  @Test mutating func commandsCount() throws {
    let payload = WireCommand.payload(
      of: Command(
        chain: chain, signer: member.publicKey, sequence: 1, expires: Timestamp(seconds: 9),
        body: .transfer(to: meter.publicKey, asset: .money, amount: 5)))
    let signed = SignedBytes(payload: payload, signature: member.sign(payload, for: .command))
    let block = body([signed], .command)
    var scan = ChainScan(items, meters: [], members: [member.publicKey])
    try scan.add(height: 1, body: block)
    #expect(scan.crowds.count == 1)
    items.note(mark(signed), .transfer, height: 1, rejection: nil)
    scan = ChainScan(items, meters: [], members: [member.publicKey])
    try scan.add(height: 1, body: block)
    #expect(scan.finish().isEmpty && scan.faults.count == 0)
  }

  /// The samples are bounded, and each item has about the same chance to be one.
  @Test mutating func samplesAreBounded() {
    // However few there are of a kind, they are among the samples.
    for number in 5001...5003 { items.note(UInt64(number), .cross, height: 1, rejection: nil) }
    for number in 1...4096 { items.note(UInt64(number), .reading, height: 1, rejection: nil) }
    #expect(items.samples.count == LoadLimits.samples + 3 && items.blocks.count == 1)
    let late = items.samples.count { (2049...4096).contains($0.mark) }
    #expect((96...160).contains(late))
    #expect(items.samples.count { $0.mark > 5000 } == 3)
  }

  @Test mutating func faultsAreBounded() {
    for number in 0..<100 { items.fault("\(number)") }
    #expect(items.faults.count == 100 && items.faults.texts.count == LoadLimits.faults)
  }
}
