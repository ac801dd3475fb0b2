import Domain
import Load
import ProcessSupport
import Synchronization
import TestSupport
import Testing
import Wire

/// One chain of two blocks with two readings each, told by several nodes.
private struct ChainTrial: Sendable {
  private let meter = LoadKeys.meter(0, seed: 1)
  private let blocks: [[SignedBytes]]
  let nodes: [FakeNode]
  var items = AcknowledgedItems(draws: LoadDraws(seed: 1))

  init(nodes count: Int) {
    let meter = self.meter
    let blocks = [[1, 2], [3, 4]].map { (versions: [UInt16]) in
      versions.map { version in
        let payload = WireReading.payload(
          of: Reading(
            chain: Digest.sha256([1]), meter: meter.publicKey, interval: Interval(7),
            exported: Energy(1), imported: .zero, version: version))
        return SignedBytes(payload: payload, signature: meter.sign(payload, for: .reading))
      }
    }
    self.blocks = blocks
    nodes = (0..<count).map { _ in
      let node = FakeNode([])
      for block in blocks { node.take(block, .reading, known: .duplicate) }
      return node
    }
    for (index, block) in blocks.enumerated() {
      for entry in block {
        items.note(
          AcknowledgedItems.mark(entry.payload), .reading, height: UInt64(index + 1),
          rejection: nil)
      }
    }
  }

  /// The same, but all was in doubt before it was acknowledged, as this.
  mutating func settle(_ rejection: Rejection?) {
    items = AcknowledgedItems(draws: LoadDraws(seed: 1))
    for (index, block) in blocks.enumerated() {
      for entry in block {
        let mark = AcknowledgedItems.mark(entry.payload)
        items.doubt(mark)
        items.settle(mark, height: UInt64(index + 1), rejection: rejection)
      }
    }
  }

  /// Runs `body` with connections to all nodes, which end with it.
  func connected<T: Sendable>(
    _ body: @escaping @Sendable ([LoadConnection]) async throws -> T
  ) async throws -> T {
    try await within(300, "nodes with a chain") {
      let ends = nodes.map { _ in Chime() }
      return try await withThrowingTaskGroup(of: Void.self) { group in
        for (node, end) in zip(nodes, ends) {
          group.addTask { try await node.serve(until: end) }
        }
        var connections: [LoadConnection] = []
        for node in nodes {
          connections.append(
            try LoadConnection(
              LoadAddress(
                host: "127.0.0.1", port: try await node.port(), security: .plaintext)))
        }
        let opened = connections
        let result = try await LoadConnection.use(opened) { try await body(opened) }
        for end in ends { end.finish() }
        try await group.waitForAll()
        return result
      }
    }
  }

  /// What the check says that waits so many microseconds for a node that is behind, and for blocks.
  func checked(
    patience: Int64 = 240_000_000, silence: Int64 = 240_000_000
  ) async throws -> CheckFindings {
    try await connected { connections in
      var grids = try await LoadGrid.discover(connections)
      try #require(grids.count == 1)
      grids[0].keys = await LoadKeys.derive(1, seed: 1)
      var check = EndCheck(grid: grids[0], items: items)
      (check.patience, check.silence) = (patience, silence)
      return await check.runOnNodes()
    }
  }
}

@Suite("The check at the end, whatever nodes do") struct EndCheckTests {
  @Test func aWholeChainPasses() async throws {
    let findings = try await ChainTrial(nodes: 1).checked()
    #expect(findings.verdict == .passed, "\(findings.texts)")
    #expect(findings.blocks == 2 && findings.entries == 4 && findings.receipts == 4)
  }

  @Test func aNodeThatIsBehindIsPassedOver() async throws {
    let trial = ChainTrial(nodes: 2)
    trial.nodes[0].bounds.tip = 1
    let findings = try await trial.checked(patience: 200_000)
    #expect(findings.verdict == .passed && findings.blocks == 2, "\(findings.texts)")
  }

  /// When no node has it, it is missing.
  @Test func whatAllNodesAreBehindOfIsMissing() async throws {
    let trial = ChainTrial(nodes: 2)
    for node in trial.nodes { node.bounds.tip = 1 }
    let findings = try await trial.checked(patience: 200_000)
    #expect(findings.verdict == .failed && findings.blocks == 1)
    #expect(findings.texts.contains { $0.contains("block 2: entries were acknowledged in it") })
  }

  @Test func aNodeThatStopsInTheMiddleOfItsBlocksIsGivenUp() async throws {
    let trial = ChainTrial(nodes: 1)
    trial.nodes[0].bounds.stalled = 1
    let findings = try await trial.checked(silence: 500_000)
    #expect(findings.verdict == .notChecked && findings.acknowledged == 4)
    #expect(findings.unchecked[0].reason.contains("stopped in the middle of its blocks"))
    let both = ChainTrial(nodes: 2)
    both.nodes[0].bounds.stalled = 1
    // The second one has so long to tell its blocks.
    #expect(try await both.checked(silence: 15_000_000).verdict == .passed)
  }

  /// The node's receipts say that all was applied.
  @Test func receiptsOfWhatWasInDoubtAreCompared() async throws {
    var trial = ChainTrial(nodes: 1)
    trial.settle(nil)
    var findings = try await trial.checked()
    #expect(findings.verdict == .passed && findings.receipts == 4, "\(findings.texts)")
    #expect(findings.acknowledged == 4 && findings.doubtfulFound == 4)
    trial = ChainTrial(nodes: 1)
    trial.settle(.staleVersion)
    findings = try await trial.checked()
    #expect(findings.faults == 4)
    #expect(findings.texts[0].contains("its receipt says applied"), "\(findings.texts)")
  }

}

@Suite("How a node was under load") struct WatchTests {
  /// A second of chain time from the answer on, at a rate of 2.
  private let status = Intertie_V1_StatusResponse.with {
    $0.rate = 2
    $0.chainTimeUs = 100_000_000
    $0.nextCloseUs = 102_000_000
    $0.nextClose = 50
  }

  /// The same when the next close is of another interval, with what the node tells of others.
  private func status(next: Int64, _ late: (interval: Int64, us: Int64)...)
    -> Intertie_V1_StatusResponse
  {
    var status = status
    status.nextClose = next
    status.recentCloses = late.map { close in
      .with {
        $0.interval = close.interval
        $0.lateUs = close.us
      }
    }
    return status
  }

  @Test func aNodeTellsHowLateItsClosesWere() {
    var close = DueClose(asked: 0)
    // What was closed before the first answer is none of the run's.
    #expect(close.note(status(next: 50, (49, 9_000_000)), at: 10_000_000) == 0)
    #expect(close.note(status(next: 51, (49, 9_000_000), (50, 600_000)), at: 11_500_000) == 0.3)
    #expect(close.note(status(next: 51, (50, 600_000)), at: 11_900_000) == 0)
    // However long it was silent.
    let after = status(next: 53, (50, 600_000), (51, 4_000_000), (52, 200_000))
    #expect(close.note(after, at: 20_000_000) == 2)
    var late = after
    late.closeLagUs = 3_000_000
    #expect(close.note(late, at: 31_000_000) == 1.5)
  }

  @Test func whatANodeDoesNotTellCountsUntilItWasAsked() {
    var close = DueClose(asked: 0)
    _ = close.note(status(next: 50), at: 10_000_000)
    // Due at 11 s.
    #expect(close.lag(at: 10_900_000) == 0)
    #expect(close.lag(at: 16_000_000) == 5)
    #expect(close.note(status(next: 52, (51, 100_000)), at: 16_500_000) == 5.5)
    #expect(DueClose(asked: 5_000_000).lag(at: 9_000_000) == 4)
  }

  /// A node that is not there: from the first question on until the last.
  @Test func aNodeThatIsNeverHeardIsLateAllTheTime() async throws {
    let nobody = try LoadConnection(
      LoadAddress(host: "127.0.0.1", port: 1, security: .plaintext))
    let health = try await LoadConnection.use([nobody]) {
      let end = LoadEnd()
      end.plan(from: Monotonic.now - 1, to: Monotonic.now)
      var watch = Watch(nodes: [nobody], end: end, grace: 240_000_000) { 0 }
      watch.silence = 1
      return await watch.run()
    }
    #expect(health.answers == 0 && health.silent > 0 && health.latestCloseSeconds > 0)
    #expect(health.atRestAfterSeconds == nil)
  }

  /// An empty queue is no rest while something waits to be sent again.
  @Test func restIsWhenNothingWaits() async throws {
    let looks = Mutex(0)
    let health = try await ChainTrial(nodes: 1).connected { connections in
      _ = try await connections[0].currentStatus()
      let end = LoadEnd()
      end.plan(from: Monotonic.now - 1, to: Monotonic.now)
      var watch = Watch(nodes: connections, end: end, grace: 240_000_000) {
        looks.withLock { looks in
          looks += 1
          return looks < 3 ? 1 : 0
        }
      }
      watch.silence = 240_000_000
      return await watch.run()
    }
    #expect(health.atRestAfterSeconds != nil && looks.withLock { $0 } == 3)
  }

  /// However late a line comes.
  @Test func aLineIsDueOnceEveryTenSeconds() {
    var lines = TenSeconds()
    let due = [0, 9_900, 10_400, 10_700, 19_900, 20_000, 41_000, 42_000].map { milliseconds in
      lines.isDue(
        LoadProgress(
          passed: milliseconds * 1000, seconds: 60, applied: 0, rejected: 0, busy: 0, behind: 0))
    }
    #expect(due == [false, false, true, false, false, true, true, false])
  }
}
