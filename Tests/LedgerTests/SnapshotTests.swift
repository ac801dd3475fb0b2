import Domain
import TestSupport
import Testing

@testable import Ledger

@Suite("State root and snapshots")
struct SnapshotTests {
  @Test("A leaf has the bytes that are laid down for other languages' clients")
  func leaf() throws {
    var account = Account(id: AccountID(Bytes32(0x0102_0304_0506_0708, 2, 3, 4)))
    account.watt = Energy(0x11)
    account.money = Money(0x22)
    account.heldMoney = Money(0x33)
    account.tsl = StorageTokens(0x44)
    account.ect = RewardTokens(0x55)
    account.arrears = Money(0x66)
    account.isMember = true
    #expect(account.window.use(0x77) == true)
    #expect(account.window.use(0x76) == true)
    let expected =
      "0102030405060708000000000000000200000000000000030000000000000004"
      + "0000000000000011" + "0000000000000022" + "0000000000000033" + "0000000000000044"
      + "0000000000000055" + "0000000000000066" + "01" + "0000000000000077"
      + "0000000000000003"
    #expect(Hex.encode(account.leaf) == expected)
    #expect(account.leaf.count == Account.leafBytes)
    var reader = CanonicalReader(account.leaf)
    #expect(try Account(from: &reader) == account)
    var flag = account.leaf
    flag[80] = 2
    var window = account.leaf
    window[96] = 2
    for bytes in [flag, window, Array(account.leaf.dropLast())] {
      #expect(throws: Rejection.malformed) {
        var reader = CanonicalReader(bytes)
        _ = try Account(from: &reader)
      }
    }
  }

  @Test("Every account's proof leads to the root, and to no other account's leaf")
  func proofs() throws {
    let genesis = World.genesis(members: 9)
    var ledger = try World.ledger(genesis)
    try ledger.close([(1, 700)])
    let gift = CommandBody.transfer(to: World.key(300), asset: .watt, amount: 9)
    let before = ledger.root()
    _ = ledger.run(World.command(genesis, World.key(1), 1, gift))
    let root = ledger.root()
    #expect(root != before)
    for position in 0..<ledger.accountCount {
      let (leaf, proof) = ledger.proof(of: AccountIndex(position))
      #expect(leaf == ledger.account(AccountIndex(position)).leaf)
      #expect(proof.count == UInt64(ledger.accountCount))
      #expect(proof.root(of: MerkleTree.leaf(leaf)) == root)
      var forged = leaf
      forged[47] ^= 1
      #expect(proof.root(of: MerkleTree.leaf(forged)) != root)
    }
  }

  @Test("A proof taken between roots is of the newest state")
  func freshProof() throws {
    let genesis = World.genesis()
    var ledger = try World.ledger(genesis)
    _ = ledger.root()
    _ = ledger.run(World.command(genesis, World.key(1), 1, .redeem(amount: Money(1))))
    let (leaf, proof) = ledger.proof(of: ledger.index(1))
    let root = ledger.root()
    #expect(proof.root(of: MerkleTree.leaf(leaf)) == root)
    #expect(leaf == ledger.account(1).leaf)
  }

  @Test("Changes are told once each, and all accounts at genesis")
  func changes() throws {
    let genesis = World.genesis()
    var ledger = try World.ledger(genesis)
    #expect(ledger.takeChanges() == (0..<ledger.accountCount).map { AccountIndex($0) })
    #expect(ledger.takeChanges().isEmpty)
    let gift = CommandBody.transfer(to: World.key(3), asset: .money, amount: 9)
    _ = ledger.run(World.command(genesis, World.key(1), 1, gift))
    _ = ledger.root()
    _ = ledger.run(World.command(genesis, World.key(1), 2, gift))
    #expect(Set(ledger.takeChanges()) == [ledger.index(1), ledger.index(3)])
    #expect(ledger.takeChanges().isEmpty)
  }

  /// Two pages of accounts, arrears both ways of time, a hold, an open close.
  private func large() throws -> (Genesis, LedgerCore) {
    let genesis = World.genesis(members: 5000)
    var ledger = try World.ledger(genesis)
    _ = ledger.run(World.command(genesis, World.key(7), 1, World.buy(10, at: 5)))
    try ledger.close([(1, 3_000_000), (4999, 2_100_000)])
    try ledger.close([(2, -90_000_000), (3, 1_000)])
    return (genesis, ledger)
  }

  @Test("Only pages that changed get another digest")
  func pages() throws {
    var (genesis, ledger) = try large()
    let before = ledger.chunks()
    #expect(
      before.map(\.name) == [
        "ledger/totals", "ledger/arrears", "ledger/accounts/0", "ledger/accounts/1",
      ])
    #expect(ledger.chunks() == before)
    let gift = CommandBody.transfer(to: World.key(4999), asset: .tsl, amount: 9)
    _ = ledger.run(World.command(genesis, World.key(5000), 1, gift))
    let after = ledger.chunks()
    #expect(zip(before, after).map { $0 == $1 } == [true, true, true, false])
    for chunk in after { #expect(chunk.digest == Digest.sha256(chunk.bytes)) }
    // A change after the root was taken marks its page as well.
    _ = ledger.root()
    _ = ledger.run(World.command(genesis, World.key(5000), 2, gift))
    _ = ledger.root()
    let last = ledger.chunks()
    #expect(last[3].digest == Digest.sha256(last[3].bytes))
    #expect(last[3] != after[3])
  }

  @Test("Restored, a ledger has the same root and chunks, and goes on the same way")
  func restore() throws {
    var (genesis, ledger) = try large()
    var close = MeterClose(interval: ledger.interval.next)
    close.accounts = [World.metered(ledger.index(9), imported: 50)]
    _ = try ledger.post(close)
    let chunks = ledger.chunks()
    var restored = try LedgerCore(
      genesis: genesis, maximumHeld: World.maximumHeld, chunks: chunks)
    try restored.checkInvariants()
    #expect(restored.chunks() == chunks)
    #expect(restored.root() == ledger.root())
    #expect(restored.takeChanges().isEmpty)
    _ = ledger.takeChanges()
    _ = ledger.takeHistory()
    var settlement = UtilitySettlement(isAvailable: true)
    settlement.shortfalls = [
      UtilityPosting(account: ledger.index(9), energy: Energy(50), amount: Money(15))
    ]
    #expect(
      try ledger.settle(settlement, close: close)
        == restored.settle(settlement, close: close))
    #expect(ledger.takeHistory() == restored.takeHistory())
    #expect(ledger.takeChanges() == restored.takeChanges())
    #expect(ledger.chunks() == restored.chunks())
    #expect(ledger.root() == restored.root())
  }

  @Test("Chunks that are not a ledger's are malformed")
  func malformed() throws {
    var (genesis, ledger) = try large()
    let chunks = ledger.chunks()
    func changed(_ place: Int, _ change: (inout [UInt8]) -> Void) -> [StateChunk] {
      var copy = chunks
      var bytes = copy[place].bytes
      change(&bytes)
      copy[place] = StateChunk(name: copy[place].name, bytes: bytes)
      return copy
    }
    var renamed = chunks
    renamed[2].name = "ledger/accounts/1"
    var lying = chunks
    lying[3].digest = .zero
    let rows: [[StateChunk]] = [
      [], Array(chunks.dropLast()), chunks + [chunks[3]], chunks.reversed(), renamed, lying,
      changed(0) { $0[3] ^= 1 }, changed(0) { $0.append(0) }, changed(0) { $0.removeLast() },
      changed(0) { $0[11] ^= 1 }, changed(1) { $0.removeLast() }, changed(1) { $0.append(0) },
      changed(1) { $0[3] ^= 1 }, changed(1) { $0[$0.count - 1] ^= 1 }, changed(1) { $0 = [] },
      changed(2) { $0[0] ^= 1 }, changed(2) { $0[39] ^= 1 }, changed(3) { $0.removeLast() },
      changed(3) { $0.replaceSubrange(0..<97, with: $0[97..<194]) },
    ]
    for (place, row) in rows.enumerated() {
      #expect(throws: Rejection.malformed, "row \(place)") {
        _ = try LedgerCore(genesis: genesis, maximumHeld: World.maximumHeld, chunks: row)
      }
    }
  }

  @Test(
    "Any byte of the small chunks that is changed is refused or harmless, never a trap",
    arguments: 0..<4 as Range<UInt64>)
  func fuzz(seed: UInt64) throws {
    let genesis = World.genesis(members: 3)
    var ledger = try World.ledger(genesis)
    try ledger.close([(1, 3_000_000), (2, 2_500_000)])
    try ledger.close([(3, -9_000_000)])
    let chunks = ledger.chunks()
    var random = SplitMix64(seed: seed)
    var refused = 0
    for place in chunks.indices {
      for offset in chunks[place].bytes.indices {
        var copy = chunks
        var bytes = copy[place].bytes
        bytes[offset] ^= UInt8.random(in: 1...255, using: &random)
        copy[place] = StateChunk(name: copy[place].name, bytes: bytes)
        guard
          var other = try? LedgerCore(
            genesis: genesis, maximumHeld: World.maximumHeld, chunks: copy)
        else {
          refused += 1
          continue
        }
        #expect(other.chunks() == copy, "seed \(seed), chunk \(place), byte \(offset)")
        _ = try? other.close([(1, 3), (2, -5)])
      }
    }
    #expect(refused > 500, "seed \(seed)")
  }
}
