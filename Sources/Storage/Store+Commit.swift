import Domain
import Foundation
import GRDB

extension Store {
  /// Makes the whole batch durable in one transaction, or nothing of it.
  ///
  /// When it returns, the batch survives the loss of power. `full` leaves the store usable; after
  /// `io` or `corrupt` every further write throws the same failure.
  package func commit(_ batch: CommitBatch) throws(StorageFailure) { _ = try timedCommit(batch) }

  /// The same. Returns how long the disk took: SQLite's COMMIT, which writes the log and syncs it,
  /// and now and then a checkpoint, all else in the transaction left out.
  package func timedCommit(_ batch: CommitBatch) throws(StorageFailure) -> Duration {
    try write("committing") { db, tails in
      guard tails.incoming == nil else {
        throw StorageFailure.other("a snapshot is being installed; nothing else is stored")
      }
      try appendJournal(of: batch, to: db)
      for block in batch.executed { try append(block, to: db, &tails) }
      if let snapshot = batch.snapshot { try save(snapshot, to: db, &tails) }
      for evidence in batch.evidence { try append(evidence, to: db, &tails) }
    }
  }

  private func appendJournal(of batch: CommitBatch, to db: Database) throws {
    for record in batch.journal {
      try db.run(
        "INSERT INTO journal (epoch, view, kind, digest, record) VALUES (?, ?, ?, ?, ?)",
        [
          record.epoch.column, record.view.column, Int64(record.kind), record.digest.column,
          Data(record.bytes),
        ])
    }
    if let floor = batch.journalFloor {
      try db.run("DELETE FROM journal WHERE view < ?", [floor.column])
    }
    if let epoch = batch.journalEpoch {
      try db.run("DELETE FROM journal WHERE epoch < ?", [epoch.column])
    }
  }

  private func append(_ block: ExecutedBlock, to db: Database, _ tails: inout Tails) throws {
    guard block.height == tails.height + 1 else {
      throw StorageFailure.other(
        "block \(block.height) was to be stored behind block \(tails.height)")
    }
    tails.height = block.height
    tails.totals.entries += Int64(block.receipts.count)
    tails.totals.readings += Int64(block.readings)
    try appendTrades(of: block, to: db, &tails)
    try appendHistory(of: block, to: db, &tails)
    try appendIntervals(of: block, to: db, &tails)
    if !block.body.isEmpty {
      try db.run(
        "INSERT INTO bodies (height, body) VALUES (?, ?)",
        [block.height.column, Data(block.body)])
    }
    if !block.receipts.isEmpty {
      var writer = CanonicalWriter(capacity: Receipt.encodedSize * block.receipts.count)
      for receipt in block.receipts { receipt.encode(into: &writer) }
      try db.run(
        "INSERT INTO receipts (height, receipts) VALUES (?, ?)",
        [block.height.column, Data(writer.bytes)])
    }
    try appendSettlement(of: block, to: db)
    try appendHeader(of: block, to: db, tails)
  }

  private func appendSettlement(of block: ExecutedBlock, to db: Database) throws {
    for packet in block.packets {
      try Self.insert(StoredPacket(height: block.height, packet: packet), to: db)
    }
    for round in block.rounds {
      try db.run(
        "INSERT INTO rounds (round, height, record) VALUES (?, ?, ?)",
        [round.round.index, block.height.column, Data(round.encoded)])
    }
  }

  static func insert(_ sent: StoredPacket, to db: Database) throws {
    try db.run(
      "INSERT INTO packets (height, destination, sequence, packet) VALUES (?, ?, ?, ?)",
      [
        sent.height.column, sent.packet.destination.column, sent.packet.sequence.column,
        Data(sent.packet.encoded),
      ])
  }

  private func appendHeader(of block: ExecutedBlock, to db: Database, _ tails: Tails) throws {
    try db.run(
      """
      INSERT INTO blocks (height, hash, time, state_root, receipts_root, entries, body_size,
        total_entries, total_readings, last_trade, last_line, last_correction, outbox_root, header,
        finalization)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      """,
      [
        block.height.column, block.hash.column, block.time.microseconds, block.roots.state.column,
        block.roots.receipts.column, block.receipts.count, block.body.count,
        tails.totals.entries, tails.totals.readings, tails.trade, tails.line, tails.correction,
        block.roots.outbox.column, Data(block.header), Data(block.finalization),
      ])
  }

  private func appendTrades(of block: ExecutedBlock, to db: Database, _ tails: inout Tails) throws {
    var writer = CanonicalWriter(capacity: TradeRecord.size * block.trades.count)
    for trade in block.trades { TradeRecord.encode(trade, into: &writer) }
    try Schema.trades.append(
      writer.bytes, after: tails.trade, height: block.height, time: block.time, to: db)
    tails.totals.trades += Int64(block.trades.count)
  }

  private func appendHistory(of block: ExecutedBlock, to db: Database, _ tails: inout Tails) throws
  {
    var writer = CanonicalWriter(capacity: LinkedLine.size * block.history.count)
    let last = tails.line
    for line in block.history {
      guard line.account.int < Limits.accounts else {
        throw StorageFailure.other("a line of history for account \(line.account.raw)")
      }
      tails.totals.historyLines += 1
      let previous = tails.accounts.advance(line.account.int, to: tails.line)
      LinkedLine(line: line, previous: previous).encode(into: &writer)
    }
    try Schema.history.append(
      writer.bytes, after: last, height: block.height, time: block.time, to: db)
  }

  /// A figure of an interval whose close begins in this block goes into the interval's sheet; any
  /// later one is appended to the corrections: what a close has stated is never rewritten.
  private func appendIntervals(of block: ExecutedBlock, to db: Database, _ tails: inout Tails)
    throws
  {
    guard !block.intervals.isEmpty || !block.closed.isEmpty || !block.figures.isEmpty else {
      return
    }
    var sheets = block.closed.map { FigureSheet(interval: $0) }
    let places = Dictionary(
      block.closed.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    var writer = CanonicalWriter()
    let last = tails.correction
    for figure in block.figures {
      guard figure.meter < Limits.meters else {
        throw StorageFailure.other("a figure for meter \(figure.meter)")
      }
      if let sheet = places[figure.interval], sheets[sheet].place(figure) {
        continue
      }
      tails.correction += 1
      let previous = tails.meters.advance(Int(figure.meter), to: tails.correction)
      Correction(figure: figure, previous: previous).encode(into: &writer)
    }
    for sheet in sheets { try sheet.save(to: db) }
    for interval in block.closed {
      try db.run(
        "INSERT INTO closes (interval, height) VALUES (?, ?)",
        [interval.index, block.height.column])
    }
    try Schema.corrections.append(
      writer.bytes, after: last, height: block.height, time: block.time, to: db)
    let columns = IntervalRecord.columns.joined(separator: ", ")
    let marks = repeatElement("?", count: IntervalRecord.columns.count).joined(separator: ", ")
    for record in block.intervals {
      try db.run("INSERT INTO intervals (\(columns)) VALUES (\(marks))", record.arguments)
    }
  }
}
