/// Two final blocks of one grid at one height and of one epoch, each with what makes it final:
/// whoever validates the grid has signed two histories. It proves itself, so that anybody may bring
/// it to the backbone, and nobody signs it.
///
/// Canonical bytes: the grid's id; then for each of the two the changes of epoch behind a count of
/// 8 bits, each behind its length, the header, and what makes it final, behind its length.
package struct HistoryReport: Hashable, Sendable {
  /// A block of one of the histories.
  package struct Side: Hashable, Sendable {
    /// How the grid's epochs began, up to the header's, as the registry of validators encodes them;
    /// at most `PacketDelivery.maximumEpochs`. Those that the backbone knows may be left out.
    package var epochs: [[UInt8]]
    package var header: BlockHeader
    /// A header proof in canonical bytes.
    package var finality: [UInt8]

    package init(epochs: [[UInt8]], header: BlockHeader, finality: [UInt8]) {
      self.epochs = epochs
      self.header = header
      self.finality = finality
    }
  }

  package var grid: ChainID
  package var first: Side
  package var second: Side

  package init(grid: ChainID, first: Side, second: Side) {
    self.grid = grid
    self.first = first
    self.second = second
  }

  package var encoded: [UInt8] {
    var writer = CanonicalWriter(
      capacity: 1024 + first.finality.count + second.finality.count)
    writer.write(grid)
    for side in [first, second] {
      writer.write(UInt8(clamping: side.epochs.count))
      for change in side.epochs { writer.write(counted: change) }
      side.header.encode(into: &writer)
      writer.write(counted: side.finality)
    }
    return writer.bytes
  }

  /// Throws `malformed` for anything else than a report in canonical bytes of two different headers
  /// of the grid at one height and of one epoch.
  package init(decoding bytes: [UInt8]) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    grid = try reader.readDigest()
    first = try Side(from: &reader)
    second = try Side(from: &reader)
    try reader.finish()
    guard first.header.chain == grid, second.header.chain == grid,
      first.header.height == second.header.height, first.header.epoch == second.header.epoch,
      first.header != second.header
    else { throw .malformed }
  }
}

extension HistoryReport.Side {
  fileprivate init(from reader: inout CanonicalReader) throws(Rejection) {
    epochs = []
    let changes = Int(try reader.read(UInt8.self))
    guard changes <= PacketDelivery.maximumEpochs else { throw .malformed }
    for _ in 0..<changes { epochs.append(try reader.readCounted()) }
    header = try BlockHeader(from: &reader)
    finality = try reader.readCounted()
  }
}
