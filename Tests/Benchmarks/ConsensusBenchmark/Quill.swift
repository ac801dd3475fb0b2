import Domain
import Wire

/// Writes the readings of one client's meters. Each further reading of a meter is a later version
/// of the same interval's, so that each is applied.
struct Quill: Sendable {
  /// Meters of one client: a batch has one reading of each at most.
  static let meters = 16
  /// A payload's size when it is padded, bytes: as etcd's values are here.
  static let paddedBytes = 256

  let keys: [SigningKey]
  let chain: ChainID
  let interval: Interval
  /// What stands in the place of each signature; nil where they are real.
  private let filler: Signature?
  private var count = 0

  init(keys: [SigningKey], genesis: Genesis, isSigning: Bool) {
    self.keys = keys
    filler = isSigning ? nil : keys[0].sign([], for: .reading)
    chain = genesis.chainID
    interval = genesis.calendar.firstInterval
  }

  /// Writes, and signs, the next `size` readings, 1...16.
  mutating func batch(of size: Int, isPadded: Bool) -> Intertie_V1_ReadingBatch {
    var batch = Intertie_V1_ReadingBatch()
    batch.id = UInt64(count)
    batch.readings = (0..<size).map { _ in
      defer { count += 1 }
      let key = keys[count % keys.count]
      let reading = Reading(
        chain: chain, meter: key.publicKey, interval: interval,
        exported: Energy(Int64(count)), imported: Energy(1000),
        version: UInt16(count / keys.count + 1))
      var payload = WireReading.payload(of: reading)
      if isPadded { Self.pad(&payload) }
      return Intertie_V1_SignedReading(
        SignedBytes(
          payload: payload,
          signature: filler ?? key.sign(payload, for: .reading)))
    }
    return batch
  }

  /// Appends a field 15 of bytes, which the node passes over as one that it does not know, up to
  /// 256 bytes in all.
  private static func pad(_ payload: inout [UInt8]) {
    var length = paddedBytes - payload.count - 2
    payload.append(15 << 3 | 2)
    if length >= 0x80 {
      length -= 1
      payload.append(UInt8(length & 0x7f | 0x80))
      payload.append(UInt8(length >> 7))
    } else {
      payload.append(UInt8(length))
    }
    payload.append(contentsOf: [UInt8](repeating: 0x20, count: length))
  }
}
