import Domain

/// What the steps (1) to (4) of an interval's close came to, as far as (6) and the interval's
/// record need it: (6) follows at once, or waits for the result of the coupling round in which the
/// grid has bid. At most one interval waits.
package struct OpenInterval: Hashable, Sendable {
  package var interval: Interval
  /// Sums of all meters.
  package var generation: Energy = .zero
  package var consumption: Energy = .zero
  /// Change in WATT held over (1) to (4).
  package var stored: Energy = .zero
  /// Clean energy that each account stored and that has not left again, ascending; above zero.
  package var clean: [AccountEnergy] = []
  /// Corrections of clean energy, 0 and less.
  package var cleanCorrections: Energy = .zero
  package var retail: Price
  package var feedIn: Price
  package var isUtilityAvailable: Bool
  package var commission: StorageTokens = .zero
  /// What the call auction left, ascending by account; amounts above zero.
  package var unfilled: [AccountEnergy] = []
  package var unsold: [AccountEnergy] = []
  package var referencePrice: Price
  package var clearingPrice: Price?
  package var tradedSurplus: Int128 = 0
  package var optimalSurplus: Int128 = 0
  /// Of the whole interval.
  package var trades = TradeTotals()
  package var estimated: Int = 0
  package var late: Int = 0

  /// `trades` are those of the close; `continuous` all before it in the interval.
  init(
    _ metered: MeterClose, _ assessment: CloseAssessment, _ auction: AuctionOutcome,
    trades: [PricedTrade], continuous: TradeTotals
  ) {
    interval = metered.interval
    retail = assessment.retail
    feedIn = assessment.feedIn
    isUtilityAvailable = assessment.isUtilityAvailable
    referencePrice = auction.referencePrice
    clearingPrice = auction.clearingPrice
    tradedSurplus = auction.tradedSurplus
    optimalSurplus = auction.optimalSurplus
    unfilled = auction.unfilledShortfalls
    unsold = auction.unsoldOverflows
    commission = assessment.commissions.reduce(.zero) { $0 + $1.amount }
    estimated = metered.estimated
    late = metered.late
    self.trades = continuous
    self.trades.add(trades)
    for account in metered.accounts {
      generation += account.generation
      consumption += account.consumption
    }
    countClean(metered, trades)
  }

  /// What clean meters minted and the same account did not burn in the interval, less what of it
  /// covered a neighbour's shortfall.
  private mutating func countClean(_ metered: MeterClose, _ trades: [PricedTrade]) {
    var left: [AccountIndex: Energy] = [:]
    for priced in trades where priced.trade.coversShortfall {
      left[priced.trade.seller, default: .zero] += Energy(wattHours: priced.trade.wattHours)
    }
    for account in metered.accounts {
      guard account.clean > .zero else {
        cleanCorrections += account.clean
        continue
      }
      let kept = min(account.clean, max(.zero, account.minted - account.burned))
      let stays = kept - (left[account.account] ?? .zero)
      if stays > .zero { clean.append(AccountEnergy(account.account, stays)) }
    }
  }

  /// Clean energy that stayed in storage: what is counted so far, less what left again by (6), to
  /// another grid or to the utility. Corrections may make it negative.
  func cleanStored(without leaving: [AccountEnergy]) -> Energy {
    var left: [AccountIndex: Energy] = [:]
    for line in leaving { left[line.account, default: .zero] += line.energy }
    return clean.reduce(cleanCorrections) { sum, line in
      sum + max(.zero, line.energy - (left[line.account] ?? .zero))
    }
  }

  /// For (6): the prices and the overflows that it is about.
  var assessment: CloseAssessment {
    var assessment = CloseAssessment(
      interval: interval, retail: retail, feedIn: feedIn, isUtilityAvailable: isUtilityAvailable)
    assessment.overflows = unsold
    return assessment
  }
}

// MARK: Canonical bytes

extension OpenInterval {
  private static let chunkName = "pipeline/open"

  /// The fields in their order; lists behind their counts, an absent price as a zero behind a
  /// flag, 128-bit numbers in two halves.
  var chunk: StateChunk {
    var writer = CanonicalWriter(capacity: 256)
    writer.write(interval)
    for energy in [generation, consumption, stored, cleanCorrections] { writer.write(energy) }
    writer.write(retail)
    writer.write(feedIn)
    writer.write(isUtilityAvailable)
    writer.write(commission)
    for list in [clean, unfilled, unsold] {
      writer.write(UInt32(list.count))
      for line in list {
        writer.write(line.account)
        writer.write(line.energy)
      }
    }
    writer.write(referencePrice)
    writer.write(clearingPrice != nil)
    writer.write(clearingPrice ?? .zero)
    writer.write(tradedSurplus)
    writer.write(optimalSurplus)
    trades.encode(into: &writer)
    writer.write(Int64(estimated))
    writer.write(Int64(late))
    return StateChunk(name: Self.chunkName, bytes: writer.bytes)
  }

  /// Throws `malformed` for anything that `chunk` does not give.
  init(_ chunk: StateChunk) throws(Rejection) {
    guard chunk.name == Self.chunkName else { throw .malformed }
    var reader = CanonicalReader(chunk.bytes)
    interval = try reader.readInterval()
    generation = try reader.read()
    consumption = try reader.read()
    stored = try reader.read()
    cleanCorrections = try reader.read()
    retail = try reader.read()
    feedIn = try reader.read()
    isUtilityAvailable = try reader.readBool()
    commission = try reader.read()
    clean = try Self.readList(from: &reader)
    unfilled = try Self.readList(from: &reader)
    unsold = try Self.readList(from: &reader)
    referencePrice = try reader.read()
    let hasCleared = try reader.readBool()
    let price: Price = try reader.read()
    clearingPrice = hasCleared ? price : nil
    tradedSurplus = try reader.read(Int128.self)
    optimalSurplus = try reader.read(Int128.self)
    trades = try TradeTotals(from: &reader)
    estimated = Int(try reader.read(Int64.self))
    late = Int(try reader.read(Int64.self))
    try reader.finish()
    let prices = 0...Limits.price
    guard cleanCorrections <= .zero, prices.contains(retail.raw), prices.contains(feedIn.raw),
      hasCleared || price == .zero, estimated >= 0, late >= 0, self.chunk == chunk
    else { throw .malformed }
  }

  private static func readList(
    from reader: inout CanonicalReader
  ) throws(Rejection) -> [AccountEnergy] {
    var lines: [AccountEnergy] = []
    for _ in 0..<(try reader.readCount(elementSize: 12)) {
      let line = AccountEnergy(try reader.readAccount(), try reader.read())
      guard lines.last.map({ $0.account < line.account }) ?? true,
        (1...Limits.amount).contains(line.energy.raw)
      else { throw .malformed }
      lines.append(line)
    }
    return lines
  }
}
