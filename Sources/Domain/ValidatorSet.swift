/// The rules for a list of validators' keys, whose order is that of their turns to lead.
package enum ValidatorSet {
  private static let prefix = Array("intertie/validators/v1".utf8)

  /// Throws `malformed` unless there are 1...Limits.validators keys, each once, and none of small
  /// order, under which anybody could sign.
  package static func validate(_ keys: [PublicKey]) throws(Rejection) {
    guard (1...Limits.validators).contains(keys.count), Set(keys).count == keys.count,
      !keys.contains(where: \.hasSmallOrder)
    else { throw .malformed }
  }

  /// What a validator accepts by name: SHA-256 of "intertie/validators/v1" ‖ chain ‖ epoch (64
  /// bits, big-endian) ‖ keys, where `epoch` is the one that begins with these keys.
  package static func digest(chain: ChainID, epoch: UInt64, keys: [PublicKey]) -> Digest {
    var writer = CanonicalWriter(capacity: prefix.count + 40 + 32 * keys.count)
    writer.append(prefix)
    writer.write(chain)
    writer.write(epoch)
    for key in keys { writer.write(key) }
    return Digest.sha256(writer.bytes)
  }
}
