import Consensus
import Domain
import Testing

/// Who gets a certificate that a node assembled (rule 4), and what makes a node ask (rule 11).
@Suite struct PassingTests {
  private let genesis = ChainPoint(height: 0, view: 0, hash: chain, time: origin)

  /// Validator 0 of four, which has notarized the block of view 1.
  private func core() throws -> (core: ConsensusCore, block: Block) {
    var core = ConsensusCore(configuration: configuration(4, own: 0), recovered: fresh())
    _ = try core.effects(.start, at: later(0))
    let made = block(view: 1, on: genesis, body: [1])
    let subject = Subject.block(.notarize, made.header, hash: made.header.hash)
    _ = try core.effects(.proposal(made, vote(subject, by: 1)), at: later(1))
    _ = try core.effects(.validated(hash: made.header.hash, isValid: true), at: later(2))
    return (core, made)
  }

  private func subject(_ kind: VoteKind, _ block: Block) -> Subject {
    .block(kind, block.header, hash: block.header.hash)
  }

  /// Kind and addressee of the certificates that a step sends.
  private func passed(_ effects: [Effect]) -> [String] {
    effects.compactMap { effect in
      if case .send(.certificate(let certificate), let peer) = effect {
        "\(certificate.subject.kind) to \(peer)"
      } else {
        nil
      }
    }
  }

  @Test func aNotarizationGoesToThoseWhoHaveShownNothing() throws {
    var (core, made) = try core()
    let third = vote(subject(.notarize, made), by: 2)
    let assembled = try core.effects(.vote(third), at: later(1000))
    #expect(assembled.map(\.name).contains("persist notarize certificate"))
    #expect(passed(assembled).isEmpty)
    #expect(!assembled.map(\.name).contains("broadcast notarize certificate"))
    // 1 finalizes, 2 is seen in the next view, 3 shows nothing.
    _ = try core.effects(.vote(vote(subject(.finalize, made), by: 1)), at: later(2000))
    _ = try core.effects(.vote(vote(.nullify(epoch: 1, view: 2), by: 2)), at: later(2000))
    #expect(try passed(core.effects(.tick, at: later(50_999))).isEmpty)
    #expect(try passed(core.effects(.tick, at: later(51_000))) == ["notarize to 3"])
    #expect(try passed(core.effects(.tick, at: later(60_000))).isEmpty, "once")
  }

  @Test func aCertificateThatCameFromAnotherIsNotPassedOn() throws {
    var (core, made) = try core()
    _ = try core.effects(.certificate(certificate(subject(.notarize, made))), at: later(1000))
    #expect(try passed(core.effects(.tick, at: later(51_000))).isEmpty)
  }

  @Test func aFinalizationOutdatesTheNotarizationAndGoesToThoseBehind() throws {
    var (core, made) = try core()
    for signer in [2, 3] {
      _ = try core.effects(.vote(vote(subject(.notarize, made), by: signer)), at: later(1000))
    }
    for signer in [1, 2] {
      _ = try core.effects(.vote(vote(subject(.finalize, made), by: signer)), at: later(2000))
    }
    #expect(core.floor.view == 1)
    #expect(try passed(core.effects(.tick, at: later(51_000))).isEmpty)
    #expect(try passed(core.effects(.tick, at: later(52_000))) == ["finalize to 3"])
  }

  /// Who asked to skip a view may still be in it: only a later view shows that it is over.
  @Test func aNullificationGoesToAllWhoHaveShownNoLaterView() throws {
    var (core, _) = try core()
    for signer in [1, 2, 3] {
      _ = try core.effects(.vote(vote(.nullify(epoch: 1, view: 1), by: signer)), at: later(1000))
    }
    #expect(core.view == 2)
    _ = try core.effects(.vote(vote(.nullify(epoch: 1, view: 2), by: 2)), at: later(2000))
    #expect(
      try passed(core.effects(.tick, at: later(51_000))) == ["nullify to 1", "nullify to 3"])
  }

  @Test func aBlockThatDoesNotBecomeFinalIsAskedFor() throws {
    var (core, made) = try core()
    _ = try core.effects(.certificate(certificate(subject(.notarize, made))), at: later(1000))
    func fetches(_ time: Int64) throws -> Bool {
      try core.names(.tick, at: later(time)).contains("send fetch")
    }
    #expect(try !fetches(150_000))
    // Δ after the view's entry something is missing; it may come by itself for half of Δ.
    #expect(try !fetches(201_000))
    #expect(try fetches(301_000))
    #expect(try !fetches(400_000))
  }

  /// An hour back: no timer waits for it.
  @Test func aClockThatIsSetBackStopsNoTimer() throws {
    let hour: Int64 = 3_600_000_000
    var core = ConsensusCore(configuration: configuration(4, own: 0), recovered: fresh())
    _ = try core.effects(.start, at: later(hour))
    _ = try core.effects(.work(isPending: true), at: later(hour))
    #expect(try !core.names(.tick, at: later(0)).contains("broadcast nullify"))
    #expect(try !core.names(.tick, at: later(399_999)).contains("broadcast nullify"))
    #expect(try core.names(.tick, at: later(400_000)).contains("broadcast nullify"))
    // Nor does the retry.
    #expect(try !core.names(.tick, at: later(-hour)).contains("broadcast nullify"))
    #expect(try core.names(.tick, at: later(600_000 - hour)).contains("broadcast nullify"))
  }

  @Test func whatDriversAskIsKnown() throws {
    var (core, made) = try core()
    let point = ChainPoint(made.header, hash: made.header.hash)
    #expect(core.isCertified(0) && !core.isCertified(1) && !core.isCertified(2))
    #expect(core.pendingBodies(of: genesis) == [])
    #expect(core.lastGrowth == origin)
    _ = try core.effects(.certificate(certificate(subject(.notarize, made))), at: later(1000))
    #expect(core.isCertified(1) && core.lastGrowth == made.header.time)
    let second = block(view: 2, on: point, body: [2])
    let subject = Subject.block(.notarize, second.header, hash: second.header.hash)
    _ = try core.effects(.proposal(second, vote(subject, by: 2)), at: later(1001))
    let tip = ChainPoint(second.header, hash: second.header.hash)
    #expect(core.pendingBodies(of: tip) == [made.header.body, second.header.body])
    #expect(core.pendingBodies(of: point) == [made.header.body])
    #expect(core.newestView(of: 2) == 2 && core.newestView(of: 3) == 0)
    #expect(core.newestView(of: 4) == 0 && core.newestView(of: .max) == 0)
  }
}
