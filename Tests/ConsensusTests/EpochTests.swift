import Consensus
import Domain
import Testing

/// Rule 12, by hand: a block sealed epoch 1 in view 7; validator 0 of four in epoch 2.
@Suite struct EpochTests {
  private static let sealing = block(
    view: 7, on: ChainPoint(height: 4, view: 6, hash: .sha256([6]), time: origin), body: [1],
    attesting: attestation(4))
  private static let sealed = ChainPoint(sealing.header, hash: sealing.header.hash)

  private func core(
    journal: [JournalRecord] = [.abstention(epoch: 2, through: 0)], finalization: Certificate? = nil
  ) -> ConsensusCore {
    var settings = configuration(4, own: 0)
    settings.epoch = 2
    return ConsensusCore(
      configuration: settings,
      recovered: RecoveredConsensus(
        header: Self.sealing.header, hash: Self.sealed.hash, attestation: attestation(5),
        journal: journal, finalization: finalization))
  }

  private func finalization(_ block: Block) -> Certificate {
    certificate(.block(.finalize, block.header, hash: block.header.hash))
  }

  private func proposal(_ epoch: UInt64, view: UInt64 = 8) -> (block: Block, input: Input) {
    var made = block(view: view, on: Self.sealed, attesting: attestation(5))
    made.header.epoch = epoch
    let subject = Subject.block(.notarize, made.header, hash: made.header.hash)
    return (made, .proposal(made, vote(subject, by: Int(view % 4))))
  }

  @Test func viewsGoOnCountingAndTheSealingBlockIsTheFloor() throws {
    var core = core()
    #expect(core.view == 8 && core.floor == Self.sealed)
    let (made, input) = proposal(2)
    _ = try core.effects(.start, at: later(0))
    // Validator 0 leads view 8; as a follower of view 9's leader it votes on top of the floor.
    _ = try core.effects(.certificate(certificate(.nullify(epoch: 2, view: 8))), at: later(1))
    let next = proposal(2, view: 9)
    _ = try core.effects(next.input, at: later(2))
    let names = try core.names(
      .validated(hash: next.block.header.hash, isValid: true), at: later(3))
    #expect(names.contains("broadcast notarize"))
    #expect(try !core.names(input, at: later(4)).contains("broadcast notarize"))
    #expect(made.header.parent == Self.sealed.hash)
  }

  @Test func theFirstBlockAttestsTheSealingOne() throws {
    var core = core()
    // A block with entries wants attesting, if none comes within Δ; validator 0 leads view 8.
    #expect(try !core.names(.start, at: later(0)).contains("build 8"))
    #expect(try core.names(.tick, at: later(200_000)).contains("build 8"))
    let effects = try core.effects(
      .built(view: 8, body: [], time: later(200_001)), at: later(200_001))
    guard case .persist(.block(let block)) = effects.first else {
      Issue.record("no block, but \(effects.map(\.name))")
      return
    }
    #expect(block.header.epoch == 2 && block.header.height == 6 && block.header.parentView == 7)
    #expect(block.header.attested == attestation(5))
  }

  @Test func anEmptyJournalBeginsTheEpoch() throws {
    var core = core(journal: [])
    #expect(core.abstention == .unresolved)
    let names = try core.names(.start, at: later(0))
    #expect(names.filter { $0.hasPrefix("persist") } == ["persist beginning of 0"])
    #expect(names.filter { $0 == "send standing" }.count == 3)
    #expect(try core.names(.connected(2), at: later(1)).contains("send standing"))
  }

  /// Journal records and the finalization of the old epoch do not reach into the new one.
  @Test func theOldEpochsRecordsAreNothing() throws {
    let above = block(view: 8, on: Self.sealed)
    let skip = Subject.nullify(epoch: 1, view: 8)
    let core = core(
      journal: [
        .block(above), .vote(vote(skip, by: 0)), .certificate(certificate(skip)),
        .certificate(finalization(above)), .certified(view: 8), .abstention(epoch: 1, through: 0),
        .beginning(beginning(of: 2, life: 5)), .beginning(beginning(of: 0, life: 5)),
      ], finalization: finalization(Self.sealing))
    #expect(core.view == 8 && core.abstention == .unresolved)
    #expect(!core.isCertified(8) && core.isCertified(7))
    var asked = core
    let question = Standing(
      epoch: 2, height: 5, beginning: beginning(of: 2, life: 6, epoch: 2))
    let effects = try asked.effects(.message(.standing(question), from: 2), at: later(0))
    let answer = effects.compactMap { effect in
      if case .send(.standing(let standing), 2) = effect { standing } else { nil }
    }.first
    #expect(
      answer?.answer == 6 && answer?.witnessed.map(\.life) == [6] && answer?.certificate == nil)
  }

  @Test func nothingOfAnotherEpochIsCounted() throws {
    for epoch in [0, 1, 3, .max] as [UInt64] {
      var core = core()
      _ = try core.effects(.start, at: later(0))
      let other = proposal(epoch).block
      let skip = Subject.nullify(epoch: epoch, view: 8)
      let named = Subject.block(.notarize, other.header, hash: other.header.hash)
      var inputs: [Input] = [
        proposal(epoch).input, .certificate(certificate(skip)), .certificate(certificate(named)),
        .certificate(finalization(other)),
        .message(
          .answer(Answer(certificates: [finalization(other)], blocks: [other])), from: 1),
        .message(
          .standing(
            Standing(
              epoch: epoch, height: 5, beginning: beginning(of: 1, life: 5, epoch: epoch),
              certificate: certificate(skip), vote: vote(skip, by: 0))), from: 1),
      ]
      inputs += [1, 2, 3].flatMap { signer in
        [skip, named].map { .message(.vote(vote($0, by: signer)), from: UInt16(signer)) }
      }
      for input in inputs {
        let names = try core.names(input, at: later(1))
        #expect(!names.contains { $0.hasPrefix("persist") || $0 == "validate" }, "\(names)")
      }
      #expect(core.view == 8 && core.floor == Self.sealed && core.newestView(of: 2) == 0)
    }
  }

  @Test func whoIsInTheOldEpochIsAnswered() throws {
    var core = core()
    _ = try core.effects(.start, at: later(0))
    // A fetch with history, and nothing of the new epoch.
    _ = try core.effects(.certificate(certificate(.nullify(epoch: 2, view: 8))), at: later(1))
    let fetch = Fetch(epoch: 1, height: 2, from: 3, blocks: [])
    let effects = try core.effects(.message(.fetch(fetch), from: 2), at: later(2))
    guard case .serve(from: 3, through: 5, to: 2) = effects.first else {
      Issue.record("no history, but \(effects.map(\.name))")
      return
    }
    #expect(!effects.map(\.name).contains("send"))
    // A nullify, and a question, with the height that it lacks; at most once in Δ, and whatever
    // its place was then: also to one that is no validator any more.
    let skip = vote(.nullify(epoch: 1, view: 8), by: 3)
    let question = Standing(epoch: 1, height: 2, beginning: beginning(of: 3, life: 5))
    for peer in [1, 2, 5] as [UInt16] {
      let input = Input.message(peer == 1 ? .standing(question) : .vote(skip), from: peer)
      func standings(_ time: Int64) throws -> [Standing] {
        try core.effects(input, at: later(time)).compactMap { effect in
          if case .send(.standing(let standing), peer) = effect { standing } else { nil }
        }
      }
      let first = try standings(3)
      #expect(first.map(\.height) == [5] && first.map(\.epoch) == [2])
      #expect(first[0].witnessed.isEmpty)
      #expect(try standings(4).isEmpty)
      #expect(try standings(200_003).count == 1)
    }
  }

  private static let hints: [Message] = [
    .standing(Standing(epoch: 1, height: 5)), .standing(Standing(epoch: 2, height: 0)),
    .vote(vote(.nullify(epoch: 2, view: 9), by: 1)),
  ]

  /// f + 1 validators in a later epoch, or ahead in this one, make a node ask; f do not.
  @Test(arguments: 0..<3)
  func whoHearsOfAHigherBlockAsks(_ hint: Int) throws {
    var core = ConsensusCore(configuration: configuration(4, own: 0), recovered: fresh())
    _ = try core.effects(.start, at: later(0))
    func fetches(_ peer: UInt16, _ time: Int64) throws -> Bool {
      _ = try core.effects(.message(Self.hints[hint], from: peer), at: later(time))
      return try core.names(.tick, at: later(time + 100_000)).contains("send fetch")
    }
    #expect(try !fetches(1, 1))
    #expect(try !fetches(1, 100_002))
    #expect(try fetches(2, 200_003))
  }

  @Test func aNodeThatFollowsIsAnsweredUnderANumberBehindTheValidators() throws {
    var core = core()
    _ = try core.effects(.start, at: later(0))
    for number in [4, 67] as [UInt16] {
      let fetch = Fetch(epoch: 2, height: 2, from: 8, blocks: [])
      let names = try core.names(.message(.fetch(fetch), from: number), at: later(1))
      #expect(names.contains("serve"))
      #expect(
        try !core.names(.message(.fetch(fetch), from: number), at: later(2)).contains("serve"))
    }
    let fetch = Fetch(epoch: 2, height: 2, from: 8, blocks: [])
    #expect(try !core.names(.message(.fetch(fetch), from: 68), at: later(1)).contains("serve"))
    // All else of its is ignored.
    let skip = certificate(.nullify(epoch: 2, view: 8))
    _ = try core.effects(.message(.certificate(skip), from: 4), at: later(3))
    let question = Standing(epoch: 2, height: 9, beginning: beginning(of: 1, life: 5, epoch: 2))
    let names = try core.names(.message(.standing(question), from: 4), at: later(3))
    #expect(core.view == 8 && !names.contains("send standing"))
  }
}
