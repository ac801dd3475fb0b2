import Consensus
import Domain
import Testing

@Suite struct CatchUpTests {
  /// A validator that comes late to a long chain gets all of it, and takes part.
  @Test func aWipedNodeCatchesUpFromHistory() {
    var settings = ClusterSettings(calm: 4, seed: 21)
    settings.healSeconds = 60
    let cluster = Cluster(settings)
    for node in 0..<3 { cluster.boot(node) }
    cluster.events.push(.work, at: 1000)
    cluster.advance(through: 60_000_000)
    let height = cluster.nodes[0].chain.count
    #expect(height > 90, "more than one answer's worth: \(height)")
    cluster.boot(3)
    cluster.advance(through: 75_000_000)
    #expect(cluster.oracle.violation == nil)
    #expect(cluster.nodes[3].chain.count > height + 5)
    #expect(
      cluster.nodes[3].chain.prefix(height).map(\.hash)
        == cluster.nodes[0].chain.prefix(height).map(\.hash))
  }

  private let genesis = ChainPoint(height: 0, view: 0, hash: chain, time: origin)

  private func core() -> ConsensusCore {
    ConsensusCore(configuration: configuration(4, own: 0), recovered: fresh())
  }

  private func finalization(_ block: Block) -> Certificate {
    let subject = Subject.block(.finalize, block.header, hash: block.header.hash)
    return Certificate(subject: subject, votes: [1, 2, 3].map { vote(subject, by: $0) })
  }

  /// One finalization carries its ancestors, whatever the order in the answer.
  @Test func ancestorsComeWithOneFinalization() throws {
    let first = block(view: 1, on: genesis)
    let second = block(view: 2, on: ChainPoint(first.header, hash: first.header.hash))
    let third = block(view: 5, on: ChainPoint(second.header, hash: second.header.hash))
    for blocks in [[first, second, third], [third, first, second]] {
      var core = core()
      let answer = Answer(certificates: [finalization(third)], blocks: blocks)
      let names = try core.names(.message(.answer(answer), from: 2), at: later(1))
      #expect(
        names.filter { $0.hasPrefix("deliver") } == ["deliver 1", "deliver 2", "deliver 3"])
      #expect(core.floor.view == 5 && core.view == 6)
    }
  }

  @Test func aBlockThatNothingNamesIsNotHeld() throws {
    var core = core()
    let first = block(view: 1, on: genesis)
    let forged = block(view: 1, on: genesis, body: [6])
    let second = block(view: 2, on: ChainPoint(first.header, hash: first.header.hash))
    let answer = Answer(certificates: [finalization(second)], blocks: [forged, second])
    let names = try core.names(.message(.answer(answer), from: 2), at: later(1))
    #expect(!names.contains { $0.hasPrefix("deliver") })
    let rest = Answer(certificates: [], blocks: [first])
    let then = try core.names(.message(.answer(rest), from: 3), at: later(2))
    #expect(then.filter { $0.hasPrefix("deliver") } == ["deliver 1", "deliver 2"])
  }

  @Test func aStaleNullifyIsAnsweredOnceInDelta() throws {
    var core = core()
    let skip = Subject.nullify(epoch: 1, view: 1)
    let skipped = Certificate(subject: skip, votes: [1, 2, 3].map { vote(skip, by: $0) })
    _ = try core.effects(.certificate(skipped), at: later(0))
    let stale = Input.message(.vote(vote(skip, by: 2)), from: 2)
    func answers(_ time: Int64) throws -> Int {
      try core.effects(stale, at: later(time)).count {
        if case .send(.answer(let answer), 2) = $0 {
          answer.certificates.contains(skipped)
        } else {
          false
        }
      }
    }
    #expect(try [answers(1), answers(2), answers(200_000), answers(200_001)] == [1, 0, 0, 1])
  }

  @Test func aFinalizedChainThatLeavesOutTheFloorHalts() throws {
    var core = core()
    let first = block(view: 1, on: genesis)
    let answer = Answer(certificates: [finalization(first)], blocks: [first])
    _ = try core.effects(.message(.answer(answer), from: 2), at: later(1))
    #expect(core.floor.height == 1)
    let fork = block(view: 2, on: genesis, body: [1])
    let other = Answer(certificates: [finalization(fork)], blocks: [fork])
    #expect(try core.names(.message(.answer(other), from: 2), at: later(2)).contains("halt"))
  }

  /// A floor of the highest numbers there are, and whatever comes, never traps.
  @Test(arguments: 0..<20 as Range<UInt64>)
  func hostileNumbersNeverTrap(_ seed: UInt64) throws {
    var random = SplitMix64(seed)
    var core = core()
    let numbers: [UInt64] = [0, 1, 2, 3, 4096, 4097, 4098, .max - 1, .max]
    func number() -> UInt64 { numbers[Int(random.int(0...Int64(numbers.count - 1)))] }
    for step in 0..<60 as Range<Int64> {
      var made = block(view: number(), on: genesis, body: [UInt8(random.int(0...1))])
      made.header.height = number()
      made.header.parentView = number()
      made.header.time = Timestamp(microseconds: Int64(truncatingIfNeeded: number()))
      made.header.attested.height = number()
      let hash = made.header.hash
      var subject = Subject.block(.notarize, made.header, hash: hash)
      let signer = Int(random.int(0...4))
      let input: Input
      switch random.int(0...6) {
      case 0: input = .proposal(made, vote(subject, by: Int(made.header.view % 4)))
      case 1: input = .vote(vote(.nullify(epoch: 1, view: number()), by: signer))
      case 2:
        let name = BlockName(view: number(), hash: hash)
        let fetch = Fetch(epoch: 1, height: number(), from: number(), blocks: [name])
        input = .message(.fetch(fetch), from: UInt16(signer))
      case 3: input = .message(.answer(Answer(certificates: [], blocks: [made])), from: 1)
      case 4: input = .validated(hash: hash, isValid: true)
      case 5:
        subject.kind = .finalize
        input = .message(.vote(vote(subject, by: signer)), from: UInt16(signer))
      default: input = .certificate(nullification(number()))
      }
      _ = try core.effects(input, at: later(step * 50_000))
    }
  }

  private func nullification(_ view: UInt64) -> Certificate {
    let skip = Subject.nullify(epoch: 1, view: view)
    return Certificate(subject: skip, votes: [1, 2, 3].map { vote(skip, by: $0) })
  }
}
