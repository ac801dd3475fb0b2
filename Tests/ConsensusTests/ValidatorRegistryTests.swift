import Consensus
import Domain
import Testing

extension ValidatorRegistry {
  /// Each command's bytes are its place in the block.
  mutating func apply(_ instructions: [ValidatorInstruction]) -> [PlacedReceipt] {
    apply(instructions) { SignedBytes(payload: [UInt8($0)], signature: .zero) }
  }
}

/// Who validates, and how that changes.
@Suite struct ValidatorRegistryTests {
  private static func keys(_ numbers: ClosedRange<Int>) -> [PublicKey] {
    numbers.map { key($0).publicKey }
  }

  private static func registry(_ validators: [PublicKey]) -> ValidatorRegistry {
    ValidatorRegistry(chain: chain, validators: validators)
  }

  private static func restored(_ registry: ValidatorRegistry) throws(Rejection)
    -> ValidatorRegistry
  {
    try ValidatorRegistry(
      chain: chain, founders: registry.founders, chunks: registry.chunks())
  }

  /// The name of a proposal for the epoch after the first.
  private static func name(_ keys: [PublicKey], epoch: UInt64 = 2) -> Digest {
    ValidatorRegistry.digest(chain: chain, epoch: epoch, validators: keys)
  }

  @Test func aDigestNamesChainEpochAndKeysInOrder() {
    let keys = Self.keys(0...1)
    let bytes =
      Array("intertie/validators/v1".utf8) + chain.array + [0, 0, 0, 0, 0, 0, 1, 2]
      + keys[0].array + keys[1].array
    #expect(Self.name(keys, epoch: 258) == Digest.sha256(bytes))
    #expect(Self.name(keys) != Self.name(keys.reversed()))
    #expect(Self.name(keys) != Self.name(Self.keys(0...2)))
  }

  /// What a step does: its receipts' rejections, and whether the block seals the epoch.
  fileprivate struct Row: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var before: [ValidatorInstruction]
    var step: ValidatorInstruction
    var rejection: Rejection?
  }

  private static let present = keys(0...3)
  private static let next = keys(0...4)
  private static let other = keys(1...3)

  private static func propose(_ keys: [PublicKey]) -> ValidatorInstruction {
    .propose(entry: 0, keys)
  }

  private static func accept(_ keys: [PublicKey], by number: Int, epoch: UInt64 = 2)
    -> ValidatorInstruction
  {
    .accept(entry: 0, signer: key(number).publicKey, proposal: name(keys, epoch: epoch))
  }

  private static func rejection(
    _ step: ValidatorInstruction, _ registry: inout ValidatorRegistry
  ) -> Rejection? {
    registry.apply([step]).first?.receipt.rejection
  }

  private static func seals(_ registry: inout ValidatorRegistry) -> Bool {
    registry.sealEpoch(at: 10 * registry.epoch)
  }

  fileprivate static let rows: [Row] = [
    Row(testDescription: "propose", before: [], step: propose(next)),
    Row(testDescription: "a set in another order", before: [], step: propose(present.reversed())),
    Row(testDescription: "replace", before: [propose(next)], step: propose(other)),
    Row(testDescription: "withdraw", before: [propose(next)], step: propose(present)),
    Row(
      testDescription: "withdraw nothing", before: [], step: propose(present),
      rejection: .unknownObject),
    Row(
      testDescription: "withdraw twice", before: [propose(next), propose(present)],
      step: propose(present), rejection: .unknownObject),
    Row(
      testDescription: "propose again", before: [propose(next)], step: propose(next),
      rejection: .duplicate),
    Row(testDescription: "accept, present", before: [propose(next)], step: accept(next, by: 2)),
    Row(testDescription: "accept, proposed", before: [propose(next)], step: accept(next, by: 4)),
    Row(
      testDescription: "accept, a stranger", before: [propose(next)], step: accept(next, by: 5),
      rejection: .wrongRole),
    Row(
      testDescription: "accept, a stranger and another set", before: [propose(next)],
      step: accept(other, by: 5), rejection: .wrongRole),
    Row(
      testDescription: "accept nothing", before: [], step: accept(next, by: 0),
      rejection: .unknownObject),
    Row(
      testDescription: "accept nothing, a stranger", before: [], step: accept(next, by: 4),
      rejection: .wrongRole),
    Row(
      testDescription: "accept another set", before: [propose(next)], step: accept(other, by: 0),
      rejection: .unknownObject),
    Row(
      testDescription: "accept for another epoch", before: [propose(next)],
      step: accept(next, by: 0, epoch: 1), rejection: .unknownObject),
    Row(
      testDescription: "accept what was replaced", before: [propose(next), propose(other)],
      step: accept(next, by: 0), rejection: .unknownObject),
    Row(
      testDescription: "accept what was withdrawn", before: [propose(next), propose(present)],
      step: accept(next, by: 0), rejection: .unknownObject),
    Row(
      testDescription: "no longer concerned", before: [propose(next), propose(other)],
      step: accept(other, by: 4), rejection: .wrongRole),
    Row(
      testDescription: "accept twice", before: [propose(next), accept(next, by: 0)],
      step: accept(next, by: 0), rejection: .duplicate),
    Row(
      testDescription: "twice, and another set", before: [propose(next), accept(next, by: 0)],
      step: accept(other, by: 0), rejection: .unknownObject),
    Row(
      testDescription: "again after a withdrawal",
      before: [propose(next), accept(next, by: 0), propose(present), propose(next)],
      step: accept(next, by: 0)),
  ]

  @Test(arguments: rows)
  fileprivate func everyStepHasItsReceipt(_ row: Row) throws {
    var registry = Self.registry(Self.present)
    for receipt in registry.apply(row.before) { #expect(receipt.receipt == .applied) }
    let before = registry
    let receipts = registry.apply([row.step])
    #expect(receipts == [PlacedReceipt(0, Receipt(rejection: row.rejection))])
    #expect((registry == before) == (row.rejection != nil))
    let isSealed = registry.sealEpoch(at: 10 * registry.epoch)
    #expect(!isSealed)
    try registry.checkInvariants()
    #expect(try Self.restored(registry) == registry)
  }

  @Test func receiptsKeepTheirPlacesInTheBlock() {
    var registry = Self.registry(Self.present)
    let receipts = registry.apply([
      .propose(entry: 3, Self.next),
      .accept(entry: 7, signer: key(9).publicKey, proposal: Self.name(Self.next)),
      .accept(entry: 9, signer: key(1).publicKey, proposal: Self.name(Self.next)),
    ])
    #expect(
      receipts == [
        PlacedReceipt(3, .applied), PlacedReceipt(7, .rejected(.wrongRole)),
        PlacedReceipt(9, .applied),
      ])
  }

  @Test func anotherProposalDropsWhatWasAccepted() {
    var registry = Self.registry(Self.present)
    _ = registry.apply([Self.propose(Self.next), Self.accept(Self.next, by: 0)])
    #expect(registry.acceptances.map(\.signer) == [key(0).publicKey])
    #expect(registry.hasAccepted(key(0).publicKey) && !registry.hasAccepted(key(1).publicKey))
    #expect(registry.proposalDigest == Self.name(Self.next))
    _ = registry.apply([Self.propose(Self.other)])
    #expect(registry.acceptances.isEmpty)
    #expect(registry.proposal == Self.other)
    _ = registry.apply([Self.accept(Self.other, by: 1), Self.propose(Self.present)])
    #expect(registry == Self.registry(Self.present))
  }

  /// Sizes of the present and the proposed set, how many are in both, and how many of each must
  /// accept, when those in both accept first.
  @Test(arguments: [
    (1, 1, 0, 2), (1, 1, 1, 0), (1, 2, 1, 2), (1, 4, 1, 3), (1, 4, 0, 4), (3, 1, 1, 3),
    (3, 3, 2, 4), (3, 4, 3, 3), (4, 4, 4, 3), (4, 4, 3, 3), (4, 4, 0, 6), (4, 5, 4, 4),
    (4, 3, 3, 3), (4, 7, 4, 5), (4, 7, 0, 8), (7, 7, 7, 5), (7, 7, 6, 5), (7, 4, 4, 5),
    (7, 7, 0, 10),
  ])
  func theEpochEndsWithAQuorumOfBoth(_ row: (Int, Int, Int, Int)) throws {
    let (count, size, shared, needed) = row
    let present = Self.keys(0...count - 1)
    // Those in both last, so that the order differs even when the members do not.
    let fresh = (0..<size - shared).map { key(100 + $0).publicKey }
    let proposal = fresh + (0..<shared).reversed().map { present[$0] }
    var registry = Self.registry(present)
    guard proposal != present else {
      // One validator in both: there is nothing to change.
      #expect(Self.rejection(Self.propose(proposal), &registry) == .unknownObject)
      return
    }
    _ = registry.apply([Self.propose(proposal)])
    let rest = (present + proposal).filter { !(present.contains($0) && proposal.contains($0)) }
    let order = present.filter { proposal.contains($0) } + rest
    var accepted = 0
    var isSealed = false
    for signer in order where !isSealed {
      let isUseful =
        present.contains(signer)
        && present.filter(registry.hasAccepted).count
          < Quorum.size(of: count)
        || proposal.contains(signer)
          && proposal.filter(registry.hasAccepted).count
            < Quorum.size(of: size)
      guard isUseful else { continue }
      accepted += 1
      let receipts = registry.apply([
        .accept(entry: 0, signer: signer, proposal: Self.name(proposal))
      ])
      #expect(receipts == [PlacedReceipt(0, .applied)])
      isSealed = registry.sealEpoch(at: 10 * registry.epoch)
      try registry.checkInvariants()
      #expect(registry.epoch == (isSealed ? 2 : 1))
    }
    #expect(isSealed)
    #expect(accepted == needed)
    #expect(registry.validators == proposal)
    #expect(registry.proposal == nil && registry.acceptances.isEmpty)
    #expect(!Self.seals(&registry))
  }

  /// n validators: with one acceptance less than the quorum of either set, nothing happens.
  @Test(arguments: [(1, 1), (3, 3), (4, 3), (7, 5)])
  func thresholds(_ row: (Int, Int)) {
    let (count, quorum) = row
    let present = Self.keys(0...count - 1)
    let proposal = (0..<count).map { key(100 + $0).publicKey }
    for missing in [present, proposal] {
      var registry = Self.registry(present)
      _ = registry.apply([Self.propose(proposal)])
      for keys in [present, proposal] {
        let signers = keys.prefix(keys == missing ? quorum - 1 : count)
        _ = registry.apply(
          signers.map { .accept(entry: 0, signer: $0, proposal: Self.name(proposal)) })
      }
      #expect(!Self.seals(&registry))
      _ = registry.apply([
        .accept(entry: 0, signer: missing[quorum - 1], proposal: Self.name(proposal))
      ])
      #expect(Self.seals(&registry))
    }
  }

  @Test func epochsFollowEachOtherAndOldNamesAreWorthNothing() throws {
    var registry = Self.registry(Self.keys(0...0))
    for epoch in 2...5 as ClosedRange<UInt64> {
      let proposal = Self.keys(Int(epoch)...Int(epoch))
      let old = registry.validators[0]
      _ = registry.apply([Self.propose(proposal)])
      let stale = ValidatorInstruction.accept(
        entry: 0, signer: old, proposal: Self.name(proposal, epoch: epoch - 1))
      #expect(Self.rejection(stale, &registry) == .unknownObject)
      for signer in [old, proposal[0]] {
        #expect(!Self.seals(&registry))
        _ = registry.apply([
          .accept(entry: 0, signer: signer, proposal: Self.name(proposal, epoch: epoch))
        ])
      }
      #expect(Self.seals(&registry))
      #expect(registry.epoch == epoch)
      #expect(registry.history.map(\.sealedAt) == (1..<epoch).map { 10 * $0 })
      #expect(registry.history.map(\.validators).last == proposal)
      // The command of the old set's member is the proof; the new one's is not kept.
      #expect(registry.history.last?.acceptances.map(\.signer) == [old])
      #expect(try Self.restored(registry) == registry)
      let accept = Self.accept(proposal, by: Int(epoch), epoch: epoch + 1)
      #expect(Self.rejection(accept, &registry) == .unknownObject)
    }
  }

  @Test func everyEpochsValidatorsAreKnown() {
    var registry = Self.registry(Self.keys(0...3))
    _ = registry.apply([Self.propose(Self.next)])
    for number in 0...3 { _ = registry.apply([Self.accept(Self.next, by: number)]) }
    #expect(registry.validators(of: 2) == nil)
    #expect(Self.seals(&registry))
    #expect(registry.validators(of: 0) == nil)
    #expect(registry.validators(of: 1) == Self.present)
    #expect(registry.validators(of: 2) == Self.next)
    #expect(registry.validators(of: 3) == nil)
    #expect(registry.validators(of: .max) == nil)
  }

  /// What is kept of an acceptance is its command, byte for byte; a long one is refused.
  @Test func acceptancesAreKeptAsTheyWereSigned() {
    var registry = Self.registry(Self.keys(0...3))
    _ = registry.apply([Self.propose(Self.next)])
    let longest = SignedBytes(
      payload: Array(repeating: 7, count: Limits.acceptanceBytes), signature: .zero)
    var longer = longest
    longer.payload.append(7)
    let refused = registry.apply([Self.accept(Self.next, by: 0)]) { _ in longer }
    #expect(refused == [PlacedReceipt(0, .rejected(.malformed))])
    let kept = registry.apply([Self.accept(Self.next, by: 0)]) { _ in longest }
    #expect(kept == [PlacedReceipt(0, .applied)])
    #expect(registry.acceptances == [Acceptance(signer: key(0).publicKey, command: longest)])
  }

  @Test func changesAreLimited() throws {
    var registry = Self.registry(Self.keys(0...0))
    for change in 1...Limits.epochChanges {
      let next = Self.keys(change % 2...change % 2)
      _ = registry.apply([Self.propose(next)])
      for number in [0, 1] {
        _ = registry.apply([Self.accept(next, by: number, epoch: registry.epoch + 1)])
      }
      #expect(Self.seals(&registry))
    }
    #expect(Self.rejection(Self.propose(Self.keys(5...5)), &registry) == .limitExceeded)
    #expect(
      Self.rejection(Self.propose(registry.validators), &registry) == .unknownObject)
    #expect(try Self.restored(registry) == registry)
  }

  /// A proposal that comes after the last acceptance of its block takes effect first.
  @Test func theEndOfTheBlockDecides() {
    var registry = Self.registry(Self.keys(0...0))
    let joined = Self.keys(0...1)
    _ = registry.apply([
      Self.propose(joined), Self.accept(joined, by: 0), Self.accept(joined, by: 1),
      Self.propose(Self.keys(0...0)),
    ])
    #expect(!Self.seals(&registry))
    #expect(registry == Self.registry(Self.keys(0...0)))
  }
}
