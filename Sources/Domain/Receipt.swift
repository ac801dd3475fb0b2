/// What became of one entry of a block: applied, or rejected with one reason.
package struct Receipt: Hashable, Sendable {
  /// Nil when applied.
  package var rejection: Rejection?
  /// The order that was placed, replaced or cancelled.
  package var order: OrderID?
  /// Wh that traded at once.
  package var filled: Int64
  /// Wh that rest in the book afterwards, dormant part included. Of a cancelled order: what is in
  /// a coupling round until its result.
  package var resting: Int64
  /// What was asked for is under way to the backbone, in the packet of this sequence, from 1.
  package var packet: UInt64?

  package init(
    rejection: Rejection? = nil, order: OrderID? = nil, filled: Int64 = 0, resting: Int64 = 0,
    packet: UInt64? = nil
  ) {
    self.rejection = rejection
    self.order = order
    self.filled = filled
    self.resting = resting
    self.packet = packet
  }

  package static let applied = Receipt()
  package static func rejected(_ reason: Rejection) -> Receipt { Receipt(rejection: reason) }

  /// Bytes of every encoded receipt.
  package static let encodedSize = 33

  package func encode(into writer: inout CanonicalWriter) {
    writer.write(rejection?.rawValue ?? 0)
    writer.write(order?.raw ?? 0)
    writer.write(filled)
    writer.write(resting)
    writer.write(packet ?? 0)
  }

  package init(from reader: inout CanonicalReader) throws(Rejection) {
    let reason = try reader.read(UInt8.self)
    if reason != 0 {
      guard let known = Rejection(rawValue: reason) else { throw .malformed }
      rejection = known
    }
    let number = try reader.read(UInt64.self)
    order = number == 0 ? nil : OrderID(number)
    filled = try reader.read(Int64.self)
    resting = try reader.read(Int64.self)
    let sequence = try reader.read(UInt64.self)
    packet = sequence == 0 ? nil : sequence
  }

  /// Leaf of the block's receipts tree: place in the block, digest of the entry's payload, receipt.
  package func leaf(at index: Int, of entry: Digest) -> Digest {
    var writer = CanonicalWriter(capacity: 4 + 32 + Self.encodedSize)
    writer.write(UInt32(index))
    writer.write(entry)
    encode(into: &writer)
    return MerkleTree.leaf(writer.bytes)
  }
}

/// Where a receipt stands: block and place in it.
package struct ReceiptPosition: Hashable, Sendable {
  package var height: UInt64
  package var index: UInt32

  package init(height: UInt64, index: UInt32) {
    self.height = height
    self.index = index
  }
}
