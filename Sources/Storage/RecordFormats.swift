import Domain

// The fixed-size records of the logs, all integers big-endian. An absent 32-bit number is
// 0xFFFFFFFF, which no account and no place in a block reaches.

private let absent = UInt32.max

/// A line of history and the number of the same account's line before it, 61 bytes: account 4,
/// kind 1, watt 8, money 8, tsl 8, ect 8, counterparty 4, reference 8, entry 4, previous 8.
struct LinkedLine: Hashable, Sendable {
  static let size = 61

  var line: HistoryLine
  var previous: Int64

  init(line: HistoryLine, previous: Int64) {
    self.line = line
    self.previous = previous
  }

  func encode(into writer: inout CanonicalWriter) {
    writer.write(line.account)
    writer.write(line.kind.rawValue)
    writer.write(line.watt)
    writer.write(line.money)
    writer.write(line.tsl)
    writer.write(line.ect)
    writer.write(line.counterparty?.raw ?? absent)
    writer.write(line.reference)
    writer.write(line.entry ?? absent)
    writer.write(previous)
  }

  init(_ bytes: [UInt8]) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    let account = try reader.readAccount()
    guard let kind = HistoryKind(rawValue: try reader.read(UInt8.self)) else { throw .malformed }
    line = HistoryLine(account, kind, reference: 0)
    line.watt = try reader.read()
    line.money = try reader.read()
    line.tsl = try reader.read()
    line.ect = try reader.read()
    let counterparty = try reader.read(UInt32.self)
    line.counterparty = counterparty == absent ? nil : AccountIndex(counterparty)
    line.reference = try reader.read(UInt64.self)
    let entry = try reader.read(UInt32.self)
    line.entry = entry == absent ? nil : entry
    previous = try reader.read(Int64.self)
    try reader.finish()
  }
}

/// A trade, 75 bytes: buyer 4, seller 4, buy order 8, sell order 8, watt-hours 8, price 8,
/// mechanism 1, taker 1 (0 for none), covers shortfall 1, released 8, buyer pays 8, seller
/// gets 8, network gets 8.
struct TradeRecord {
  static let size = 75

  static func encode(_ priced: PricedTrade, into writer: inout CanonicalWriter) {
    let trade = priced.trade
    writer.write(trade.buyer)
    writer.write(trade.seller)
    writer.write(trade.buyOrder.raw)
    writer.write(trade.sellOrder.raw)
    writer.write(trade.wattHours)
    writer.write(trade.price)
    writer.write(trade.mechanism.rawValue)
    writer.write(trade.taker?.rawValue ?? 0)
    writer.write(trade.coversShortfall)
    writer.write(trade.released)
    writer.write(priced.buyerPays)
    writer.write(priced.sellerGets)
    writer.write(priced.networkGets)
  }

  static func decode(_ bytes: [UInt8]) throws(Rejection) -> PricedTrade {
    var reader = CanonicalReader(bytes)
    let buyer = try reader.readAccount()
    let seller = try reader.readAccount()
    let buyOrder = OrderID(try reader.read(UInt64.self))
    let sellOrder = OrderID(try reader.read(UInt64.self))
    let wattHours = try reader.read(Int64.self)
    let price: Price = try reader.read()
    let mechanism = Mechanism(rawValue: try reader.read(UInt8.self))
    let taker = try reader.read(UInt8.self)
    let side = Side(rawValue: taker)
    guard let mechanism, taker == 0 || side != nil else { throw .malformed }
    let coversShortfall = try reader.readBool()
    let trade = Trade(
      buyer: buyer, seller: seller, buyOrder: buyOrder, sellOrder: sellOrder,
      wattHours: wattHours, price: price, mechanism: mechanism, taker: side,
      released: try reader.read(), coversShortfall: coversShortfall)
    let priced = PricedTrade(
      trade: trade, buyerPays: try reader.read(), sellerGets: try reader.read(),
      networkGets: try reader.read())
    try reader.finish()
    return priced
  }
}

/// A figure that replaces an earlier one of an interval already closed, and the number of the
/// same meter's correction before it, 39 bytes: meter 4, interval 8, exported 8, imported 8,
/// quality 1, version 2, previous 8.
struct Correction: Hashable, Sendable {
  static let size = 39

  var figure: MeteredInterval
  var previous: Int64

  init(figure: MeteredInterval, previous: Int64) {
    self.figure = figure
    self.previous = previous
  }

  func encode(into writer: inout CanonicalWriter) {
    writer.write(figure.meter)
    writer.write(figure.interval)
    writer.write(figure.exported)
    writer.write(figure.imported)
    writer.write(figure.quality.rawValue)
    writer.write(figure.version)
    writer.write(previous)
  }

  init(_ bytes: [UInt8]) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    let meter = try reader.read(UInt32.self)
    let interval = try reader.readInterval()
    let exported: Energy = try reader.read()
    let imported: Energy = try reader.read()
    let quality = ReadingQuality(rawValue: try reader.read(UInt8.self))
    guard let quality else { throw .malformed }
    figure = MeteredInterval(
      meter: meter, interval: interval, exported: exported, imported: imported, quality: quality,
      version: try reader.read(UInt16.self))
    previous = try reader.read(Int64.self)
    try reader.finish()
  }
}
