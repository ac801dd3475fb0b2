import Consensus
import Domain
import Foundation
import Ledger
import Market
import Storage
import Wire

// Values of the node as messages. Protobuf types go no deeper into the node than this folder.

extension Intertie_V1_SubmitResult {
  init(_ result: EntryResult) {
    self.init(result.receipt, at: result.position, time: result.time)
  }
}

extension Intertie_V1_IntervalFigure {
  init(_ figure: MeteredInterval) {
    self.init()
    interval = figure.interval.index
    exportedMwh = figure.exported.raw
    importedMwh = figure.imported.raw
    quality = Intertie_V1_Quality(figure.quality)
    version = UInt32(figure.version)
  }
}

extension Intertie_V1_BookResponse {
  init(_ event: BookEvent, levels: Int) {
    self.init()
    height = event.height
    timeUs = event.time.microseconds
    bids = event.depth.bids.prefix(levels).map { Intertie_V1_BookLevel($0) }
    asks = event.depth.asks.prefix(levels).map { Intertie_V1_BookLevel($0) }
    if let price = event.depth.bestExecutableBid { bestExecutableBid = price.raw }
    if let price = event.depth.bestExecutableAsk { bestExecutableAsk = price.raw }
    if let price = event.depth.lastTradePrice { lastPrice = price.raw }
  }
}

extension Intertie_V1_BookLevel {
  init(_ level: DepthLevel) {
    self.init()
    price = level.price.raw
    totalWh = level.wattHours
    executableWh = level.executable
    orders = UInt32(clamping: level.orders)
  }
}

extension Intertie_V1_OpenOrder {
  init(_ open: OpenOrder) {
    self.init()
    order = open.id.raw
    side = Intertie_V1_Side(open.side)
    limitPrice = open.limit.raw
    remainingWh = open.remaining
    executableWh = open.executable
    frozenWh = open.frozen
    set(open.timeInForce)
  }
}

extension Intertie_V1_Trade {
  /// Never shown: trades are read and sent only up to the published height.
  private static let unknown = AccountID(.zero)

  init(_ event: TradeEvent, in view: ReadView) {
    let trade = event.trade.trade
    self.init(
      event.trade, number: event.number, height: event.height, time: event.time,
      buyer: view.id(of: trade.buyer) ?? Self.unknown,
      seller: view.id(of: trade.seller) ?? Self.unknown)
  }
}

extension Intertie_V1_IntervalTotals {
  init(_ record: IntervalRecord) {
    self.init()
    interval = record.interval.index
    height = record.height
    set(record.balance)
    if let price = record.clearingPrice { clearingPrice = price.raw }
    referencePrice = record.referencePrice.raw
    retailPrice = record.retail.raw
    feedInPrice = record.feedIn.raw
    tradedSurplus = Int64(clamping: record.tradedSurplus / 1000)
    optimalSurplus = Int64(clamping: record.optimalSurplus / 1000)
    trades = UInt64(record.trades)
    tradedWh = record.tradedWattHours
    tradedMoney = record.tradedValue.raw
    estimated = UInt32(clamping: record.estimated)
    late = UInt32(clamping: record.late)
    commissions = record.commission.raw
    rewards = record.reward.raw
    utilityAvailable = record.isUtilityAvailable
    if let price = record.couplingPrice { couplingPrice = price.raw }
    couplingBoughtWh = record.couplingBought
    couplingSoldWh = record.couplingSold
    couplingMoney = record.couplingMoney.raw
  }
}

extension Intertie_V1_AccountResponse {
  init(_ account: Account, index: AccountIndex, height: UInt64) {
    self.init()
    self.height = height
    self.account = account.id.data
    self.index = index.raw
    wattMwh = account.watt.raw
    moneyFree = account.money.raw
    moneyHeld = account.heldMoney.raw
    tsl = account.tsl.raw
    ect = account.ect.raw
    arrears = account.arrears.raw
    isMember = account.isMember
    nextSequence = account.window.highest + 1
  }
}

extension Intertie_V1_ProofResponse {
  init(_ proof: AttestedProof, validators keys: [PublicKey]) {
    self.init()
    leaf = Data(proof.state.leaf)
    set(proof.state.path)
    accountsRoot = Data(proof.state.accountsRoot.array)
    checkpoint = Data(proof.state.checkpoint.array)
    height = proof.height
    header = Data(proof.header.encoded)
    finalization = Data(proof.finality.certificate.encoded)
    descendants = proof.finality.headers.map { Data($0.encoded) }
    validators = keys.map(\.data)
  }
}

extension Intertie_V1_BlockData {
  init(_ block: StoredBlock, body bytes: [UInt8]) throws(NodeFailure) {
    self.init()
    header = Data(block.header)
    body = Data(bytes)
    guard !block.finalization.isEmpty else { return }
    do {
      let proof = try FinalityProof(decoding: block.finalization)
      finalization = Data(proof.certificate.encoded)
      voidHeaders = proof.blocks.map { Data($0.header.encoded) }
    } catch {
      throw .storage("the finality of block \(block.height) cannot be read")
    }
  }
}

extension Intertie_V1_HistoryEntry {
  init(_ stored: StoredHistoryLine, rejection: Rejection?, in view: ReadView) {
    self.init(
      stored.line, height: stored.height, time: stored.time,
      counterparty: stored.line.counterparty.flatMap { view.id(of: $0) }, rejection: rejection)
  }
}
