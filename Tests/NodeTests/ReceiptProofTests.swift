import Consensus
import Domain
import Node
import TestSupport
import Testing
import Wire

/// Proofs of receipts: of every kind of entry, and of none that is not there.
@Suite struct ReceiptProofTests {
  /// A transfer that is applied, one that is not, and a reading, in one block.
  private static func entries(_ fixture: inout ProofFixture) throws -> [VerifiedEntry] {
    [
      try fixture.transfer(2_000_000), try fixture.transfer(900_000_000),
      fixture.chain.reading(
        fixture.test.meters[0], fixture.genesis.calendar.firstInterval, exported: 1000),
    ]
  }

  private static func position(_ height: UInt64, _ index: UInt32) -> ReceiptPosition {
    ReceiptPosition(height: height, index: index)
  }

  @Test(arguments: [1, 3] as [UInt64], [true, false])
  func receiptsHold(epoch: UInt64, isCertified: Bool) async throws {
    try await ProofFixture.with(epoch: epoch) { fixture in
      let end = fixture.genesis.calendar.end(of: fixture.genesis.calendar.firstInterval).seconds
      let execution = try await fixture.chain.add(try Self.entries(&fixture), at: end + 1)
      let height = fixture.chain.height
      try await fixture.chain.add(isCertified: isCertified)
      if !isCertified { try await fixture.chain.add() }
      #expect(execution.receipts.map(\.rejection) == [nil, .insufficientFunds, nil])
      for (index, receipt) in execution.receipts.enumerated() {
        let proof = try Intertie_V1_ReceiptProofResponse(
          in: fixture.chain.store, at: Self.position(height, UInt32(index)))
        #expect(proof.descendants.count == (isCertified ? 0 : 1))
        let bytes: [UInt8] = try fixture.file(.receipt(proof)).serializedBytes()
        #expect(bytes.count < 6000)
        let file = try ProofFile(decoding: bytes, genesis: fixture.genesis)
        guard case .receipt(let checked) = file.content else {
          Issue.record("it is no receipt")
          return
        }
        #expect(checked.receipt == receipt)
        #expect(checked.position == Self.position(height, UInt32(index)))
        let entry = try #require(
          fixture.chain.blocks[Int(height) - 1].entries.dropFirst(index).first)
        #expect(checked.entry == entry.content && checked.entryDigest == entry.identity)
      }
    }
  }

  @Test func aForgedReceiptIsRefused() async throws {
    try await ProofFixture.with { fixture in
      let end = fixture.genesis.calendar.end(of: fixture.genesis.calendar.firstInterval).seconds
      try await fixture.chain.add(try Self.entries(&fixture), at: end + 1)
      let height = fixture.chain.height
      try await fixture.chain.add()
      let store = fixture.chain.store
      let good = try Intertie_V1_ReceiptProofResponse(in: store, at: Self.position(height, 1))
      let other = try Intertie_V1_ReceiptProofResponse(in: store, at: Self.position(height, 0))
      let reading = try Intertie_V1_ReceiptProofResponse(in: store, at: Self.position(height, 2))
      let rows: [(ProofFault, (inout Intertie_V1_ReceiptProofResponse) -> Void)] = [
        // Rejected, and shown as applied.
        (.root, { $0.receipt[0] = 0 }),
        (.root, { $0.receipt[16] = 9 }),
        (.root, { $0.entryDigest[0] ^= 1 }),
        (.root, { $0.leafIndex = 0 }),
        (.path, { $0.leafIndex = 1 << 40 }),
        (.path, { $0.path = [] }),
        (.unreadable("its receipt"), { $0.receipt.removeLast() }),
        (.unreadable("its receipt"), { $0.receipt[0] = 200 }),
        (.unreadable("the digest of its entry"), { $0.entryDigest = .init() }),
        (.unreadable("its entry"), { $0.command.command.removeLast() }),
        (.unreadable("its entry"), { $0.reading.reading = good.command.command }),
        (.otherEntry, { $0.command = other.command }),
        (.otherEntry, { $0.reading = reading.reading }),
        (.otherEntry, { $0.command.signature[0] ^= 1 }),
        (.otherHeight(height + 1, attested: height), { $0.height += 1 }),
        (.root, { $0.height -= 1 }),
        (.path, { $0.blockIndex = 1 }),
        (.path, { $0.blockPath = [$0.header.prefix(32)] }),
        (.otherBlock, { $0.header[100] ^= 1 }),
        (.unreadable("its certificate"), { $0.finalization = .init() }),
      ]
      #expect(try fixture.fault(of: fixture.file(.receipt(good))) == nil)
      for (place, row) in rows.enumerated() {
        var proof = good
        row.1(&proof)
        let fault = try fixture.fault(of: fixture.file(.receipt(proof)))
        #expect(fault == row.0, "row \(place)")
      }
      // Without the entry itself it still proves what became of the digest.
      var bare = good
      bare.entry = nil
      #expect(try fixture.fault(of: fixture.file(.receipt(bare))) == nil)
    }
  }

  /// Headers may pass over a block: the next one attests the block before, the one behind it a
  /// later block. Its receipts are proven all the same, with those of the blocks around it.
  @Test(arguments: 1...3)
  func blocksThatHeadersPassOver(count: Int) async throws {
    try await ProofFixture.with { fixture in
      let first = fixture.chain.height + 1
      for lag in 0..<count { try await fixture.chain.add([try fixture.transfer(5)], lag: lag) }
      try await fixture.chain.add()
      for height in first..<first + UInt64(count) {
        let proof = try Intertie_V1_ReceiptProofResponse(
          in: fixture.chain.store, at: Self.position(height, 0))
        #expect(proof.blockCount == UInt64(count))
        #expect(try fixture.fault(of: fixture.file(.receipt(proof))) == nil)
        var other = proof
        other.height = first + (height - first + 1) % UInt64(count)
        let fault = try fixture.fault(of: fixture.file(.receipt(other)))
        #expect(fault == (count == 1 ? nil : .root))
      }
      // A state restored from its chunks has the same receipts to prove.
      var state = fixture.chain.state
      let restored = try BarePipeline(
        genesis: fixture.genesis, chunks: await state.stateChunks())
      #expect(restored.receipts == state.receipts)
    }
  }

  /// Proposers lag as they like, behind the header before theirs, too.
  @Test(arguments: 1...4 as ClosedRange<UInt64>)
  func everyReceiptHasAProofHoweverProposersLag(seed: UInt64) async throws {
    try await ProofFixture.with { fixture in
      var random = SplitMix64(seed: seed)
      let first = fixture.chain.height + 1
      for _ in 0..<40 {
        let entries = random.below(3) > 0 ? [try fixture.transfer(1)] : []
        try await fixture.chain.add(
          entries, lag: min(random.below(4), Int(fixture.chain.height)),
          isCertified: random.below(3) > 0)
      }
      try await fixture.chain.add()
      for block in fixture.chain.blocks where block.header.height >= first {
        guard !block.entries.isEmpty else { continue }
        let proof = try Intertie_V1_ReceiptProofResponse(
          in: fixture.chain.store, at: Self.position(block.header.height, 0))
        let fault = try fixture.fault(of: fixture.file(.receipt(proof)))
        #expect(fault == nil, "seed \(seed), block \(block.header.height)")
      }
    }
  }

  @Test func whatHasNoProofSaysWhy() async throws {
    try await ProofFixture.with { fixture in
      try await fixture.chain.add([try fixture.transfer(3)])
      let height = fixture.chain.height
      func failure(_ height: UInt64, _ index: UInt32) -> String {
        do {
          _ = try Intertie_V1_ReceiptProofResponse(
            in: fixture.chain.store, at: Self.position(height, index))
          return "a proof"
        } catch let failure as NodeFailure {
          switch failure {
          case .notFound: return "not found"
          case .busy: return "busy"
          default: return "\(failure)"
          }
        } catch { return "\(error)" }
      }
      #expect(failure(height, 0) == "busy")
      #expect(failure(height, 1) == "not found")
      #expect(failure(height + 1, 0) == "not found")
      // The next header attests the block before.
      try await fixture.chain.add(lag: 1)
      #expect(failure(height, 0) == "busy")
      try await fixture.chain.add(isCertified: false)
      #expect(failure(height, 0) == "busy")
      try await fixture.chain.add()
      #expect(failure(height, 0) == "a proof")
    }
  }
}
