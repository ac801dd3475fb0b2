import Domain
import Testing

@testable import Ledger

@Suite("Commands about validators")
struct ValidatorCommandTests {
  /// The genesis's validator.
  private let first = World.key(999)

  @Test("Proposing gives every validator concerned an account, once, in the sets' order")
  func accounts() throws {
    let genesis = World.genesis()
    var ledger = try World.ledger(genesis)
    let before = ledger.accountCount
    #expect(ledger.index(of: first) == nil)
    let keys = [World.key(71), World.key(1), first, World.key(70)]
    let outcome = ledger.hold(
      [(entry: 5, command: World.command(genesis, World.operatorKey, 1, .proposeValidators(keys)))],
      time: World.now)
    #expect(outcome.receipts.isEmpty)
    #expect(outcome.validators == [.propose(entry: 5, keys)])
    let opened = (before..<ledger.accountCount).map { ledger.account(AccountIndex($0)) }
    #expect(opened.map(\.id) == [first, World.key(71), World.key(70)])
    #expect(opened.allSatisfy { $0.money == .zero && $0.tsl == .zero && !$0.isMember })
    let again = ledger.run(
      World.command(genesis, World.operatorKey, 2, .proposeValidators([first])))
    #expect(again.validators == [.propose(entry: 0, [first])])
    #expect(ledger.accountCount == before + 3)
    try ledger.checkInvariants()
  }

  @Test("An acceptance carries its signer's key; the registry decides")
  func acceptance() throws {
    let genesis = World.genesis()
    var ledger = try World.ledger(genesis)
    let name = Digest.sha256([1])
    let accept = CommandBody.acceptValidators(name)
    #expect(ledger.rejection(of: World.command(genesis, first, 1, accept)) == .unknownSigner)
    let propose = CommandBody.proposeValidators([World.key(70)])
    let commands = [
      World.command(genesis, World.operatorKey, 1, propose),
      World.command(genesis, first, 1, accept), World.command(genesis, World.key(70), 9, accept),
      World.command(genesis, World.key(1), 1, accept),
      World.command(genesis, first, 1, accept),
    ]
    let outcome = ledger.hold(
      commands.enumerated().map { (entry: $0, command: $1) }, time: World.now)
    #expect(
      outcome.validators == [
        .propose(entry: 0, [World.key(70)]),
        .accept(entry: 1, signer: first, proposal: name),
        .accept(entry: 2, signer: World.key(70), proposal: name),
        .accept(entry: 3, signer: World.key(1), proposal: name),
      ])
    #expect(outcome.receipts == [PlacedReceipt(4, .rejected(.replayed))])
    #expect(ledger.account(70).window.highest == 9)
    try ledger.checkInvariants()
  }

  @Test("There is room for every account, or none is opened")
  func room() throws {
    let genesis = World.genesis()
    let count = genesis.accountOrder.count
    var ledger = try LedgerCore(
      genesis: genesis, maximumHeld: World.maximumHeld, accountLimit: count + 2)
    func propose(_ sequence: UInt64, _ keys: [PublicKey]) -> Rejection? {
      ledger.rejection(
        of: World.command(genesis, World.operatorKey, sequence, .proposeValidators(keys)))
    }
    #expect(propose(1, [World.key(70), World.key(71)]) == .limitExceeded)
    #expect(ledger.accountCount == count)
    #expect(propose(2, [World.key(70), first]) == nil)
    #expect(ledger.accountCount == count + 2)
    #expect(propose(3, [World.key(70), World.key(1)]) == nil)
    #expect(propose(4, [World.key(71)]) == .limitExceeded)
    try ledger.checkInvariants()
  }
}
