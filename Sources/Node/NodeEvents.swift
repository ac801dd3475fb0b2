import Domain
import Market
import Storage

/// A trade with its running number and the time of its block.
package struct TradeEvent: Sendable {
  package var number: UInt64
  package var height: UInt64
  package var time: Timestamp
  package var trade: PricedTrade
}

/// The book as a block left it.
package struct BookEvent: Sendable {
  package var height: UInt64
  package var time: Timestamp
  package var depth: BookDepth
}

/// What watchers can follow.
package struct NodeEvents: Sendable {
  package let trades = Broadcast<TradeEvent>()
  package let books = Broadcast<BookEvent>()
  package let intervals = Broadcast<IntervalRecord>()

  package init() {}

  func publish(
    _ header: BlockHeader, trades new: [PricedTrade], firstNumber: UInt64,
    records: [IntervalRecord], depth: BookDepth?
  ) {
    if trades.hasWatchers {
      for (offset, trade) in new.enumerated() {
        trades.send(
          TradeEvent(
            number: firstNumber + UInt64(offset), height: header.height, time: header.time,
            trade: trade))
      }
    }
    if let depth {
      books.send(BookEvent(height: header.height, time: header.time, depth: depth))
    }
    for record in records { intervals.send(record) }
  }

  func close() {
    trades.close()
    books.close()
    intervals.close()
  }
}
