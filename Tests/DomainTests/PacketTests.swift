import Domain
import Testing

private func key(_ number: UInt64) -> PublicKey { PublicKey(Bytes32(number, 7, 7, 7)) }
private func digest(_ number: UInt64) -> Digest { Digest(Bytes32(number, 9, 9, 9)) }

private func packet(_ sequence: UInt64, _ content: PacketContent) -> Packet {
  Packet(
    source: digest(1), destination: digest(2), sequence: sequence, acknowledged: 3,
    content: content)
}

private func decode(_ bytes: [UInt8]) throws(Rejection) -> Packet {
  var reader = CanonicalReader(bytes)
  let packet = try Packet(from: &reader)
  try reader.finish()
  return packet
}

@Suite struct PacketTests {
  static let contents: [PacketContent] = [
    .checkpoint(
      Checkpoint(
        height: 9, hash: digest(3), previousHeight: 4, previousHash: digest(4),
        interval: Interval(-2), received: 8,
        supplies: TravellingAssets(money: 1, tsl: 2, ect: 3),
        credited: TravellingAssets(money: 1 << 119, tsl: -5, ect: 6),
        debited: TravellingAssets(money: -1 << 119, tsl: 8, ect: 9), cleanStored: Energy(10),
        energyHeld: Energy(11))),
    .bid(round: Interval(.max), steps: [1, 2, 3]),
    .bid(round: Interval(1), steps: [UInt8](repeating: 5, count: Limits.couplingBidBytes)),
    .transferOut(
      TransferOut(
        grid: digest(5), account: key(1), asset: .ect, amount: Limits.amount, deadline: .max,
        sender: key(2))),
    .withdrawal(from: key(3), amount: Money(1)),
    .result(
      round: Interval(4), .cleared(price: Price(5), bought: 6, sold: 7, money: Money(-8))),
    .result(round: Interval(4), .cleared(price: nil, bought: 0, sold: 0, money: .zero)),
    .result(round: Interval(4), .notIncluded(.tooLate)),
    .transferIn(
      TransferIn(
        origin: digest(5), sender: key(1), account: key(2), asset: .tsl, amount: 1)),
    .void(sequence: 9, .insufficientReserve),
    .issue(to: key(4), asset: .money, amount: 12),
    .reward(interval: Interval(5), clean: Energy(6), amount: RewardTokens(7)),
    .wheeling(line: 3, fee: Price(Limits.price)),
    .validators(epoch: 2, (0..<UInt64(Limits.validators)).map { key($0 + 10) }), .frozen,
  ]

  @Test(arguments: contents)
  func everyContentTravels(_ content: PacketContent) throws {
    let packet = packet(7, content)
    #expect(packet.encoded.count <= Limits.packetBytes)
    let decoded = try decode(packet.encoded)
    #expect(decoded == packet)
    #expect(try decoded.content() == content)
    // No shorter and no longer body is one of this kind.
    for end in 0..<packet.body.count {
      var cut = packet
      cut.body = Array(packet.body[..<end])
      #expect(throws: PacketReason.malformed) { try cut.content() }
    }
    var long = packet
    long.body.append(0)
    #expect(throws: PacketReason.malformed) { try long.content() }
    let bytes = packet.encoded
    for end in 0..<bytes.count {
      #expect(throws: Rejection.malformed) { try decode(Array(bytes[..<end])) }
    }
  }

  @Test func everyKindIsTested() {
    #expect(Set(Self.contents.map(\.kind)) == Set(PacketKind.allCases))
  }

  /// What is out of its range.
  @Test(arguments: [
    PacketContent.bid(round: Interval(1), steps: []),
    .bid(round: Interval(1), steps: [UInt8](repeating: 5, count: Limits.couplingBidBytes + 1)),
    .withdrawal(from: key(3), amount: .zero),
    .withdrawal(from: key(3), amount: Money(Limits.amount + 1)),
    .issue(to: key(3), asset: .watt, amount: 1),
    .issue(to: key(3), asset: .money, amount: -1),
    .reward(interval: Interval(1), clean: Energy(-1), amount: .zero),
    .reward(interval: Interval(1), clean: .zero, amount: RewardTokens(-1)),
    .wheeling(line: 1, fee: Price(-1)),
    .wheeling(line: 1, fee: Price(Limits.price + 1)),
    .validators(epoch: 0, [key(1)]),
    .validators(epoch: 1, []),
    .validators(epoch: 1, [key(1), key(1)]),
    .result(round: Interval(4), .cleared(price: nil, bought: -1, sold: 0, money: .zero)),
    .result(round: Interval(4), .cleared(price: nil, bought: 0, sold: -1, money: .zero)),
  ])
  func isMalformed(_ content: PacketContent) {
    #expect(throws: PacketReason.malformed) { try packet(1, content).content() }
  }

  @Test func thePacketItselfHasBounds() throws {
    var packet = packet(0, .wheeling(line: 1, fee: .zero))
    #expect(throws: Rejection.malformed) { try decode(packet.encoded) }
    packet.sequence = 1
    packet.kind = 99
    #expect(throws: PacketReason.unknownKind) { try packet.content() }
    packet.body = [UInt8](repeating: 0, count: Limits.packetBytes - Packet.envelopeBytes)
    #expect(try decode(packet.encoded) == packet)
    packet.body.append(0)
    #expect(throws: Rejection.malformed) { try decode(packet.encoded) }
  }

  @Test func theOutboxOfNothing() {
    var outbox = Outbox([])
    #expect(outbox.root() == Digest.sha256([]))
  }

  @Test(arguments: 1...20)
  func provesEachPacketOfABlock(count: Int) throws {
    let packets = (1...UInt64(count)).map {
      packet($0, .withdrawal(from: key(1), amount: Money(5)))
    }
    var outbox = Outbox(packets)
    let root = outbox.root()
    for index in packets.indices {
      let proof = outbox.proof(of: index)
      #expect(proof.packet == packets[index] && proof.verify(root: root))
      var reader = CanonicalReader(proof.encoded)
      #expect(try PacketProof(from: &reader) == proof)
      var forged = proof
      forged.packet.body[39] ^= 1
      #expect(!forged.verify(root: root))
      forged = proof
      forged.packet.sequence += 1
      #expect(!forged.verify(root: root))
      forged = proof
      forged.path.index += 1
      #expect(!forged.verify(root: root))
      #expect(!proof.verify(root: Digest.sha256([])))
    }
  }

  /// They are in hashes on two chains: they never change.
  @Test func rawValuesStay() {
    #expect(
      PacketKind.allCases.map(\.rawValue) == [1, 2, 3, 4, 65, 66, 67, 68, 69, 70, 71, 72])
    #expect(
      PacketReason.allCases.map(\.rawValue) == Array(1...7) + Array(16...30))
    #expect(PacketReason.allCases.filter(\.isExecuted).count == 15)
  }
}
