import Domain
import SwiftProtobuf
import TestSupport
import Testing
import Wire

@Suite struct ConversionTests {
  @Test func rejectionsAreDomainsByNumberAndName() {
    let wire = Intertie_V1_Rejection.allCases.filter { $0 != .none }
    #expect(wire.map(\.rawValue) == Rejection.allCases.map { Int($0.rawValue) })
    #expect(wire.map { "\($0)" } == Rejection.allCases.map { "\($0)" })
    for reason in Rejection.allCases { #expect(Intertie_V1_Rejection(reason).domain == reason) }
    #expect(Intertie_V1_Rejection(nil) == .none)
    #expect(Intertie_V1_Rejection.none.domain == nil)
    #expect(Intertie_V1_Rejection.UNRECOGNIZED(200).domain == .malformed)
    #expect(Intertie_V1_Rejection.UNRECOGNIZED(-1).domain == .malformed)
    #expect(Intertie_V1_Rejection.UNRECOGNIZED(256).domain == .malformed)
  }

  @Test func historyKindsAreDomainsByNumberAndName() {
    let wire = Intertie_V1_HistoryKind.allCases.filter { $0 != .unspecified }
    #expect(wire.map(\.rawValue) == HistoryKind.allCases.map { Int($0.rawValue) })
    #expect(wire.map { "\($0)" } == HistoryKind.allCases.map { "\($0)" })
    for kind in HistoryKind.allCases { #expect(Intertie_V1_HistoryKind(kind).domain == kind) }
    #expect(Intertie_V1_HistoryKind.unspecified.domain == nil)
    #expect(Intertie_V1_HistoryKind.UNRECOGNIZED(300).domain == nil)
  }

  @Test func enumerationsRoundTrip() {
    for value in ReadingQuality.allCases {
      #expect(Intertie_V1_Quality(value).domain == value)
      #expect(Intertie_V1_Quality(value).rawValue == Int(value.rawValue))
    }
    for value in Side.allCases { #expect(Intertie_V1_Side(value).domain == value) }
    for value in Asset.allCases { #expect(Intertie_V1_Asset(value).domain == value) }
    for value in Mechanism.allCases { #expect(Intertie_V1_Mechanism(value).domain == value) }
    #expect(Intertie_V1_Side.unspecified.domain == nil)
    #expect(Intertie_V1_Asset.unspecified.domain == nil)
    #expect(Intertie_V1_Quality.UNRECOGNIZED(9).domain == nil)
    #expect(Intertie_V1_Mechanism.UNRECOGNIZED(9).domain == nil)
  }

  @Test func signedBytes() throws {
    let key = try #require(SigningKey(seed: Array(0..<32)))
    var random = SplitMix64(seed: 29)
    var reading = Sample.reading(&random)
    reading.meter = key.publicKey
    var message = Intertie_V1_SignedReading(reading, key: key)
    let signed = try SignedBytes(message)
    #expect(try WireReading.parse(signed.payload) == reading)
    #expect(key.publicKey.verifies(signed.signature, of: signed.payload, for: .reading))
    #expect(!key.publicKey.verifies(signed.signature, of: signed.payload, for: .command))
    #expect(Intertie_V1_SignedReading(signed) == message)
    message.signature.removeLast()
    #expect(throws: Rejection.malformed) { try SignedBytes(message) }
    message = Intertie_V1_SignedReading(signed)
    message.signature.append(0)
    #expect(throws: Rejection.malformed) { try SignedBytes(message) }
    message = Intertie_V1_SignedReading(signed)
    message.reading = .init(repeating: 0, count: 256)
    #expect(try SignedBytes(message).payload.count == 256)
    message.reading.append(0)
    #expect(throws: Rejection.malformed) { try SignedBytes(message) }
  }

  @Test func signedCommands() throws {
    let key = try #require(SigningKey(seed: Array(1...32)))
    var command = Sample.command(.redeem(amount: Money(5)))
    command.signer = key.publicKey
    var message = Intertie_V1_SignedCommand(command, key: key)
    let signed = try SignedBytes(message)
    #expect(try WireCommand.parse(signed.payload) == command)
    #expect(key.publicKey.verifies(signed.signature, of: signed.payload, for: .command))
    #expect(Intertie_V1_SignedCommand(signed) == message)
    message.command = .init(repeating: 0, count: Limits.commandBytes + 1)
    #expect(throws: Rejection.malformed) { try SignedBytes(message) }
  }

  @Test func acknowledgementsJoinEqualResults() throws {
    let results: [ReadingResult] = [
      ReadingResult(height: 7, reason: nil), ReadingResult(height: 7, reason: nil),
      ReadingResult(height: 0, reason: .badSignature),
      ReadingResult(height: 7, reason: nil), ReadingResult(height: 8, reason: nil),
      ReadingResult(height: 8, reason: .duplicate), ReadingResult(height: 8, reason: .duplicate),
    ]
    let ack = Intertie_V1_BatchAck(id: 3, results: results)
    #expect(ack.id == 3)
    #expect(ack.runs.map(\.count) == [2, 1, 1, 1, 2])
    #expect(ack.runs.map(\.height) == [7, 0, 7, 8, 8])
    #expect(ack.runs.map(\.reason) == [.none, .badSignature, .none, .none, .duplicate])
    #expect(ack.results == results)
    #expect(Intertie_V1_BatchAck(id: 1, results: []).results == [])
    var forged = ack
    forged.runs[0].count = .max
    #expect(forged.results == nil)
  }

  @Test func submitResults() {
    let receipt = Receipt(rejection: nil, order: OrderID(9), filled: 5, resting: 6)
    let position = ReceiptPosition(height: 4, index: 2)
    let result = Intertie_V1_SubmitResult(
      receipt, at: position, time: Timestamp(microseconds: 77))
    #expect(result.receipt == receipt)
    #expect(result.position == position)
    #expect(result.timeUs == 77)
    let sent = Intertie_V1_SubmitResult(Receipt(packet: 8), at: position, time: nil)
    #expect(sent.packet == 8)
    #expect(sent.receipt == Receipt(packet: 8))
    let refused = Intertie_V1_SubmitResult(.rejected(.expired), at: nil, time: nil)
    #expect(refused.receipt == .rejected(.expired))
    #expect(refused.position == nil)
  }

  @Test func trades() {
    let trade = Trade(
      buyer: AccountIndex(3), seller: AccountIndex(4), buyOrder: OrderID(5), sellOrder: OrderID(0),
      wattHours: 6, price: Price(7), mechanism: .auction, taker: nil, released: Money(8),
      coversShortfall: true)
    let priced = PricedTrade(
      trade: trade, buyerPays: Money(10), sellerGets: Money(9), networkGets: Money(1))
    let message = Intertie_V1_Trade(
      priced, number: 11, height: 12, time: Timestamp(microseconds: 13), buyer: Sample.key,
      seller: Sample.other)
    let expected = Intertie_V1_Trade.with {
      $0.number = 11
      $0.height = 12
      $0.timeUs = 13
      $0.buyer = Sample.key.data
      $0.seller = Sample.other.data
      $0.buyOrder = 5
      $0.wattHours = 6
      $0.price = 7
      $0.mechanism = .auction
      $0.buyerPays = 10
      $0.sellerGets = 9
      $0.networkGets = 1
      $0.coversShortfall = true
    }
    #expect(message == expected)
  }

  @Test func history() {
    var line = HistoryLine(AccountIndex(1), .transferIn, reference: 2, entry: 0)
    line.watt = Energy(3)
    line.money = Money(-4)
    line.tsl = StorageTokens(5)
    line.ect = RewardTokens(6)
    let message = Intertie_V1_HistoryEntry(
      line, height: 7, time: Timestamp(microseconds: 8), counterparty: Sample.key)
    let expected = Intertie_V1_HistoryEntry.with {
      $0.height = 7
      $0.timeUs = 8
      $0.kind = .transferIn
      $0.wattMwh = 3
      $0.money = -4
      $0.tsl = 5
      $0.ect = 6
      $0.counterparty = Sample.key.data
      $0.reference = 2
      $0.index = 0
    }
    #expect(message == expected)
    #expect(message.hasIndex)
    line.entry = nil
    let bare = Intertie_V1_HistoryEntry(
      line, height: 7, time: Timestamp(microseconds: 8), counterparty: nil, rejection: .arrears)
    #expect(!bare.hasIndex)
    #expect(bare.counterparty.isEmpty)
    #expect(bare.rejection == .arrears)
  }

  @Test func balanceSheets() {
    var sheet = EnergyBalanceSheet()
    sheet.generation = Energy(1)
    sheet.utilityImport = Energy(2)
    sheet.tieImport = Energy(3)
    sheet.unserved = Energy(4)
    sheet.consumption = Energy(5)
    sheet.utilityExport = Energy(6)
    sheet.tieExport = Energy(7)
    sheet.curtailed = Energy(8)
    sheet.stored = Energy(-16)
    var totals = Intertie_V1_IntervalTotals()
    totals.set(sheet)
    #expect(totals.sheet == sheet)
    #expect(totals.sheet.isBalanced)
  }

  @Test func openOrders() throws {
    for timeInForce in [TimeInForce.goodTillCancelled, .goodTillInterval(Interval(9))] {
      var order = Intertie_V1_OpenOrder()
      order.set(timeInForce)
      #expect(try TimeInForce(order.timeInForce, interval: order.interval) == timeInForce)
    }
  }

  @Test func proofs() {
    var tree = MerkleTree(leaves: (0..<11).map { MerkleTree.leaf([UInt8($0)]) })
    let proof = tree.proof(of: 10)
    var message = Intertie_V1_ProofResponse()
    message.set(proof)
    #expect(message.merkleProof == proof)
    #expect(message.merkleProof?.root(of: MerkleTree.leaf([10])) == tree.root())
    message.path[0].removeLast()
    #expect(message.merkleProof == nil)
  }
}
