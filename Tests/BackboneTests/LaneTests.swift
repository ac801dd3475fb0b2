import Domain
import Testing

@testable import Backbone

@Suite struct LaneTests {
  /// It has got 1000 µ¤ and 100 µTSL.
  private var lane = GridLane(
    grid: gridID(0), backbone: backboneID, validators: [key(400)])
  private var sequence: UInt64 = 0

  init() {
    _ = hand(.issue(to: key(9), asset: .money, amount: 1000))
    _ = hand(.issue(to: key(9), asset: .tsl, amount: 100))
  }

  /// The backbone's next packet.
  private mutating func hand(_ content: PacketContent, acknowledged: UInt64 = 0) -> LaneOutcome {
    sequence += 1
    return lane.receive(
      Packet(
        source: backboneID, destination: gridID(0), sequence: sequence,
        acknowledged: acknowledged, content: content))
  }

  private func out(_ amount: Int64, _ asset: Asset = .money) -> TransferOut {
    TransferOut(
      grid: gridID(1), account: key(9), asset: asset, amount: amount, deadline: 50,
      sender: key(8))
  }

  private func entry(_ sequence: UInt64, _ amount: Int64) -> UnderWay {
    UnderWay(
      sequence: sequence, item: UnderWay.Item(account: key(8), asset: .money, amount: amount))
  }

  @Test func executesEachPacketOnce() {
    var lane = lane
    var packet = Packet(
      source: backboneID, destination: gridID(0), sequence: 4, acknowledged: 0,
      content: .issue(to: key(9), asset: .money, amount: 5))
    #expect(lane.receive(packet) == .refused(.gap))
    packet.sequence = 3
    #expect(lane.receive(packet) == .done(.issue(to: key(9), asset: .money, amount: 5)))
    #expect(lane.receive(packet) == .refused(.alreadyExecuted))
    #expect(lane.supply(of: .money) == 1005)
    packet.destination = gridID(1)
    #expect(lane.receive(packet) == .refused(.wrongDestination))
    packet.destination = gridID(0)
    packet.source = gridID(1)
    #expect(lane.receive(packet) == .refused(.unknownSource))
    // What it cannot read, or should not get, does not stop it.
    packet.source = backboneID
    packet.sequence = 4
    packet.body = []
    #expect(lane.receive(packet) == .refused(.malformed))
    packet.sequence = 5
    packet.kind = 250
    #expect(lane.receive(packet) == .refused(.unknownKind))
    packet = Packet(
      source: backboneID, destination: gridID(0), sequence: 6, acknowledged: 0,
      content: .withdrawal(from: key(8), amount: Money(1)))
    #expect(lane.receive(packet) == .refused(.wrongKind))
    #expect(lane.received == 6)
  }

  @Test mutating func refundsAVoidedTransferOnce() throws {
    #expect(try lane.transfer(out(300)) == 1)
    #expect(try lane.withdraw(Money(200), from: key(8)) == 2)
    #expect(lane.supply(of: .money) == 500)
    #expect(
      hand(.void(sequence: 1, .deadlinePassed), acknowledged: 1)
        == .done(.refund(entry(1, 300), .deadlinePassed)))
    #expect(lane.supply(of: .money) == 800)
    #expect(hand(.void(sequence: 1, .deadlinePassed), acknowledged: 1) == .done(.none))
    // One that was never sent.
    #expect(hand(.void(sequence: 9, .deadlinePassed)) == .done(.none))
    #expect(lane.underWay == [entry(2, 200)])
    #expect(
      hand(.wheeling(line: 1, fee: .zero), acknowledged: 2)
        == .done(.wheeling(line: 1, fee: .zero)))
    #expect(lane.underWay.isEmpty && lane.acknowledged == 2)
    // What is done does not come back.
    #expect(hand(.void(sequence: 2, .deadlinePassed)) == .done(.none))
    #expect(lane.supply(of: .money) == 800)
    try lane.checkInvariants()
  }

  /// An answer beyond what was sent does not reach what is sent later.
  @Test mutating func anAnswerIsBoundedByWhatWasSent() throws {
    #expect(
      hand(.wheeling(line: 1, fee: .zero), acknowledged: .max)
        == .done(.wheeling(line: 1, fee: .zero)))
    #expect(lane.acknowledged == 0)
    _ = try lane.transfer(out(300))
    #expect(lane.underWay.count == 1)
    try lane.checkInvariants()
  }

  @Test mutating func oneBidIsOpen() throws {
    try lane.bid(round: Interval(5), steps: [1], hold: 77)
    let bid = LaneBid(round: Interval(5), sequence: 1, hold: 77)
    #expect(lane.openBid == bid)
    #expect(throws: Rejection.limitExceeded) {
      try lane.bid(round: Interval(6), steps: [1], hold: 78)
    }
    let cleared = CouplingAnswer.cleared(
      price: Price(7), bought: 3, sold: 0, money: Money(-600))
    // Another round's result is none of its business.
    #expect(hand(.result(round: Interval(4), cleared)) == .done(.none))
    #expect(
      hand(.result(round: Interval(5), cleared))
        == .done(.fill(bid, price: Price(7), bought: 3, sold: 0, money: Money(-600))))
    #expect(lane.supply(of: .money) == 400)
    #expect(hand(.result(round: Interval(5), cleared)) == .done(.none))
    #expect(lane.supply(of: .money) == 400)
    #expect(throws: Rejection.duplicate) {
      try lane.bid(round: Interval(5), steps: [1], hold: 78)
    }
    try lane.bid(round: Interval(6), steps: [1], hold: 78)
    #expect(
      hand(.result(round: Interval(6), .notIncluded(.tooLate)))
        == .done(.release(LaneBid(round: Interval(6), sequence: 2, hold: 78), .tooLate)))
    try lane.bid(round: Interval(7), steps: [1], hold: 79)
    #expect(
      hand(.void(sequence: 3, .malformed))
        == .done(.release(LaneBid(round: Interval(7), sequence: 3, hold: 79), .malformed)))
    #expect(lane.openBid == nil)
    try lane.checkInvariants()
  }

  @Test mutating func refusesWhatItCannotSend() throws {
    #expect(throws: Rejection.malformed) { try lane.transfer(out(0)) }
    #expect(throws: Rejection.malformed) { try lane.transfer(out(Limits.amount + 1)) }
    #expect(throws: Rejection.malformed) { try lane.transfer(out(1, .watt)) }
    #expect(throws: Rejection.malformed) { try lane.withdraw(.zero, from: key(8)) }
    #expect(throws: Rejection.malformed) {
      try lane.bid(round: Interval(5), steps: [], hold: 1)
    }
    let long = [UInt8](repeating: 0, count: Limits.couplingBidBytes + 1)
    #expect(throws: Rejection.malformed) {
      try lane.bid(round: Interval(5), steps: long, hold: 1)
    }
    #expect(lane.sent == 0 && lane.takeOutbox().isEmpty)
    for place in 0..<BackboneLimits.underWay {
      let item = UnderWay.Item(account: key(UInt64(place)), asset: .money, amount: 1)
      lane.journeys.append(UnderWay(sequence: 1, item: item))
    }
    #expect(throws: Rejection.limitExceeded) { try lane.transfer(out(1)) }
    #expect(throws: Rejection.limitExceeded) { try lane.withdraw(Money(1), from: key(8)) }
  }

  @Test mutating func aCheckpointSaysWhatTheLaneKnows() throws {
    let block = ProvenHeader(height: 4, hash: digest(4))
    let supplies = TravellingAssets<Int64>(money: 1000, tsl: 100)
    var wrong = supplies
    wrong.money += 1
    #expect(throws: Rejection.malformed) {
      try lane.checkpoint(
        block, interval: Interval(1), supplies: wrong, cleanStored: .zero, energyHeld: .zero)
    }
    try lane.checkpoint(
      block, interval: Interval(1), supplies: supplies, cleanStored: Energy(9),
      energyHeld: Energy(3))
    #expect(throws: Rejection.staleVersion) {
      try lane.checkpoint(
        block, interval: Interval(1), supplies: supplies, cleanStored: .zero,
        energyHeld: .zero)
    }
    let sent = lane.takeOutbox()
    #expect(sent.count == 1)
    guard case .checkpoint(let checkpoint) = try sent[0].content() else {
      Issue.record("not a checkpoint")
      return
    }
    #expect(checkpoint.previousHeight == 0 && checkpoint.previousHash == gridID(0))
    #expect(checkpoint.supplies == supplies && checkpoint.cleanStored == Energy(9))
  }

  @Test mutating func validatorsFollowEachOther() {
    #expect(hand(.validators(epoch: 3, [key(5)])) == .done(.none))
    #expect(hand(.validators(epoch: 2, [key(5)])) == .done(.validators(epoch: 2)))
    #expect(lane.epoch == 2 && lane.validators == [key(5)])
    #expect(hand(.validators(epoch: 2, [key(6)])) == .done(.none))
    #expect(lane.validators == [key(5)])
    #expect(lane.adopt([], epoch: 3) == false)
    #expect(lane.adopt([key(6)], epoch: 3) == true)
  }

  @Test mutating func restartsFromItsChunk() throws {
    _ = try lane.transfer(out(300))
    try lane.bid(round: Interval(5), steps: [1], hold: 77)
    _ = hand(.issue(to: key(9), asset: .tsl, amount: 6))
    _ = lane.takeOutbox()
    let chunk = lane.chunk
    #expect(try GridLane(chunk: chunk) == lane)
    for end in 0..<chunk.bytes.count {
      let cut = StateChunk(name: chunk.name, bytes: Array(chunk.bytes[..<end]))
      #expect(throws: Rejection.malformed) { try GridLane(chunk: cut) }
    }
    #expect(throws: Rejection.malformed) {
      try GridLane(chunk: StateChunk(name: "other", bytes: chunk.bytes))
    }
  }

  /// No member takes every place of the grid.
  @Test func oneAccountHasNoMoreUnderWayThanItMay() throws {
    var lane = GridLane(grid: gridID(0), backbone: backboneID, validators: [key(400)])
    func send(_ sender: AccountID) throws -> UInt64 {
      try lane.transfer(
        TransferOut(
          grid: gridID(1), account: key(9), asset: .money, amount: 1, deadline: 9, sender: sender))
    }
    lane.credited.money = 1_000_000
    for _ in 0..<BackboneLimits.underWayPerAccount { _ = try send(key(1)) }
    #expect(throws: Rejection.limitExceeded) { _ = try send(key(1)) }
    #expect(throws: Rejection.limitExceeded) { _ = try lane.withdraw(Money(1), from: key(1)) }
    #expect(lane.room.underWay == [key(1): BackboneLimits.underWayPerAccount])
    #expect(lane.room.perAccount == BackboneLimits.underWayPerAccount)
    _ = try send(key(2))
    try lane.checkInvariants()
    // One comes back, and its place with it; a restart counts the same.
    let void = Packet(
      source: backboneID, destination: gridID(0), sequence: 1, acknowledged: 0,
      content: .void(sequence: 7, .deadlinePassed))
    _ = lane.receive(void)
    _ = lane.takeOutbox()
    #expect(try GridLane(chunk: lane.chunk).room.underWay == lane.room.underWay)
    _ = try send(key(1))
    #expect(throws: Rejection.limitExceeded) { _ = try send(key(1)) }
  }
}
