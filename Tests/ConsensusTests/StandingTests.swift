import Consensus
import Domain
import Testing

/// Rule 16, by hand: validator 0 of four, whose journal has nothing.
@Suite struct StandingTests {
  private let genesis = ChainPoint(height: 0, view: 0, hash: chain, time: origin)

  private func core(_ journal: [JournalRecord] = []) -> ConsensusCore {
    ConsensusCore(configuration: configuration(4, own: 0), recovered: fresh(journal: journal))
  }

  /// The life that a core has asked with.
  private func begun(_ effects: [Effect]) -> UInt64? {
    for case .persist(.beginning(let made)) in effects where made.signer == 0 { return made.life }
    return nil
  }

  private func asked(_ effects: [Effect]) -> [UInt16] {
    effects.compactMap { effect in
      if case .send(.standing(let standing), let peer) = effect, standing.isQuestion {
        peer
      } else {
        nil
      }
    }
  }

  private func answer(
    to life: UInt64, witnessed: UInt64? = nil, all others: [Beginning]? = nil,
    certificate: Certificate? = nil, vote: Vote? = nil, from peer: UInt16
  ) -> Input {
    .message(
      .standing(
        Standing(
          epoch: 1, height: 0, answer: life,
          witnessed: [beginning(of: 0, life: witnessed ?? life)] + (others ?? []),
          hasAll: others != nil, certificate: certificate, vote: vote)), from: peer)
  }

  private func proposal() -> (Block, [Input]) {
    let made = block(view: 1, on: genesis)
    let subject = Subject.block(.notarize, made.header, hash: made.header.hash)
    return (
      made,
      [
        .proposal(made, vote(subject, by: 1)),
        .validated(hash: made.header.hash, isValid: true),
      ]
    )
  }

  @Test func aValidatorBeginsBeforeItSigns() throws {
    var core = core()
    let start = try core.effects(.start, at: later(7))
    let life = try #require(begun(start))
    #expect(life == UInt64(later(7).microseconds))
    #expect(asked(start) == [1, 2, 3])
    #expect(core.abstention == .unresolved && core.isAbstaining)
    // Neither a proposal nor a timer makes it sign.
    for input in proposal().1 { #expect(try !signs(core.effects(input, at: later(10)))) }
    #expect(try !signs(core.effects(.tick, at: later(9_000_000))))
    // One answer is not enough, nor is it twice.
    for _ in 0..<2 {
      let effects = try core.effects(answer(to: life, from: 2), at: later(9_000_001))
      #expect(!signs(effects) && core.isAbstaining)
    }
    let names = try core.names(answer(to: life, from: 3), at: later(9_000_002))
    #expect(names.contains("persist abstention 0") && names.contains("broadcast notarize"))
    #expect(core.abstention == .through(0) && !core.isAbstaining)
  }

  private func signs(_ effects: [Effect]) -> Bool {
    effects.contains { if case .persist(.vote) = $0 { true } else { false } }
  }

  @Test func itAsksAgainOnlyThoseWhoHaveNotAnswered() throws {
    var core = core()
    let life = try #require(begun(core.effects(.start, at: later(0))))
    #expect(try asked(core.effects(.tick, at: later(399_999))).isEmpty)
    _ = try core.effects(answer(to: life, from: 2), at: later(399_999))
    #expect(try asked(core.effects(.tick, at: later(400_000))) == [1, 3])
    #expect(try asked(core.effects(.connected(3), at: later(400_001))) == [3])
    _ = try core.effects(answer(to: life, from: 1), at: later(400_002))
    #expect(try asked(core.effects(.tick, at: later(800_000))).isEmpty)
  }

  @Test func anotherLifeThatWasWitnessedMakesItAbstain() throws {
    var core = core()
    let life = try #require(begun(core.effects(.start, at: later(0))))
    let entered = certificate(.nullify(epoch: 1, view: 7))
    _ = try core.effects(answer(to: life, from: 2), at: later(1))
    _ = try core.effects(
      answer(to: life, witnessed: 5, all: [], certificate: entered, from: 3), at: later(2))
    // Who told of no other life is asked again: what this node had witnessed is lost, too.
    #expect(core.abstention == .unresolved)
    let again = try core.effects(.tick, at: later(400_000))
    #expect(asked(again) == [1, 2])
    for case .send(.standing(let question), _) in again { #expect(question.wantsAll) }
    let told = answer(to: life, all: [beginning(of: 1, life: 6)], from: 2)
    let effects = try core.names(told, at: later(400_001))
    #expect(effects.contains("persist abstention 9") && effects.contains("persist beginning of 1"))
    #expect(core.view == 8 && core.isAbstaining)
    // In views 8 and 9 it signs nothing; it is not even asked for a body in view 8, which it leads.
    _ = try core.effects(.work(isPending: true), at: later(3))
    #expect(try !signs(core.effects(.tick, at: later(9_000_000))))
    for view in [8, 9] as [UInt64] {
      let skipped = certificate(.nullify(epoch: 1, view: view))
      let names = try core.names(.certificate(skipped), at: later(9_000_000 + Int64(view)))
      #expect(!names.contains { $0.hasPrefix("build") || $0 == "persist notarize" })
    }
    #expect(core.view == 10 && !core.isAbstaining)
    #expect(try signs(core.effects(.tick, at: later(19_000_000))))
  }

  @Test func theOwnVoteOfAnEarlierLifeCountsAndSoDoesTheFloor() throws {
    var core = core()
    let life = try #require(begun(core.effects(.start, at: later(0))))
    let earlier = vote(.nullify(epoch: 1, view: 30), by: 0)
    _ = try core.effects(
      answer(to: life, witnessed: 5, all: [], vote: earlier, from: 1), at: later(1))
    _ = try core.effects(answer(to: life, witnessed: 5, all: [], from: 2), at: later(2))
    #expect(core.abstention == .through(30))

    var other = self.core()
    let second = try #require(begun(other.effects(.start, at: later(0))))
    for peer in [1, 2] as [UInt16] {
      _ = try other.effects(answer(to: second, witnessed: 5, all: [], from: peer), at: later(1))
    }
    #expect(other.abstention == .through(2), "the genesis is view 0")
  }

  private static let strangers: [(String, @Sendable (inout Standing) -> Void)] = [
    ("an earlier life's", { $0.answer -= 1 }), ("no question's", { $0.answer = 0 }),
    ("another epoch's", { $0.epoch = 2 }), ("no witness's", { $0.witnessed = [] }),
    ("another validator's", { $0.witnessed[0].signer = 2 }),
    ("a witness's of another epoch", { $0.witnessed[0].epoch = 2 }),
  ]

  @Test(arguments: 0..<6)
  func otherAnswersDoNotCount(_ stranger: Int) throws {
    var core = core()
    let life = try #require(begun(core.effects(.start, at: later(0))))
    for peer in 1...3 as ClosedRange<UInt16> {
      var standing = Standing(
        epoch: 1, height: 0, answer: life, witnessed: [beginning(of: 0, life: life)])
      Self.strangers[stranger].1(&standing)
      _ = try core.effects(.message(.standing(standing), from: peer), at: later(1))
    }
    #expect(core.abstention == .unresolved, "\(Self.strangers[stranger].0)")
  }

  @Test func theFirstBeginningIsStoredBeforeItIsAnsweredAndKept() throws {
    var core = core([resolved])
    func ask(_ life: UInt64, at time: Int64) throws -> [Effect] {
      let question = Standing(epoch: 1, height: 0, beginning: beginning(of: 2, life: life))
      return try core.effects(.message(.standing(question), from: 2), at: later(time))
    }
    func answered(_ effects: [Effect]) -> [Standing] {
      effects.compactMap { if case .send(.standing(let answer), 2) = $0 { answer } else { nil } }
    }
    let first = try ask(40, at: 0)
    #expect(first.map(\.name).prefix(2) == ["persist beginning of 2", "send standing"])
    #expect(answered(first)[0].witnessed.map(\.life) == [40] && answered(first)[0].answer == 40)
    #expect(!answered(first)[0].hasAll)
    #expect(try answered(ask(40, at: 199_999)).isEmpty, "at most once in Δ")
    let second = try ask(41, at: 200_000)
    #expect(!second.map(\.name).contains("persist beginning of 2"))
    #expect(answered(second)[0].witnessed.map(\.life) == [40] && answered(second)[0].answer == 41)
    #expect(answered(second)[0].hasAll)
    // After a restart it still knows, also of others, whom it tells of to one that forgot.
    core = self.core([
      .beginning(beginning(of: 0, life: 7)), resolved, .beginning(beginning(of: 2, life: 40)),
      .beginning(beginning(of: 3, life: 50)),
    ])
    let third = try answered(ask(42, at: 400_000))[0]
    #expect(third.witnessed.map(\.signer) == [2, 3, 0] && third.hasAll)
    #expect(third.witnessed.map(\.life) == [40, 50, 7])
    // Of another's beginning nothing is stored.
    let stolen = Standing(epoch: 1, height: 0, beginning: beginning(of: 3, life: 8))
    let effects = try core.names(.message(.standing(stolen), from: 1), at: later(800_000))
    #expect(!effects.contains("persist beginning of 3") && !effects.contains("send standing"))
  }

  /// Of two lives that others tell of, one is another than the present, whichever that is.
  @Test func twoLivesOfAnotherAreBothKept() throws {
    let lives = [40, 41, 42].map { JournalRecord.beginning(beginning(of: 2, life: $0)) }
    var core = core([resolved] + lives)
    for (life, time) in zip([40, 41, 42] as [UInt64], [0, 200_000, 400_000] as [Int64]) {
      let question = Standing(epoch: 1, height: 0, beginning: beginning(of: 2, life: life))
      let effects = try core.effects(.message(.standing(question), from: 2), at: later(time))
      let answer = effects.compactMap { effect in
        if case .send(.standing(let answer), 2) = effect { answer } else { nil }
      }
      #expect(answer[0].witnessed.map(\.life) == [40, 41] && answer[0].hasAll)
    }
  }

  @Test func theAnswerTellsTheNewestVoteAlsoFromBelowTheFloor() throws {
    var core = core([resolved])
    let first = block(view: 1, on: genesis)
    let subject = Subject.block(.finalize, first.header, hash: first.header.hash)
    _ = try core.effects(
      .message(.answer(Answer(certificates: [certificate(subject)], blocks: [first])), from: 1),
      at: later(0))
    #expect(core.floor.view == 1)
    _ = try core.effects(.vote(vote(subject, by: 2)), at: later(1))
    let question = Standing(epoch: 1, height: 0, beginning: beginning(of: 2, life: 6))
    let effects = try core.effects(.message(.standing(question), from: 2), at: later(2))
    let told = effects.compactMap { effect in
      if case .send(.standing(let answer), 2) = effect { answer } else { nil }
    }
    #expect(told.map(\.vote?.subject) == [subject])
    #expect(told.map(\.certificate?.subject) == [subject] && told.map(\.height) == [1])
  }

  @Test func anOldCopyOfADiskIsANewLife() throws {
    let records: [JournalRecord] = [.beginning(beginning(of: 0, life: 3)), resolved]
    var core = core(records)
    #expect(!core.isAbstaining)
    func shown(_ view: UInt64) -> Input {
      let forgotten = vote(.nullify(epoch: 1, view: view), by: 0)
      return .message(.standing(Standing(epoch: 1, height: 0, vote: forgotten)), from: 1)
    }
    let effects = try core.effects(shown(1), at: later(5))
    #expect(begun(effects) == UInt64(later(5).microseconds) && asked(effects) == [1, 2, 3])
    #expect(core.abstention == .unresolved)
    // Its journal says so, whatever came before.
    var second = self.core(records + [.beginning(beginning(of: 0, life: 9))])
    #expect(second.abstention == .unresolved)
    // Votes that it knows, or from which it abstains, tell nothing new.
    let own = vote(.nullify(epoch: 1, view: 1), by: 0)
    second = self.core([resolved, .vote(own)])
    _ = try second.effects(shown(1), at: later(5))
    #expect(second.abstention == .through(0))
    second = self.core([.abstention(epoch: 1, through: 4)])
    _ = try second.effects(shown(4), at: later(5))
    #expect(second.abstention == .through(4))
    _ = try second.effects(shown(5), at: later(6))
    #expect(second.abstention == .unresolved)
  }

  @Test func aRestartKeepsTheLifeAndTheOutcome() throws {
    var core = core([.beginning(beginning(of: 0, life: 3))])
    let effects = try core.effects(.start, at: later(50))
    #expect(begun(effects) == nil && asked(effects) == [1, 2, 3])
    _ = try core.effects(answer(to: 3, from: 1), at: later(51))
    _ = try core.effects(answer(to: 3, from: 2), at: later(51))
    #expect(core.abstention == .through(0))
    #expect(self.core([.abstention(epoch: 1, through: 9)]).abstention == .through(9))
    #expect(self.core([.abstention(epoch: 2, through: 9)]).abstention == .unresolved)
  }

  @Test func aLinkThatComesUpTellsBothWhereTheyStand() throws {
    var core = core([resolved])
    #expect(try core.names(.connected(2), at: later(0)).first == "send standing")
    for number in [0, 4, 99, .max] as [UInt16] {
      #expect(try !core.names(.connected(number), at: later(0)).contains("send standing"))
    }
    var follower = ConsensusCore(configuration: configuration(4, own: nil), recovered: fresh())
    #expect(try follower.names(.connected(2), at: later(0)).first == "send fetch")
    var single = ConsensusCore(
      configuration: configuration(1, own: 0), recovered: fresh(journal: []))
    #expect(try single.names(.start, at: later(0)) == ["schedule"])
    #expect(try single.names(.connected(0), at: later(0)) == ["schedule"])
    #expect(!single.isAbstaining)
  }

  @Test func whatAStandingCarriesIsVerified() {
    let keys = (0..<4).map { key($0).publicKey }
    func verifies(_ change: (inout Standing) -> Void) -> Bool {
      var standing = Standing(
        epoch: 1, height: 9, answer: 4, beginning: beginning(of: 1, life: 4),
        witnessed: [beginning(of: 0, life: 3)],
        certificate: certificate(.nullify(epoch: 1, view: 2)),
        vote: vote(.nullify(epoch: 1, view: 2), by: 0))
      change(&standing)
      return Message.standing(standing).verify(validators: keys, chain: chain, epoch: 1)
    }
    #expect(verifies { _ in })
    #expect(!verifies { $0.beginning?.life = 5 })
    #expect(!verifies { $0.beginning?.signer = 4 })
    #expect(!verifies { $0.witnessed[0].signer = 1 })
    #expect(!verifies { $0.witnessed.append(beginning(of: 0, life: 3, epoch: 2)) })
    #expect(!verifies { $0.vote?.signer = 1 })
    #expect(!verifies { $0.certificate = certificate(.nullify(epoch: 2, view: 2)) })
    // Of another epoch nothing counts.
    let other = Standing(epoch: 2, height: 9, vote: vote(.nullify(epoch: 1, view: 2), by: 1))
    #expect(Message.standing(other).verify(validators: keys, chain: chain, epoch: 1))
    #expect(!Message.standing(other).verify(validators: keys, chain: chain))
    // A beginning is no vote.
    let begun = beginning(of: 1, life: 4)
    let stolen = Vote(
      subject: .nullify(epoch: 1, view: 4), signer: 1, signature: begun.signature)
    #expect(!stolen.verify(validators: keys, chain: chain))
  }
}
