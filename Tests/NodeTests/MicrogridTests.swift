import Domain
import Node
import Storage
import Testing

@Suite struct MicrogridTests {
  @Test func commandsAreExecutedOnceAndSurviveARestart() async throws {
    let test = try TestGrid()
    defer { test.remove() }
    let transfer = test.command(
      .transfer(to: test.homes[1].publicKey, asset: .money, amount: 1_000_000), by: test.homes[0],
      sequence: 1)
    try await test.run(try await test.open()) { grid in
      let first = try await grid.submit(commands: [transfer])
      #expect(first[0].receipt == .applied)
      #expect(first[0].position == ReceiptPosition(height: 1, index: 0))
      let again = try await grid.submit(commands: [transfer])
      #expect(again[0] == .refused(.replayed))
    }
    let root = try await reopen(test) { grid in
      #expect(grid.view.tip.height == 1)
      #expect(grid.view.account(test.homes[1].publicKey)?.account.money == Money(51_000_000))
      let again = try await grid.submit(commands: [transfer])
      #expect(again[0] == .refused(.replayed))
      return grid.view.tip.stateRoot
    }
    let store = try Store(path: test.folder + "/chain.sqlite", chain: test.genesis.chainID)
    let report = try await Audit(store: store, genesis: test.genesis).run { _, _ in }
    #expect(report.stateRoot == "\(root)")
    #expect(report.commands == 1)
  }

  private func reopen(
    _ test: TestGrid, _ body: @escaping @Sendable (Microgrid) async throws -> Digest
  ) async throws -> Digest {
    let result = Result()
    try await test.run(try await test.open()) { grid in await result.set(try await body(grid)) }
    return await result.digest
  }

  private actor Result {
    var digest = Digest.zero
    func set(_ digest: Digest) { self.digest = digest }
  }

  @Test func badEntriesHaveTheirOwnReasonAndChangeNothing() async throws {
    try await TestGrid.running { test, grid in
      let root = grid.view.tip.stateRoot
      var forged = test.command(.redeem(amount: Money(1)), by: test.homes[0], sequence: 1)
      forged.signature.s.w3 ^= 1
      let stranger = SigningKey.generate()
      let foreign = TestGridOther.command(by: test.homes[0])
      let results = try await grid.submit(commands: [
        forged, test.command(.redeem(amount: Money(1)), by: stranger, sequence: 1), foreign,
        SignedBytes(payload: [1, 2, 3], signature: .zero), nil,
      ])
      #expect(
        results.map(\.receipt.rejection)
          == [.badSignature, .unknownSigner, .wrongChain, .malformed, .malformed])
      #expect(results.allSatisfy { $0.position == nil })
      let interval = test.genesis.calendar.firstInterval
      var unsigned = test.reading(0, interval: interval, exported: 0, imported: 0)
      unsigned.signature = .zero
      let readings = try await grid.submit(readings: [
        test.reading(0, interval: interval, exported: 1, imported: 0), unsigned,
      ])
      #expect(readings.map(\.receipt.rejection) == [.intervalInFuture, .badSignature])
      #expect(grid.view.tip.stateRoot == root)
      #expect(grid.view.tip.height == 0)
    }
  }

  @Test func anIntervalClosesWithItsEnergyBalanced() async throws {
    try await TestGrid.running { test, grid in
      let calendar = test.genesis.calendar
      let interval = calendar.firstInterval
      test.clock.set(seconds: calendar.end(of: interval).seconds + 1)
      let results = try await grid.submit(readings: [
        test.reading(0, interval: interval, exported: 1_500_001, imported: 0),
        test.reading(1, interval: interval, exported: 0, imported: 700_003),
        test.reading(1, interval: interval, exported: 0, imported: 700_003),
      ])
      #expect(results.map(\.receipt.rejection) == [nil, nil, nil])
      // The same signed reading, handed in twice, is one: it has one result.
      #expect(results[1] == results[2])
      test.clock.set(seconds: calendar.close(of: interval).seconds)
      try await eventually("the interval was not closed") { grid.view.lastInterval != nil }
      let record = try #require(grid.view.lastInterval)
      #expect(record.balance.isBalanced)
      #expect(record.balance.generation == Energy(1_500_001))
      #expect(record.balance.consumption == Energy(700_003))
      #expect(record.balance.utilityImport == Energy(700_003))
      #expect(grid.view.account(test.homes[0].publicKey)?.account.watt == Energy(1_500_001))
      let paid = Money(210_001)  // ⌈0.700003 kWh × 0.30⌉ in µ¤
      #expect(
        grid.view.account(test.homes[1].publicKey)?.account.money == Money(50_000_000) - paid)
    }
  }

  @Test func aChainThatStoodStillClosesEveryIntervalInOrder() async throws {
    try await TestGrid.running { test, grid in
      let calendar = test.genesis.calendar
      let last = calendar.firstInterval.advanced(by: 30)
      test.clock.set(seconds: calendar.close(of: last).seconds)
      try await eventually("not all intervals were closed") { grid.view.nextClose == last.next }
      let records = try grid.store.intervals(
        from: calendar.firstInterval, through: last, limit: 100)
      #expect(records.map(\.interval.index) == Array(calendar.firstInterval.index...last.index))
      #expect(records.allSatisfy { $0.balance.isBalanced && $0.estimated == 2 })
      // It tells how late each was: the last not at all.
      let closes = grid.view.recentCloses
      #expect(closes.map(\.interval) == records.map(\.interval))
      let length = calendar.intervalSeconds * 1_000_000
      #expect(closes.map(\.late) == (0...30).reversed().map { $0 * length })
    }
  }

  @Test func aProofHoldsAgainstTheGenesisAndAForgedOneDoesNot() async throws {
    try await TestGrid.running { test, grid in
      _ = try await grid.submit(commands: [
        test.command(.redeem(amount: Money(5)), by: test.homes[0], sequence: 9)
      ])
      let index = try #require(grid.view.index(of: test.homes[0].publicKey))
      let proof = try await grid.prove(index)
      #expect(proof.header.attested.height == proof.height)
      let root = try #require(proof.state.path.root(of: MerkleTree.leaf(proof.state.leaf)))
      #expect(root == proof.state.accountsRoot)
      #expect(
        StateRoot.compose(accounts: root, checkpoint: proof.state.checkpoint)
          == proof.header.attested.stateRoot)
      var leaf = proof.state.leaf
      leaf[40] ^= 1
      #expect(proof.state.path.root(of: MerkleTree.leaf(leaf)) != root)
    }
  }

  /// Every call gets its answer when the node stops in the middle of a load: a receipt, or the
  /// reason that it stopped.
  @Test func stoppingAnswersEveryCall() async throws {
    let test = try TestGrid()
    defer { test.remove() }
    let grid = try await test.open()
    let answered = try await withThrowingTaskGroup(of: Int.self) { group in
      group.addTask {
        try await grid.run()
        return 0
      }
      for sequence in 1...300 as ClosedRange<UInt64> {
        let body = CommandBody.redeem(amount: Money(Int64(sequence)))
        let command = test.command(body, by: test.homes[0], sequence: sequence)
        group.addTask {
          do throws(NodeFailure) {
            _ = try await grid.submit(commands: [command])
          } catch {
            guard case .stopped = error else { throw error }
          }
          if sequence == 100 { grid.stop() }
          return 1
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(answered == 300)
    #expect(grid.queueDepth == 0)
    try grid.store.close()
  }

  @Test func tenDaysOfStandingStillAreCaughtUpInBoundedBlocks() async throws {
    try await TestGrid.running { test, grid in
      let calendar = test.genesis.calendar
      let intervals: Int64 = 96 * 10
      let last = calendar.firstInterval.advanced(by: intervals)
      test.clock.set(seconds: calendar.close(of: last).seconds)
      try await eventually("ten days were not caught up") { grid.view.nextClose == last.next }
      #expect(grid.view.tip.height >= UInt64(intervals / Limits.closesPerBlock))
      #expect(grid.view.recentCloses.count == Limits.recentCloses)
      #expect(grid.view.recentCloses.last?.interval == last)
    }
  }

  @Test func aKeyThatIsNoValidatorIsRefusedInWords() async throws {
    let test = try TestGrid()
    defer { test.remove() }
    await #expect(throws: NodeFailure.self) { try await test.open(validator: test.lead) }
  }
}

/// A command for another chain.
enum TestGridOther {
  static func command(by key: SigningKey) -> SignedBytes {
    let payload = WireSample.command(chain: Digest.sha256([9]), signer: key.publicKey)
    return SignedBytes(payload: payload, signature: key.sign(payload, for: .command))
  }
}
