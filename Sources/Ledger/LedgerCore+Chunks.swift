import Domain

extension LedgerCore {
  /// Accounts in one chunk of a snapshot.
  static let pageAccounts = 4096

  /// The state in canonical bytes: `ledger/totals`, `ledger/arrears`, the accounts in pages of
  /// 4096, `ledger/accounts/0` and so on, and, while a coupling round holds something,
  /// `ledger/escrow`. Changes and history not yet taken are not part of it.
  package mutating func chunks() -> [StateChunk] {
    // From here on a change marks its page again.
    refreshLeaves()
    var totalsWriter = CanonicalWriter(capacity: 128)
    totalsWriter.write(UInt32(accounts.count))
    totals.encode(into: &totalsWriter)
    totalsWriter.write(interval)
    totalsWriter.write(isClosing)
    totalsWriter.write(wattAtLastClose)
    var arrearsWriter = CanonicalWriter()
    arrears.encode(into: &arrearsWriter)
    var chunks = [
      StateChunk(name: "ledger/totals", bytes: totalsWriter.bytes),
      StateChunk(name: "ledger/arrears", bytes: arrearsWriter.bytes),
    ]
    for page in pageDigests.indices {
      let bytes = encodePage(page)
      let digest = pageDigests[page] ?? Digest.sha256(bytes)
      pageDigests[page] = digest
      chunks.append(StateChunk(name: Self.pageName(page), digest: digest, bytes: bytes))
    }
    if let escrow { chunks.append(escrow.chunk) }
    return chunks
  }

  private static func pageName(_ page: Int) -> String { "ledger/accounts/\(page)" }

  private func encodePage(_ page: Int) -> [UInt8] {
    let first = page * Self.pageAccounts
    let end = min(first + Self.pageAccounts, accounts.count)
    var writer = CanonicalWriter(capacity: (end - first) * Account.leafBytes)
    for position in first..<end { accounts[position].encode(into: &writer) }
    return writer.bytes
  }

  /// The ledger as it was when it gave these chunks. Throws `malformed` when they are not what a
  /// ledger of this genesis gives, or break an invariant. No account counts as changed.
  package init(
    genesis: Genesis, maximumHeld: Energy, chunks: [StateChunk],
    accountLimit: Int = Limits.accounts
  ) throws(Rejection) {
    let order = genesis.accountOrder
    terms = try Terms(
      genesis: genesis, order: order, maximumHeld: maximumHeld, accountLimit: accountLimit)
    guard chunks.count >= 2, chunks[0].name == "ledger/totals",
      chunks[1].name == "ledger/arrears"
    else { throw .malformed }
    var reader = CanonicalReader(chunks[0].bytes)
    let count = Int(try reader.read(UInt32.self))
    totals = try Totals(from: &reader)
    interval = try reader.readInterval()
    isClosing = try reader.readBool()
    wattAtLastClose = try reader.read(Int64.self)
    try reader.finish()
    reader = CanonicalReader(chunks[1].bytes)
    arrears = try Arrears(from: &reader)
    try reader.finish()
    let pages = (count + Self.pageAccounts - 1) / Self.pageAccounts
    let before = genesis.calendar.firstInterval.advanced(by: -1)
    guard count >= order.count, count <= accountLimit,
      interval >= before, interval.index < Int64.max,
      (2 + pages...3 + pages).contains(chunks.count)
    else { throw .malformed }
    if chunks.count == 3 + pages { escrow = try Escrow(chunks[2 + pages], accounts: count) }
    accounts.reserveCapacity(count)
    indexes.reserveCapacity(count)
    for page in 0..<pages { try restore(page: page, of: count, from: chunks[2 + page]) }
    guard accounts.prefix(order.count).map(\.id) == order,
      chunks.allSatisfy({ $0.digest == Digest.sha256($0.bytes) })
    else { throw .malformed }
    pageDigests = chunks[2..<2 + pages].map(\.digest)
    marks = ContiguousArray(repeating: [], count: count)
    tree = MerkleTree(leaves: accounts.map { MerkleTree.leaf($0.leaf) })
    do throws(InvariantViolation) { try checkInvariants() } catch { throw .malformed }
  }

  private mutating func restore(page: Int, of count: Int, from chunk: StateChunk)
    throws(Rejection)
  {
    let length = min(Self.pageAccounts, count - page * Self.pageAccounts)
    guard chunk.name == Self.pageName(page), chunk.bytes.count == length * Account.leafBytes
    else { throw .malformed }
    var reader = CanonicalReader(chunk.bytes)
    for _ in 0..<length {
      let account = try Account(from: &reader)
      guard indexes.updateValue(AccountIndex(accounts.count), forKey: account.id) == nil else {
        throw .malformed
      }
      accounts.append(account)
    }
    try reader.finish()
  }
}
