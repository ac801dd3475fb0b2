import Domain
import Testing

@testable import Backbone

@Suite struct ReceiveTests {
  // MARK: Packets that are as if they had not come

  @Test func refusesWithoutExecuting() throws {
    var bench = try Bench()
    var packet = bench.packet(0, transfer(to: 1, 5))
    packet.destination = gridID(1)
    #expect(try bench.hand(packet) == .refused(.wrongDestination))
    packet.destination = backboneID
    packet.source = gridID(70)
    #expect(try bench.hand(packet) == .refused(.unknownSource))
    packet.source = gridID(0)
    packet.sequence = 2
    #expect(try bench.hand(packet) == .refused(.gap))
    #expect(bench.grid(0).received == 0)
    packet.sequence = 1
    #expect(try bench.hand(packet) == .done)
    #expect(try bench.hand(packet) == .refused(.alreadyExecuted))
    #expect(bench.grid(0).received == 1)
    #expect(bench.grid(0).reserve.money == 999_995)
    #expect(bench.grid(1).reserve.money == 1_000_005)
    try bench.core.report(grid: gridID(0), height: 3, digest(1), digest(2))
    packet.sequence = 2
    #expect(try bench.hand(packet) == .refused(.frozenSource))
    #expect(bench.grid(0).received == 1)
  }

  @Test func aDeliveryIsOfOneChainAndBounded() throws {
    var bench = try Bench()
    let header = ProvenHeader(height: 1, hash: digest(1))
    let packet = bench.packet(0, transfer(to: 1, 5))
    #expect(throws: Rejection.malformed) {
      try Delivery(source: gridID(1), header: header, packets: [packet])
    }
    let many = Array(repeating: packet, count: Limits.packetsPerDelivery + 1)
    #expect(throws: Rejection.limitExceeded) {
      try Delivery(source: gridID(0), header: header, packets: many)
    }
    // Shuffled and repeated in one delivery, each still once.
    let second = bench.packet(0, transfer(to: 1, 7))
    let delivery = try Delivery(
      source: gridID(0), header: header, packets: [second, packet, packet, second, second])
    #expect(
      bench.core.receive(delivery, bidCost: bidCost).map(\.outcome) == [
        .refused(.gap), .done, .refused(.alreadyExecuted), .done, .refused(.alreadyExecuted),
      ])
    #expect(bench.grid(1).reserve.money == 1_000_012)
  }

  // MARK: Packets that are executed, though nothing is done

  /// What is sent, why it is not done.
  static let voided: [(PacketContent, PacketReason)] = [
    (.issue(to: key(9), asset: .money, amount: 5), .wrongKind),
    (.void(sequence: 1, .gap), .wrongKind),
    (transfer(to: 1, 5, asset: .ect), .insufficientReserve),
    (transfer(to: 1, 1_000_001), .insufficientReserve),
    (transfer(to: 1, 501, asset: .tsl), .insufficientReserve),
    (transfer(to: 60, 5), .unknownDestination),
    (transfer(to: 2, 5), .frozenDestination),
    (transfer(to: 1, 5, deadline: 0), .deadlinePassed),
    // The first reason in the declared order.
    (transfer(to: 60, 2_000_000, deadline: 0), .unknownDestination),
    (transfer(to: 2, 2_000_000, deadline: 0), .frozenDestination),
    (transfer(to: 1, 2_000_000, deadline: 0), .deadlinePassed),
    (.withdrawal(from: key(8), amount: Money(1_000_001)), .insufficientReserve),
  ]

  @Test(arguments: voided.indices)
  func voids(_ row: Int) throws {
    let (content, reason) = Self.voided[row]
    var bench = try Bench()
    try bench.core.report(grid: gridID(2), height: 3, digest(1), digest(2))
    let reserves = bench.core.gridRecords.map(\.reserve)
    #expect(try bench.send(0, content) == .refused(reason))
    #expect(bench.core.gridRecords.map(\.reserve) == reserves)
    // The frozen one was told so.
    #expect(bench.core.outbox.map(\.destination) == [gridID(2), gridID(0)])
    #expect(bench.core.outbox[1].acknowledged == 1)
    #expect(bench.lastSent == .void(sequence: 1, reason))
    // The lane goes on.
    #expect(try bench.send(0, transfer(to: 1, 1_000_000)) == .done)
  }

  @Test func whatCannotBeReadIsVoided() throws {
    var bench = try Bench()
    var packet = bench.packet(0, transfer(to: 1, 5))
    packet.body.removeLast()
    #expect(try bench.hand(packet) == .refused(.malformed))
    #expect(bench.lastSent == .void(sequence: 1, .malformed))
    packet = bench.packet(0, transfer(to: 1, 5))
    packet.kind = 200
    #expect(try bench.hand(packet) == .refused(.unknownKind))
    #expect(bench.lastSent == .void(sequence: 2, .unknownKind))
    // The fourth packet to the grid.
    #expect(bench.grid(0).lastVoid == 4)
  }

  @Test func withdrawalsAreBoundedForEachGrid() throws {
    var bench = try Bench()
    for _ in 0..<BackboneLimits.withdrawalsPerGrid {
      #expect(try bench.send(0, .withdrawal(from: key(8), amount: Money(1))) == .done)
    }
    let beyond = PacketContent.withdrawal(from: key(8), amount: Money(1))
    #expect(try bench.send(0, beyond) == .refused(.tooManyWithdrawals))
    #expect(try bench.send(1, beyond) == .done)
  }

  @Test func aTransferMovesTheReserve() throws {
    var bench = try Bench()
    #expect(try bench.send(0, transfer(to: 3, 500, asset: .tsl, deadline: 1)) == .done)
    #expect(bench.grid(0).reserve.tsl == 0)
    #expect(bench.grid(3).reserve.tsl == 1000)
    #expect(
      bench.lastSent
        == .transferIn(
          TransferIn(
            origin: gridID(0), sender: key(8), account: key(9), asset: .tsl, amount: 500)))
    // To the grid itself, by way of the backbone.
    #expect(try bench.send(3, transfer(to: 3, 1000, asset: .tsl)) == .done)
    #expect(bench.grid(3).reserve.tsl == 1000)
  }

  // MARK: Two histories

  @Test func aSecondHeaderAtOneHeightFreezesTheLane() throws {
    var bench = try Bench()
    let first = ProvenHeader(height: 9, hash: digest(20))
    let second = ProvenHeader(height: 9, hash: digest(10))
    #expect(try bench.hand(bench.packet(0, transfer(to: 1, 5)), header: first) == .done)
    #expect(
      try bench.hand(bench.packet(0, transfer(to: 1, 5)), header: second)
        == .refused(.frozenSource))
    #expect(
      bench.grid(0).conflict
        == Conflict(height: 9, first: digest(10), second: digest(20), shownAt: 1))
    // The others lose nothing, and none can send to it or be sent to by a role.
    #expect(try bench.send(1, transfer(to: 2, 5)) == .done)
    #expect(try bench.send(1, transfer(to: 0, 5)) == .refused(.frozenDestination))
    #expect(bench.grid(1).reserve.money == 1_000_000)
    let body = CommandBody.issue(gridID(0), to: key(9), amount: Money(1))
    #expect(try bench.command(Role.gateway, body) == .unknownObject)
    #expect(bench.core.adopt([key(5)], epoch: 2, of: gridID(0)) == false)
    #expect(throws: Rejection.duplicate) {
      try bench.core.report(grid: gridID(0), height: 1, digest(1), digest(2))
    }
  }

  @Test func evidenceHasTwoHeadersOfAKnownGrid() throws {
    var bench = try Bench()
    #expect(throws: Rejection.malformed) {
      try bench.core.report(grid: gridID(0), height: 1, digest(1), digest(1))
    }
    #expect(throws: Rejection.unknownObject) {
      try bench.core.report(grid: gridID(60), height: 1, digest(1), digest(2))
    }
  }

  @Test func onlyTheNewestHeadersAreRemembered() throws {
    var bench = try Bench()
    for height in 1...UInt64(BackboneLimits.headersPerGrid + 5) {
      let header = ProvenHeader(height: height, hash: digest(height))
      #expect(try bench.hand(bench.packet(0, transfer(to: 0, 1)), header: header) == .done)
    }
    #expect(bench.grid(0).headers.count == BackboneLimits.headersPerGrid)
    #expect(bench.grid(0).headers.first?.height == 6)
    // Older than all that is remembered: neither kept nor held against the grid.
    let old = ProvenHeader(height: 2, hash: digest(77))
    #expect(try bench.hand(bench.packet(0, transfer(to: 0, 1)), header: old) == .done)
    #expect(bench.grid(0).headers.first?.height == 6)
  }

  /// When an epoch ends, what its validators had ordered behind the block that ended it is final by
  /// their signatures, and void: other blocks of the next epoch stand at the same heights.
  @Test func blocksOfTwoEpochsAreNoTwoHistories() throws {
    var bench = try Bench()
    let id = gridID(0)
    bench.core.witness(ProvenHeader(height: 7, hash: digest(1)), of: id)
    let other = ProvenHeader(height: 7, hash: digest(2))
    #expect(bench.core.conflicts(other, epoch: 1, of: id))
    #expect(!bench.core.conflicts(other, epoch: 2, of: id))
    let isAdopted = bench.core.adopt([key(77)], epoch: 2, of: id)
    #expect(isAdopted)
    #expect(!bench.core.conflicts(other, epoch: 2, of: id))
    bench.core.witness(other, of: id)
    #expect(!bench.grid(0).isFrozen)
    // In the new epoch two are two.
    let third = ProvenHeader(height: 7, hash: digest(3))
    #expect(bench.core.conflicts(third, epoch: 2, of: id))
    bench.core.witness(third, of: id)
    #expect(bench.grid(0).isFrozen)
    try bench.core.checkInvariants()
  }

  @Test func validatorsFollowEachOther() throws {
    var bench = try Bench()
    #expect(bench.core.adopt([key(5)], epoch: 3, of: gridID(0)) == false)
    #expect(bench.core.adopt([], epoch: 2, of: gridID(0)) == false)
    #expect(bench.core.adopt([key(5)], epoch: 2, of: gridID(60)) == false)
    #expect(bench.core.adopt([key(5)], epoch: 2, of: gridID(0)) == true)
    #expect(bench.grid(0).validators == [key(5)])
    try bench.core.report(grid: gridID(3), height: 3, digest(1), digest(2))
    bench.core.announce(epoch: 2, validators: [key(6)])
    // The frozen one was told that, and nothing more.
    #expect(bench.core.outbox.map(\.destination) == [gridID(3), gridID(0), gridID(1), gridID(2)])
  }
}
