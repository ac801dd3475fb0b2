import Domain
import GRPCCore
import Wire

/// Orders, the book, trades and interval totals.
struct MarketService: Intertie_V1_Market.SimpleServiceProtocol {
  private let grid: Microgrid

  init(_ grid: Microgrid) { self.grid = grid }

  func place(request: Intertie_V1_SignedCommand, context: ServerContext) async throws
    -> Intertie_V1_SubmitResult
  {
    try await submit(request, named: "place") { if case .place = $0 { true } else { false } }
  }

  func cancel(request: Intertie_V1_SignedCommand, context: ServerContext) async throws
    -> Intertie_V1_SubmitResult
  {
    try await submit(request, named: "cancel") { if case .cancel = $0 { true } else { false } }
  }

  func replace(request: Intertie_V1_SignedCommand, context: ServerContext) async throws
    -> Intertie_V1_SubmitResult
  {
    try await submit(request, named: "replace") { if case .replace = $0 { true } else { false } }
  }

  /// Submits one command, which must be of the kind that the method is named for. One that does
  /// not parse goes on, to be refused as malformed.
  private func submit(
    _ request: Intertie_V1_SignedCommand, named name: String,
    accepts: (CommandBody) -> Bool
  ) async throws -> Intertie_V1_SubmitResult {
    try await serving {
      let signed = try? SignedBytes(request)
      let command = signed.flatMap { try? WireCommand.parse($0.payload) }
      if let command, !accepts(command.body) {
        throw NodeFailure.invalid("\(name) takes a \(name) command only; use Ledger.Submit")
      }
      let results = try await grid.submit(commands: [signed])
      return Intertie_V1_SubmitResult(results[0])
    }
  }

  func book(request: Intertie_V1_BookRequest, context: ServerContext) async throws
    -> Intertie_V1_BookResponse
  {
    let tip = grid.view.tip
    return response(
      BookEvent(height: tip.height, time: tip.time, depth: grid.view.depth),
      levels: request.levels)
  }

  func watchBook(
    request: Intertie_V1_BookRequest, response writer: RPCWriter<Intertie_V1_BookResponse>,
    context: ServerContext
  ) async throws {
    try await serving {
      for try await event in try grid.events.books.watch() {
        try await writer.write(response(event, levels: request.levels))
      }
    }
  }

  private func response(_ event: BookEvent, levels: UInt32) -> Intertie_V1_BookResponse {
    let wanted = levels == 0 ? Limits.bookLevels : min(Int(levels), Limits.bookLevels)
    var response = Intertie_V1_BookResponse(event, levels: wanted)
    if let last = grid.view.lastInterval { response.referencePrice = last.referencePrice.raw }
    response.makerFeePermille = grid.genesis.parameters.makerFeePermille
    response.takerFeePermille = grid.genesis.parameters.takerFeePermille
    return response
  }

  func orders(request: Intertie_V1_OrdersRequest, context: ServerContext) async throws
    -> Intertie_V1_OrdersResponse
  {
    try await serving {
      let (_, index, height) = try grid.account(request.account)
      var response = Intertie_V1_OrdersResponse()
      response.height = height
      let book = grid.book
      response.orders = try await grid.host.settled { await book.openOrders(of: index) }
        .map { Intertie_V1_OpenOrder($0) }
      return response
    }
  }

  func trades(request: Intertie_V1_TradesRequest, context: ServerContext) async throws
    -> Intertie_V1_TradesResponse
  {
    try await serving {
      let first = max(1, Int64(clamping: request.from))
      let limit = Page.size(request.limit)
      let tip = grid.view.tip.height
      let trades = try await grid.host.read { try $0.trades(after: first - 1, limit: limit) }
        .filter { $0.height <= tip }
      var response = Intertie_V1_TradesResponse()
      response.trades = trades.map { stored in
        Intertie_V1_Trade(
          TradeEvent(
            number: UInt64(stored.id), height: stored.height, time: stored.time,
            trade: stored.priced), in: grid.view)
      }
      response.next = trades.count == limit ? UInt64(trades[limit - 1].id + 1) : 0
      return response
    }
  }

  func watchTrades(
    request: Intertie_V1_WatchTradesRequest, response: RPCWriter<Intertie_V1_Trade>,
    context: ServerContext
  ) async throws {
    try await serving {
      for try await event in try grid.events.trades.watch() {
        try await response.write(Intertie_V1_Trade(event, in: grid.view))
      }
    }
  }

  func intervals(request: Intertie_V1_IntervalsRequest, context: ServerContext) async throws
    -> Intertie_V1_IntervalsResponse
  {
    try await serving {
      let limit = Page.size(request.limit)
      let range = try Page.range(from: request.fromInterval, to: request.toInterval)
      let records = try await grid.host.read {
        try $0.intervals(
          from: Interval(range.lowerBound), through: Interval(range.upperBound), limit: limit)
      }
      var response = Intertie_V1_IntervalsResponse()
      response.intervals = records.map { Intertie_V1_IntervalTotals($0) }
      if records.count == limit, let last = records.last, last.interval.index < range.upperBound {
        response.nextInterval = last.interval.index + 1
      }
      return response
    }
  }

  func watchIntervals(
    request: Intertie_V1_WatchIntervalsRequest, response: RPCWriter<Intertie_V1_IntervalTotals>,
    context: ServerContext
  ) async throws {
    try await serving {
      for try await record in try grid.events.intervals.watch() {
        try await response.write(Intertie_V1_IntervalTotals(record))
      }
    }
  }
}

/// Sizes of pages: what a client asks for, within the limit; 0 asks for the largest.
enum Page {
  static func size(_ requested: UInt32) -> Int {
    requested == 0 ? Limits.historyPage : min(Int(requested), Limits.historyPage)
  }

  /// Intervals of a request; an end of 0 is the newest. Throws `invalid` when inverted or negative.
  static func range(from: Int64, to: Int64) throws(NodeFailure) -> ClosedRange<Int64> {
    let end = to == 0 ? Int64.max - 1 : to
    guard from >= 0, from <= end, end < .max else {
      throw .invalid("from_interval and to_interval must be 0 or more and in order")
    }
    return from...end
  }
}
