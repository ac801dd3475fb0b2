import Domain

/// What the ledger keeps for one account.
///
/// Its canonical bytes are a leaf of the state tree: `leafBytes` = 97 bytes, integers big-endian.
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 32 | `id`, the Ed25519 public key |
/// | 32 | 8 | `watt`, mWh, Int64 |
/// | 40 | 8 | `money`, free µ¤, Int64 |
/// | 48 | 8 | `heldMoney`, held µ¤, Int64 |
/// | 56 | 8 | `tsl`, micro-tokens, Int64 |
/// | 64 | 8 | `ect`, micro-tokens, Int64 |
/// | 72 | 8 | `arrears`, all that the account owes, µ¤, Int64 |
/// | 80 | 1 | `isMember`, 0 or 1 |
/// | 81 | 8 | `window.highest`, the highest sequence used, 0 for none, UInt64 |
/// | 89 | 8 | `window.bits`, bit k (value 2^k) set: sequence highest − k was used, UInt64 |
///
/// The leaf's hash is SHA-256(0x00 ‖ these bytes), as in RFC 6962, section 2.1.
package struct Account: Hashable, Sendable {
  // The fields that a trade touches come first, so that they share a cache line.

  /// Energy stored for the holder, 0 or more.
  package var watt: Energy = .zero
  /// Money that is free to use, 0 or more; zero while there are arrears.
  package var money: Money = .zero
  /// Money held for resting buy orders, 0 or more; not part of `money`.
  package var heldMoney: Money = .zero
  /// All that the account owes, 0 or more.
  package var arrears: Money = .zero
  package var tsl: StorageTokens = .zero
  package var ect: RewardTokens = .zero
  /// Sequences of the commands that the account has signed.
  package var window = SequenceWindow()
  package var id: AccountID
  /// A member has had the education grant's chance.
  package var isMember = false

  package init(id: AccountID) { self.id = id }

  /// Bytes of every encoded account.
  package static let leafBytes = 97

  package func encode(into writer: inout CanonicalWriter) {
    writer.write(id)
    writer.write(watt)
    writer.write(money)
    writer.write(heldMoney)
    writer.write(tsl)
    writer.write(ect)
    writer.write(arrears)
    writer.write(isMember)
    writer.write(window.highest)
    writer.write(window.bits)
  }

  /// The canonical bytes, as laid out above.
  package var leaf: [UInt8] {
    var writer = CanonicalWriter(capacity: Self.leafBytes)
    encode(into: &writer)
    return writer.bytes
  }

  /// Throws `malformed` when the bytes run out, or hold no possible flag or window.
  package init(from reader: inout CanonicalReader) throws(Rejection) {
    id = try reader.readKey()
    watt = try reader.read(Energy.self)
    money = try reader.read(Money.self)
    heldMoney = try reader.read(Money.self)
    tsl = try reader.read(StorageTokens.self)
    ect = try reader.read(RewardTokens.self)
    arrears = try reader.read(Money.self)
    isMember = try reader.readBool()
    let highest = try reader.read(UInt64.self)
    let bits = try reader.read(UInt64.self)
    guard let window = SequenceWindow(highest: highest, bits: bits) else { throw .malformed }
    self.window = window
  }
}
