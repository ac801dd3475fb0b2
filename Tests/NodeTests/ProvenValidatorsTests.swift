import Consensus
import Domain
import Node
import Testing
import Wire

/// From the genesis's validators to those of a later epoch, on signatures alone.
@Suite struct ProvenValidatorsTests {
  private static func key(_ number: UInt8) -> SigningKey {
    SigningKey(seed: [UInt8](repeating: 100 + number, count: 32)).unsafelyUnwrapped
  }

  private static func keys(_ numbers: ClosedRange<UInt8>) -> [PublicKey] {
    numbers.map { key($0).publicKey }
  }

  /// A grid's genesis with four validators.
  private static func genesis() throws -> Genesis {
    let test = try TestGrid()
    defer { test.remove() }
    var genesis = test.genesis
    genesis.validators = keys(0...3)
    return genesis
  }

  private static func accept(
    _ next: [PublicKey], by number: UInt8, _ chain: ChainID, epoch: UInt64 = 2,
    body: CommandBody? = nil
  ) -> SignedBytes {
    let key = key(number)
    let name = ValidatorSet.digest(chain: chain, epoch: epoch, keys: next)
    let payload = WireCommand.payload(
      of: Command(
        chain: chain, signer: key.publicKey, sequence: 1, expires: Timestamp(seconds: 1 << 40),
        body: body ?? .acceptValidators(name)))
    return SignedBytes(payload: payload, signature: key.sign(payload, for: .command))
  }

  @Test func epochsAreProvenOneAfterTheOther() throws {
    let genesis = try Self.genesis()
    var proven = ProvenValidators(genesis)
    #expect(proven.chain == genesis.chainID)
    #expect(proven.validators(of: 0) == nil)
    #expect(proven.validators(of: 1) == Self.keys(0...3))
    #expect(proven.validators(of: 2) == nil)
    let second = Self.keys(1...7)
    // Two that are not of the set before, and one twice, do no harm.
    try proven.advance(
      to: second,
      acceptances: [5, 1, 1, 3, 6, 2].map { Self.accept(second, by: $0, proven.chain) })
    let third = Self.keys(9...9)
    try proven.advance(
      to: third,
      acceptances: (3...7).map { Self.accept(third, by: $0, proven.chain, epoch: 3) })
    #expect(proven.epoch == 3)
    #expect(proven.validators(of: 1) == Self.keys(0...3))
    #expect(proven.validators(of: 2) == second)
    #expect(proven.validators(of: 3) == third)
    #expect(proven.validators(of: .max) == nil)
  }

  /// Each row has two good acceptances of three, and one that is not.
  @Test func whatAForgerMightTry() throws {
    let genesis = try Self.genesis()
    let chain = genesis.chainID
    let next = Self.keys(1...4)
    let good = [0, 1].map { Self.accept(next, by: $0, chain) }
    var forged = Self.accept(next, by: 2, chain)
    forged.signature.s.w3 ^= 1
    var borrowed = Self.accept(next, by: 2, chain)
    borrowed.signature = Self.accept(next, by: 3, chain).signature
    let rows: [SignedBytes] = [
      forged, borrowed, Self.accept(next, by: 4, chain), Self.accept(next, by: 1, chain),
      Self.accept(next.reversed(), by: 2, chain), Self.accept(next, by: 2, .zero),
      Self.accept(next, by: 2, chain, epoch: 3), Self.accept(next, by: 2, chain, epoch: 1),
      Self.accept(next, by: 2, chain, body: .proposeValidators(next)),
      SignedBytes(payload: [1, 2, 3], signature: .zero),
    ]
    for (place, row) in rows.enumerated() {
      var proven = ProvenValidators(genesis)
      #expect(throws: NodeFailure.self, "row \(place)") {
        try proven.advance(to: next, acceptances: good + [row])
      }
      #expect(proven.epoch == 1)
    }
    var proven = ProvenValidators(genesis)
    for keys in [[], [next[0], next[0]], [PublicKey(.zero)]] {
      let acceptances = (0...3).map { Self.accept(keys, by: $0, chain) }
      #expect(throws: NodeFailure.self) {
        try proven.advance(to: keys, acceptances: acceptances)
      }
    }
    try proven.advance(to: next, acceptances: good + [Self.accept(next, by: 2, chain)])
  }

  /// What a registry keeps of a change, as a node tells it, is its proof.
  @Test func aRegistrysHistoryIsAProof() throws {
    let genesis = try Self.genesis()
    let chain = genesis.chainID
    var registry = ValidatorRegistry(chain: chain, validators: genesis.validators)
    for epoch in 2...4 as ClosedRange<UInt64> {
      let next = Self.keys(UInt8(epoch) - 1...UInt8(epoch) + 2)
      let steps = (0...8).map { number in
        ValidatorInstruction.accept(
          entry: number, signer: Self.key(UInt8(number)).publicKey,
          proposal: ValidatorSet.digest(chain: chain, epoch: epoch, keys: next))
      }
      _ = registry.apply([.propose(entry: 0, next)] + steps) {
        Self.accept(next, by: UInt8($0), chain, epoch: epoch)
      }
      let isSealed = registry.sealEpoch(at: 10 * epoch)
      #expect(isSealed)
    }
    var proven = ProvenValidators(genesis)
    for change in registry.history { try proven.advance(Intertie_V1_EpochChange(change)) }
    #expect((1...4).allSatisfy { proven.validators(of: $0) == registry.validators(of: $0) })
    var again = ProvenValidators(genesis)
    #expect(throws: NodeFailure.self) {
      try again.advance(Intertie_V1_EpochChange(registry.history[1]))
    }
    var short = Intertie_V1_EpochChange(registry.history[0])
    short.validators[0].removeLast()
    #expect(throws: NodeFailure.self) { try again.advance(short) }
    #expect(again.epoch == 1)
  }
}
