import Domain
import GRDB

extension Store {
  /// The lowest height from which on the packets of all blocks are here: 1, or, in a store that
  /// began with a snapshot, behind the last block that its headers had attested by then. Packets
  /// are not pruned: who was away for long asks for old ones.
  package func packetsFrom() throws(StorageFailure) -> UInt64 {
    published.withLock { $0.packetsFrom }
  }

  /// The packet of that number in the lane to `destination`; nil if none was sent, or by a block
  /// below `packetsFrom`.
  package func packet(to destination: ChainID, sequence: UInt64) throws(StorageFailure)
    -> StoredPacket?
  {
    try read("reading a packet") { db in
      try db.row(
        "SELECT height, packet FROM packets WHERE destination = ? AND sequence = ?",
        [destination.column, sequence.column]
      ).map { try StoredPacket(row: $0) }
    }
  }

  /// The packets of the blocks above `height` up to `last`, in the order in which they were sent:
  /// at most what one outbox root covers, when these are the heights that it covers.
  package func packets(above height: UInt64, through last: UInt64) throws(StorageFailure)
    -> [StoredPacket]
  {
    try read("reading packets") { db in
      var packets: [StoredPacket] = []
      let rows = try db.rows(
        "SELECT height, packet FROM packets WHERE height > ? AND height <= ? ORDER BY id",
        [height.column, last.column])
      while let row = try rows.next() { packets.append(try StoredPacket(row: row)) }
      return packets
    }
  }
}

extension Store {
  /// Coupling rounds from `round` on, ascending, at most `limit`.
  package func rounds(from round: Interval, limit: Int) throws(StorageFailure) -> [RoundRecord] {
    try read("reading rounds") { db in
      var rounds: [RoundRecord] = []
      let rows = try db.rows(
        "SELECT record FROM rounds WHERE round >= ? ORDER BY round LIMIT ?",
        [round.index, max(limit, 0)])
      while let row = try rows.next() {
        rounds.append(try RoundRecord(decoding: try row.bytes(0)))
      }
      return rounds
    }
  }

  /// The round that was closed last; nil before the first.
  package func latestRound() throws(StorageFailure) -> RoundRecord? {
    try read("reading the last round") { db in
      try db.row("SELECT record FROM rounds ORDER BY round DESC LIMIT 1").map {
        try RoundRecord(decoding: try $0.bytes(0))
      }
    }
  }
}

extension StoredPacket {
  fileprivate init(row: Row) throws {
    height = try row.height(0)
    var reader = CanonicalReader(try row.bytes(1))
    packet = try Packet(from: &reader)
    try reader.finish()
  }
}
