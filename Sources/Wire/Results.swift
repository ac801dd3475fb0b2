import Domain
import SwiftProtobuf

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

// What became of readings and commands, and what they moved.

/// The result of one reading in a batch.
package struct ReadingResult: Hashable, Sendable {
  /// Height of the block that holds it; 0: refused before any block.
  package var height: UInt64
  /// Nil when applied.
  package var reason: Rejection?

  package init(height: UInt64, reason: Rejection?) {
    self.height = height
    self.reason = reason
  }
}

extension Intertie_V1_BatchAck {
  /// The results of a batch in its order; equal neighbours are joined.
  package init(id: UInt64, results: some Sequence<ReadingResult>) {
    self.init()
    self.id = id
    var last: ReadingResult?
    for result in results {
      if result == last {
        runs[runs.count - 1].count += 1
      } else {
        last = result
        runs.append(
          .with {
            $0.count = 1
            $0.height = result.height
            $0.reason = Intertie_V1_Rejection(result.reason)
          })
      }
    }
  }

  /// None of the batch was taken; it may come again after so many milliseconds.
  package static func busy(id: UInt64, retryMilliseconds: Int64) -> Intertie_V1_BatchAck {
    .with {
      $0.id = id
      $0.status = busyStatus
      $0.retryAfterMs = UInt32(clamping: retryMilliseconds)
    }
  }

  /// RESOURCE_EXHAUSTED, as gRPC numbers it.
  private static let busyStatus: UInt32 = 8

  /// Whether the node took none of the batch, because it is busy.
  package var isBusy: Bool { status == Self.busyStatus }

  /// One result for each reading; nil if they are more than a batch may have.
  package var results: [ReadingResult]? {
    guard runs.reduce(0, { $0 + UInt64($1.count) }) <= UInt64(Limits.readingsPerMessage) else {
      return nil
    }
    return runs.flatMap { run in
      repeatElement(
        ReadingResult(height: run.height, reason: run.reason.domain), count: Int(run.count))
    }
  }
}

extension Intertie_V1_SubmitResult {
  /// A receipt, with its place and time if it reached a block.
  package init(_ receipt: Receipt, at position: ReceiptPosition?, time: Timestamp?) {
    self.init()
    rejection = Intertie_V1_Rejection(receipt.rejection)
    order = receipt.order?.raw ?? 0
    filledWh = receipt.filled
    restingWh = receipt.resting
    packet = receipt.packet ?? 0
    height = position?.height ?? 0
    index = position?.index ?? 0
    timeUs = time?.microseconds ?? 0
  }

  package var receipt: Receipt {
    Receipt(
      rejection: rejection.domain, order: order == 0 ? nil : OrderID(order), filled: filledWh,
      resting: restingWh, packet: packet == 0 ? nil : packet)
  }

  /// Nil if it was refused before any block.
  package var position: ReceiptPosition? {
    height == 0 ? nil : ReceiptPosition(height: height, index: index)
  }
}

extension Intertie_V1_Trade {
  package init(
    _ priced: PricedTrade, number: UInt64, height: UInt64, time: Timestamp, buyer: AccountID,
    seller: AccountID
  ) {
    self.init()
    let trade = priced.trade
    self.number = number
    self.height = height
    timeUs = time.microseconds
    self.buyer = buyer.data
    self.seller = seller.data
    buyOrder = trade.buyOrder.raw
    sellOrder = trade.sellOrder.raw
    wattHours = trade.wattHours
    price = trade.price.raw
    mechanism = Intertie_V1_Mechanism(trade.mechanism)
    taker = trade.taker.map { Intertie_V1_Side($0) } ?? .unspecified
    buyerPays = priced.buyerPays.raw
    sellerGets = priced.sellerGets.raw
    networkGets = priced.networkGets.raw
    coversShortfall = trade.coversShortfall
  }
}

extension Intertie_V1_HistoryEntry {
  /// `counterparty` is the account of that index; `rejection` that of a command's own line.
  package init(
    _ line: HistoryLine, height: UInt64, time: Timestamp, counterparty: AccountID?,
    rejection: Rejection? = nil
  ) {
    self.init()
    self.height = height
    timeUs = time.microseconds
    kind = Intertie_V1_HistoryKind(line.kind)
    wattMwh = line.watt.raw
    money = line.money.raw
    tsl = line.tsl.raw
    ect = line.ect.raw
    self.counterparty = counterparty?.data ?? Data()
    reference = line.reference
    if let entry = line.entry { index = entry }
    self.rejection = Intertie_V1_Rejection(rejection)
  }
}

extension Intertie_V1_IntervalTotals {
  package mutating func set(_ sheet: EnergyBalanceSheet) {
    generationMwh = sheet.generation.raw
    utilityImportMwh = sheet.utilityImport.raw
    tieImportMwh = sheet.tieImport.raw
    unservedMwh = sheet.unserved.raw
    consumptionMwh = sheet.consumption.raw
    utilityExportMwh = sheet.utilityExport.raw
    tieExportMwh = sheet.tieExport.raw
    curtailedMwh = sheet.curtailed.raw
    storedMwh = sheet.stored.raw
  }

  package var sheet: EnergyBalanceSheet {
    var sheet = EnergyBalanceSheet()
    sheet.generation = Energy(generationMwh)
    sheet.utilityImport = Energy(utilityImportMwh)
    sheet.tieImport = Energy(tieImportMwh)
    sheet.unserved = Energy(unservedMwh)
    sheet.consumption = Energy(consumptionMwh)
    sheet.utilityExport = Energy(utilityExportMwh)
    sheet.tieExport = Energy(tieExportMwh)
    sheet.curtailed = Energy(curtailedMwh)
    sheet.stored = Energy(storedMwh)
    return sheet
  }
}

extension Intertie_V1_ProofResponse {
  package mutating func set(_ proof: MerkleProof) {
    leafIndex = proof.index
    leafCount = proof.count
    path = proof.path.map(\.data)
  }

  /// Nil if a hash has not 32 bytes.
  package var merkleProof: MerkleProof? { .init(leafIndex, of: leafCount, path) }
}

extension Intertie_V1_ReceiptProofResponse {
  /// `inBlock` from the receipt up, `ofBlock` from its block.
  package mutating func set(inBlock: MerkleProof, ofBlock: MerkleProof) {
    leafIndex = inBlock.index
    leafCount = inBlock.count
    path = inBlock.path.map(\.data)
    blockIndex = ofBlock.index
    blockCount = ofBlock.count
    blockPath = ofBlock.path.map(\.data)
  }

  /// Nil if a hash has not 32 bytes.
  package var inBlock: MerkleProof? { .init(leafIndex, of: leafCount, path) }
  package var ofBlock: MerkleProof? { .init(blockIndex, of: blockCount, blockPath) }
}

extension MerkleProof {
  fileprivate init?(_ index: UInt64, of count: UInt64, _ path: [Data]) {
    let hashes = path.compactMap { Digest($0) }
    guard hashes.count == path.count else { return nil }
    self.init(index: index, count: count, path: hashes)
  }
}
