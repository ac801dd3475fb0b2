import Domain
import Storage
import Testing

/// What a store should hold, from plain lists; slow and plain on purpose.
struct StoreModel {
  var blocks: [ExecutedBlock]
  /// Bodies, trades and history below this height are pruned.
  var prunedBelow: UInt64 = 0
  var receiptsPrunedBelow: UInt64 = 0

  private func isKept(_ height: UInt64) -> Bool { height >= prunedBelow }

  var lines: [StoredHistoryLine] {
    var heads: [AccountIndex: Int64] = [:]
    var lines: [StoredHistoryLine] = []
    for block in blocks {
      for line in block.history {
        let id = Int64(lines.count + 1)
        lines.append(
          StoredHistoryLine(
            id: id, previous: heads[line.account] ?? 0, height: block.height, time: block.time,
            line: line))
        heads[line.account] = id
      }
    }
    return lines
  }

  var trades: [StoredTrade] {
    blocks.flatMap { block in block.trades.map { (block, $0) } }.enumerated().map {
      StoredTrade(
        id: Int64($0.offset + 1), height: $0.element.0.height, time: $0.element.0.time,
        priced: $0.element.1)
    }
  }

  /// The newest figure of each meter and interval.
  var figures: [UInt32: [Interval: MeteredInterval]] {
    var newest: [UInt32: [Interval: MeteredInterval]] = [:]
    for figure in blocks.flatMap(\.figures) {
      newest[figure.meter, default: [:]][figure.interval] = figure
    }
    return newest
  }

  /// Compares everything that the store says with the lists.
  func check(_ store: Store, _ comment: Comment) throws {
    try checkBlocks(store, comment)
    try checkLogs(store, comment)
    try checkIntervals(store, comment)
    let tip = try store.verifyChain()
    #expect(tip?.hash == blocks.last?.hash, comment)
    try store.checkInvariants()
  }

  private func checkBlocks(_ store: Store, _ comment: Comment) throws {
    #expect(store.latestHeight == UInt64(blocks.count), comment)
    let stored = try store.blocks(from: 0, through: .max, limit: .max)
    let headers = try store.headers(from: 1, limit: .max)
    try #require(stored.count == blocks.count && headers.count == blocks.count, comment)
    for (block, found) in zip(blocks, stored) {
      #expect(found.head == headers[Int(block.height) - 1], comment)
      #expect(found.height == block.height && found.hash == block.hash, comment)
      #expect(found.header == block.header, comment)
      #expect(found.finalization == block.finalization && found.head.time == block.time, comment)
      #expect(found.head.roots == block.roots, comment)
      #expect(found.head.entries == block.receipts.count, comment)
      let isKept = isKept(block.height)
      #expect(found.body == (isKept || block.body.isEmpty ? block.body : nil), comment)
      let hasReceipts = block.height >= receiptsPrunedBelow || block.receipts.isEmpty
      #expect(try store.receipts(at: block.height) == (hasReceipts ? block.receipts : nil), comment)
      for (place, receipt) in block.receipts.enumerated() {
        let position = ReceiptPosition(height: block.height, index: UInt32(place))
        #expect(try store.receipt(at: position) == (hasReceipts ? receipt : nil), comment)
      }
      let beyond = ReceiptPosition(height: block.height, index: UInt32(block.receipts.count))
      #expect(try store.receipt(at: beyond) == nil, comment)
    }
  }

  private func checkLogs(_ store: Store, _ comment: Comment) throws {
    let trades = trades.filter { isKept($0.height) }
    #expect(try store.trades(after: 0, limit: .max) == trades, comment)
    for start in stride(from: 0, to: trades.count, by: 7) {
      let page = try store.trades(after: trades[start].id, limit: 5)
      #expect(page == Array(trades[(start + 1)...].prefix(5)), comment)
    }
    let lines = lines
    let accounts = Set(lines.map(\.line.account)).sorted()
    let heads = store.historyHeads()
    for account in accounts {
      let own = lines.filter { $0.line.account == account }
      #expect(heads.dropFirst(account.int).first == own.last?.id, comment)
      var found: [StoredHistoryLine] = []
      while true {
        let page = try store.history(account: account, before: found.last?.id, limit: 3)
        #expect(page.count <= 3, comment)
        if page.isEmpty { break }
        found += page
      }
      #expect(found == own.reversed().filter { isKept($0.height) }, comment)
    }
    #expect(heads.filter { $0 != 0 }.count == accounts.count, comment)
  }

  private func checkIntervals(_ store: Store, _ comment: Comment) throws {
    let records = blocks.flatMap(\.intervals).sorted { $0.interval < $1.interval }
    let all = try store.intervals(from: Interval(.min), through: Interval(.max), limit: .max)
    #expect(all == records, comment)
    #expect(try store.latestInterval() == records.last, comment)
    let figures = figures
    for meter in [0, 1, 2, 9, 207, 208, 449, 450, 1_000_000] as [UInt32] {
      let own = (figures[meter] ?? [:]).values.sorted { $0.interval < $1.interval }
      #expect(
        try store.figures(meter: meter, from: Interval(2_000_000), limit: .max) == own, comment)
      for record in records {
        let part = own.filter { (0..<3).contains($0.interval.index - record.interval.index) }
        #expect(try store.figures(meter: meter, from: record.interval, limit: 3) == part, comment)
      }
    }
  }
}
