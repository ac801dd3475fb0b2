import Consensus
import Domain
import Testing

/// One of four validators, by hand: what it signs for which proposal.
@Suite struct VotingTests {
  private let genesis = ChainPoint(height: 0, view: 0, hash: chain, time: origin)

  /// Validator 0 of four; validator 1 leads view 1.
  private func core(_ change: (inout ConsensusConfiguration) -> Void = { _ in }) -> ConsensusCore {
    var settings = configuration(4, own: 0)
    change(&settings)
    return ConsensusCore(configuration: settings, recovered: fresh())
  }

  private func proposal(_ block: Block) -> Input {
    let view = block.header.view
    let subject = Subject.block(.notarize, block.header, hash: block.header.hash)
    return .proposal(block, vote(subject, by: Int(view % 4)))
  }

  private func certificate(_ subject: Subject) -> Certificate {
    Certificate(subject: subject, votes: [1, 2, 3].map { vote(subject, by: $0) })
  }

  /// The votes cast for a proposal that is then found valid, or not.
  private func votes(
    for block: Block, isValid: Bool = true, core: inout ConsensusCore, at now: Timestamp
  ) throws -> [String] {
    var names = try core.names(proposal(block), at: now)
    names += try core.names(
      .validated(hash: block.header.hash, isValid: isValid), at: now)
    return names.filter { $0.hasPrefix("broadcast") || $0 == "persist block" }
  }

  @Test func aValidProposalIsNotarizedAndDurable() throws {
    var core = core()
    _ = try core.effects(.start, at: later(0))
    let made = try votes(for: block(view: 1, on: genesis), core: &core, at: later(10))
    #expect(made == ["persist block", "broadcast notarize"])
  }

  /// A leader has 2Δ, 400 ms, from when there is work, or from when this node has executed blocks
  /// in the view; in the next view as long as in any, twice that behind one that was skipped.
  @Test func aViewsTimeBeginsAnewWhenTheNodeHasExecuted() throws {
    var core = core()
    func isSkipped(at time: Int64) throws -> Bool {
      try core.names(.tick, at: later(time)).contains("broadcast nullify")
    }
    _ = try core.effects(.start, at: later(0))
    _ = try core.effects(.work(isPending: true), at: later(0))
    core.finishedExecuting(at: later(300_000))
    #expect(try !isSkipped(at: 699_999))
    #expect(try isSkipped(at: 700_000))
    let skipped = certificate(.nullify(epoch: 1, view: 1))
    _ = try core.effects(.certificate(skipped), at: later(800_000))
    #expect(try !isSkipped(at: 1_599_999))
    #expect(try isSkipped(at: 1_600_000))
  }

  /// What was executed before there was work changes nothing; and a proposal has 3Δ from when it
  /// came, or from when the node had executed.
  @Test func aProposalsTimeBeginsAnewToo() throws {
    for (executed, skipped) in [(0, 700_000), (90_000, 700_000), (500_000, 1_100_000)] {
      var core = core()
      func isSkipped(at time: Int) throws -> Bool {
        try core.names(.tick, at: later(Int64(time))).contains("broadcast nullify")
      }
      _ = try core.effects(.start, at: later(0))
      core.finishedExecuting(at: later(Int64(min(executed, 90_000))))
      _ = try core.effects(.work(isPending: true), at: later(100_000))
      #expect(try !isSkipped(at: 499_999))
      _ = try core.effects(proposal(block(view: 1, on: genesis)), at: later(499_999))
      if executed > 90_000 { core.finishedExecuting(at: later(Int64(executed))) }
      #expect(try !isSkipped(at: skipped - 1))
      #expect(try isSkipped(at: skipped))
    }
  }

  private static let faults: [(String, @Sendable (inout BlockHeader) -> Void)] = [
    ("height", { $0.height = 2 }), ("parent", { $0.parent = .sha256([8]) }),
    ("time", { $0.time = origin }), ("attests itself", { $0.attested.height = 1 }),
    ("other roots", { $0.attested = attestation(0, .sha256([9])) }),
    ("parent view", { $0.parentView = 1 }),
  ]

  @Test(arguments: 0..<6)
  func anInvalidHeaderIsNullifiedAtOnce(_ fault: Int) throws {
    var core = core()
    var bad = block(view: 1, on: genesis)
    Self.faults[fault].1(&bad.header)
    let made = try votes(for: bad, core: &core, at: later(10))
    #expect(made == ["broadcast nullify"], "\(Self.faults[fault].0)")
  }

  /// Up to the largest step a block may follow its parent, and not a microsecond later.
  @Test(arguments: [
    (1_000_000, true), (1_000_001, false), (Int64.max - 2_000_000_000_000_000, false),
  ])
  func aBlockTooLateAfterItsParentIsNullified(_ step: Int64, _ isLawful: Bool) throws {
    var core = core { $0.maximumStep = 1_000_000 }
    let late = block(view: 1, on: genesis, after: step)
    let made = try votes(for: late, core: &core, at: later(600_000))
    #expect(made == (isLawful ? ["persist block", "broadcast notarize"] : ["broadcast nullify"]))
  }

  @Test func anOwnBlockKeepsTheLargestStep() throws {
    var settings = configuration(1, own: 0)
    settings.maximumStep = 5_000_000
    var core = ConsensusCore(configuration: settings, recovered: fresh())
    _ = try core.effects(.work(isPending: true), at: later(90_000_000))
    let time = later(90_000_000)
    let effects = try core.effects(.built(view: 1, body: [], time: time), at: time)
    guard case .persist(.block(let block)) = effects.first else {
      Issue.record("no block")
      return
    }
    #expect(block.header.time == later(5_000_000))
  }

  @Test func invalidEntriesAreNullifiedAtOnce() throws {
    var core = core()
    let made = try votes(
      for: block(view: 1, on: genesis, body: [1]), isValid: false, core: &core, at: later(10))
    #expect(made == ["broadcast nullify"])
  }

  @Test(arguments: ["chain", "epoch", "leader", "far view"])
  func whatIsNotOfThisViewIsIgnored(_ fault: String) throws {
    var core = core()
    var bad = block(view: fault == "far view" ? 3 : 1, on: genesis)
    if fault == "chain" { bad.header.chain = .sha256([1]) }
    if fault == "epoch" { bad.header.epoch = 2 }
    let subject = Subject.block(.notarize, bad.header, hash: bad.header.hash)
    let signer = fault == "leader" ? 2 : Int(bad.header.view % 4)
    let names = try core.names(.proposal(bad, vote(subject, by: signer)), at: later(1))
    #expect(!names.contains("validate"))
  }

  @Test func aWrongBodyDoesNotTakeTheBlocksPlace() throws {
    var core = core()
    let good = block(view: 1, on: genesis, body: [1])
    var bad = good
    bad.body = [2]
    #expect(try !core.names(proposal(bad), at: later(1)).contains("validate"))
    let made = try votes(for: good, core: &core, at: later(2))
    #expect(made == ["persist block", "broadcast notarize"])
  }

  @Test func aBlockFromAheadWaitsForItsTime() throws {
    var core = core()
    let ahead = block(view: 1, on: genesis, after: 600_000)
    #expect(try votes(for: ahead, core: &core, at: later(10)).isEmpty)
    #expect(try !core.names(.tick, at: later(99_999)).contains("broadcast notarize"))
    #expect(try core.names(.tick, at: later(100_000)).contains("broadcast notarize"))
  }

  @Test func aGapWithoutNullificationIsWaitedForAndFetched() throws {
    var core = core()
    _ = try core.effects(.certificate(certificate(.nullify(epoch: 1, view: 2))), at: later(1))
    #expect(core.view == 3)
    let next = block(view: 3, on: genesis)
    #expect(try votes(for: next, core: &core, at: later(2)).isEmpty)
    let fetched = try core.effects(.tick, at: later(100_002)).contains {
      if case .send(.fetch(let fetch), _) = $0 { fetch.from == 1 } else { false }
    }
    #expect(fetched)
    let names = try core.names(
      .certificate(certificate(.nullify(epoch: 1, view: 1))), at: later(100_003))
    #expect(names.contains("broadcast notarize"))
  }

  @Test func neverTwoNotarizesAndEvidenceOfAnEquivocation() throws {
    var core = core()
    let first = block(view: 1, on: genesis, body: [1])
    let second = block(view: 1, on: genesis, body: [2])
    _ = try votes(for: first, core: &core, at: later(1))
    let names = try core.names(proposal(second), at: later(2))
    #expect(names.filter { $0 == "accuse" }.count == 1)
    #expect(!names.contains("broadcast notarize") && !names.contains("validate"))
    #expect(try !core.names(proposal(second), at: later(3)).contains("accuse"))
    // Rule 4: with equivocation seen, a certified view is entered behind, not finalized.
    let subject = Subject.block(.notarize, first.header, hash: first.header.hash)
    let certified = try core.names(.certificate(certificate(subject)), at: later(4))
    #expect(certified.contains("persist certified") && !certified.contains("persist finalize"))
    #expect(core.view == 2)
  }

  @Test func afterNullifyNeitherNotarizeNorFinalize() throws {
    var core = core()
    _ = try core.effects(.start, at: later(0))
    _ = try core.effects(.work(isPending: true), at: later(0))
    #expect(try !core.names(.tick, at: later(399_999)).contains("broadcast nullify"))
    #expect(try core.names(.tick, at: later(400_000)).contains("broadcast nullify"))
    let late = block(view: 1, on: genesis)
    #expect(try votes(for: late, core: &core, at: later(400_001)).isEmpty)
    let subject = Subject.block(.notarize, late.header, hash: late.header.hash)
    let names = try core.names(.certificate(certificate(subject)), at: later(400_002))
    #expect(names.contains("persist certified") && !names.contains("persist finalize"))
    #expect(core.view == 2)
  }

  @Test func afterFinalizeNoNullify() throws {
    var core = core()
    let made = block(view: 1, on: genesis)
    _ = try votes(for: made, core: &core, at: later(1))
    let subject = Subject.block(.notarize, made.header, hash: made.header.hash)
    let names = try core.names(.certificate(certificate(subject)), at: later(2))
    #expect(names.contains("broadcast finalize"))
    for vote in [1, 2].map({ vote(.nullify(epoch: 1, view: 1), by: $0) }) {
      #expect(try !core.names(.vote(vote), at: later(3)).contains("persist nullify"))
    }
    #expect(try !core.names(.tick, at: later(100_000)).contains("persist nullify"))
  }

  @Test func anIdleViewIsNotTimedOutBeforeTheHeartbeatAndTwoDelta() throws {
    var core = core()
    _ = try core.effects(.start, at: later(0))
    for time in stride(from: 0, through: 5_300_000, by: 100_000) as StrideThrough<Int64> {
      #expect(try !core.names(.tick, at: later(time)).contains("broadcast nullify"))
    }
    #expect(try core.names(.tick, at: later(5_400_000)).contains("broadcast nullify"))
  }

  @Test func otherRootsInAFinalHeaderHalt() throws {
    var core = core()
    let made = block(
      view: 1, on: genesis, body: [1], attesting: attestation(0, .sha256([77])))
    _ = try core.effects(proposal(made), at: later(1))
    let subject = Subject.block(.finalize, made.header, hash: made.header.hash)
    let names = try core.names(.certificate(certificate(subject)), at: later(2))
    #expect(names.contains("halt") && !names.contains { $0.hasPrefix("deliver") })
    #expect(core.isHalted && core.floor.height == 0)
    #expect(try core.names(.tick, at: later(9_000_000)).isEmpty)
  }
}
