import Consensus
import Domain
import Testing

/// One validator: a block is proposed, certified and final in one step.
@Suite struct SingleTests {
  private let wholeStep = [
    "persist block", "persist notarize", "persist notarize certificate", "persist certified",
    "persist finalize", "persist finalize certificate", "deliver 1",
  ]

  private func core(_ recovered: RecoveredConsensus = fresh()) -> ConsensusCore {
    ConsensusCore(configuration: configuration(1, own: 0), recovered: recovered)
  }

  @Test func workAsksForABlockAndOneStepFinalisesIt() throws {
    var core = core()
    #expect(try core.names(.start, at: later(0)) == ["schedule"])
    #expect(try core.names(.work(isPending: false), at: later(1)) == ["schedule"])
    #expect(try core.names(.work(isPending: true), at: later(2)) == ["build 1"])
    let step = try core.names(.built(view: 1, body: [7], time: later(2)), at: later(3))
    #expect(step == wholeStep)
    #expect(core.floor.height == 1 && core.view == 2)
    #expect(try core.names(.executed(attestation(1)), at: later(4)) == ["schedule"])
  }

  @Test func workThatWaitsIsBuiltWhenTheBlockBeforeIsExecuted() throws {
    var core = core()
    _ = try core.effects(.work(isPending: true), at: later(0))
    #expect(try core.names(.work(isPending: true), at: later(1)).isEmpty)
    let step = try core.names(.built(view: 1, body: [], time: later(1)), at: later(2))
    #expect(!step.contains { $0.hasPrefix("build") })
    let effects = try core.effects(.executed(attestation(1, .sha256([1]))), at: later(3))
    guard case .build(2, let parent) = effects.first else {
      Issue.record("expected a build, got \(effects.map(\.name))")
      return
    }
    #expect(parent == core.floor && parent.height == 1)
    let next = try core.effects(.built(view: 2, body: [], time: later(4)), at: later(4))
    guard case .persist(.block(let block)) = next.first else {
      Issue.record("expected the block, got \(next.map(\.name))")
      return
    }
    #expect(block.header.attested == attestation(1, .sha256([1])))
    #expect(block.header.parent == parent.hash && block.header.parentView == 1)
  }

  @Test func neverBuildsTwiceInAView() throws {
    var core = core()
    var builds: [String] = []
    for time in 0..<20 as Range<Int64> {
      builds += try core.names(.work(isPending: true), at: later(time))
      builds += try core.names(.attestationWanted, at: later(time))
      builds += try core.names(.tick, at: later(6_000_000 + time))
    }
    #expect(builds == ["build 1"])
    _ = try core.effects(.built(view: 1, body: [], time: later(30)), at: later(30))
    #expect(
      try core.names(.built(view: 1, body: [1], time: later(31)), at: later(31))
        .contains { $0.hasPrefix("persist") } == false)
    #expect(core.floor.height == 1)
  }

  @Test func aBatchOfWorkMakesOneBlock() throws {
    var core = core()
    var blocks = 0
    var waiting: [Input] = [.start, .work(isPending: true)]
    while !waiting.isEmpty {
      let input = waiting.removeFirst()
      for effect in try core.effects(input, at: later(10)) {
        switch effect {
        case .build(let view, _):
          waiting.append(.built(view: view, body: [], time: later(20 + Int64(view))))
        case .deliver(let block):
          blocks += 1
          waiting.append(.executed(attestation(block.block.header.height)))
          waiting.append(.work(isPending: false))
        default: continue
        }
      }
      try #require(blocks < 5)
    }
    #expect(blocks == 1)
  }

  @Test func anIdleChainMakesNoBlockButTheHeartbeat() throws {
    var core = core()
    for time in stride(from: 0, to: 4_999_999, by: 250_000) as StrideTo<Int64> {
      let effects = try core.effects(.tick, at: later(time))
      guard effects.count == 1, case .schedule(later(5_000_000)) = effects[0] else {
        Issue.record("at \(time): \(effects.map(\.name))")
        return
      }
    }
    #expect(try core.names(.tick, at: later(5_000_000)) == ["build 1"])
    _ = try core.effects(.built(view: 1, body: [], time: later(5_000_000)), at: later(5_000_000))
    _ = try core.effects(.executed(attestation(1)), at: later(5_000_001))
    #expect(try core.names(.tick, at: later(9_999_999)) == ["schedule"])
    #expect(try core.names(.tick, at: later(10_000_000)) == ["build 2"])
  }

  @Test func anAttestationIsMadeOnceWhenItIsAskedFor() throws {
    var core = core()
    #expect(try core.names(.attestationWanted, at: later(0)) == ["build 1"])
    _ = try core.effects(.built(view: 1, body: [], time: later(1)), at: later(1))
    #expect(try core.names(.executed(attestation(1)), at: later(2)) == ["schedule"])
    for time in 3..<50 as Range<Int64> {
      #expect(try core.names(.tick, at: later(time)) == ["schedule"])
    }
  }

  @Test func aBlockIsAlwaysLaterThanItsParent() throws {
    var core = core()
    _ = try core.effects(.work(isPending: true), at: later(0))
    let effects = try core.effects(
      .built(view: 1, body: [], time: Timestamp(seconds: 5)), at: later(0))
    guard case .persist(.block(let block)) = effects.first else {
      Issue.record("no block")
      return
    }
    #expect(block.header.time == later(1))
  }

  @Test func recoversFromTheFloorAndIgnoresTheJournalBelowIt() throws {
    var first = core()
    var journal: [JournalRecord] = []
    var last: FinalizedBlock?
    for view in 1...5 as ClosedRange<UInt64> {
      let time = later(Int64(view) * 10)
      _ = try first.effects(.work(isPending: true), at: time)
      for effect in try first.effects(.built(view: view, body: [], time: time), at: time) {
        if case .persist(let record) = effect { journal.append(record) }
        if case .deliver(let block) = effect { last = block }
      }
      _ = try first.effects(.executed(attestation(view)), at: time)
    }
    let tip = try #require(last)
    #expect(tip.finalization?.verify(validators: [key(0).publicKey], chain: chain) == true)
    var second = core(
      RecoveredConsensus(
        header: tip.block.header, hash: tip.hash, attestation: attestation(5), journal: journal))
    #expect(second.floor == first.floor && second.view == 6)
    #expect(try second.names(.start, at: later(60)) == ["schedule"])
    #expect(try second.names(.work(isPending: true), at: later(61)) == ["build 6"])
  }

  /// Each step's records are one commit; but a journal that ends anywhere still recovers to the
  /// same block, not to a second one of its view.
  @Test(arguments: 1...6)
  func recoversFromEveryPrefixOfAStepsJournal(_ count: Int) throws {
    var first = core()
    _ = try first.effects(.work(isPending: true), at: later(0))
    var journal: [JournalRecord] = []
    var made: Digest?
    for effect in try first.effects(.built(view: 1, body: [9], time: later(1)), at: later(1)) {
      if case .persist(let record) = effect { journal.append(record) }
      if case .deliver(let block) = effect { made = block.hash }
    }
    try #require(journal.count == 6)
    var second = core(fresh(journal: Array(journal.prefix(count))))
    var effects = try second.effects(.start, at: later(2))
    effects += try second.effects(.work(isPending: true), at: later(3))
    var delivered: [Digest] = []
    for effect in effects {
      if case .deliver(let block) = effect { delivered.append(block.hash) }
      if case .build(let view, _) = effect { #expect(view == 2) }
    }
    // After "certified" alone the block becomes final with the next one.
    #expect(delivered == (count == 4 ? [] : [try #require(made)]))
  }
}
