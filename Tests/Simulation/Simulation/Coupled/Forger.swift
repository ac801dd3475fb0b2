import Consensus
import Domain
import Market
import Node

/// Makes headers with packets of its own, and certificates for them, with the key of a grid's only
/// validator or with keys that prove nothing.
struct Forger {
  let federation: Federation
  let grid: Int
  /// Of the next header that it makes: far above the grid's true ones.
  var height: UInt64 = 1_000_000

  /// How a delivery is signed. Only the first proves anything.
  enum Proof: CaseIterable {
    case finalized
    /// A notarization instead of a finalization.
    case notarized
    /// By somebody who does not validate.
    case stranger
    /// The same signature as often as a quorum needs.
    case repeated
    /// A finalization of another block.
    case other
  }

  init(_ federation: Federation, grid: Int) {
    self.federation = federation
    self.grid = grid
  }

  /// A delivery of these packets, whose sequence begins at `first`.
  func delivery(
    _ contents: [PacketContent], from source: ChainID, to destination: ChainID,
    first: UInt64, height: UInt64, salt: UInt64, _ proof: Proof
  ) -> PacketDelivery {
    var packets: [Packet] = []
    for (place, content) in contents.enumerated() {
      packets.append(
        Packet(
          source: source, destination: destination, sequence: first &+ UInt64(place),
          acknowledged: 0, content: content))
    }
    return delivery(packets, from: source, to: destination, height: height, salt: salt, proof)
  }

  func delivery(
    _ packets: [Packet], from source: ChainID, to destination: ChainID, height: UInt64,
    salt: UInt64, _ proof: Proof
  ) -> PacketDelivery {
    var outbox = Outbox(packets)
    let header = header(of: source, height: height, salt: salt, outbox.root())
    return PacketDelivery(
      source: source, destination: destination, epochs: [], header: header,
      finality: HeaderProof(headers: [], certificate: certificate(header, proof)).encoded,
      packets: packets.indices.map { outbox.proof(of: $0) })
  }

  private func header(
    of chain: ChainID, height: UInt64, salt: UInt64, _ outboxRoot: Digest
  ) -> BlockHeader {
    let seconds = federation.backbone.calendar.origin + Int64(height % 1_000_000)
    return BlockHeader(
      chain: chain, epoch: 1, height: height, view: height, parentView: height - 1,
      parent: Digest(Bytes32(salt, height, 3, 3)), time: Timestamp(seconds: seconds),
      body: Digest.sha256([]),
      attested: Attestation(
        height: height - 1, stateRoot: .zero, receiptsRoot: .zero, outboxRoot: outboxRoot))
  }

  /// Two blocks of that grid at one height.
  func report(of grid: ChainID, height: UInt64, _ proof: Proof) -> HistoryReport {
    let sides = [UInt64(1), 2].map { salt in
      let header = header(of: grid, height: height, salt: salt, .zero)
      return HistoryReport.Side(
        epochs: [], header: header,
        finality: HeaderProof(headers: [], certificate: certificate(header, proof)).encoded)
    }
    return HistoryReport(grid: grid, first: sides[0], second: sides[1])
  }

  private func certificate(_ header: BlockHeader, _ proof: Proof) -> Certificate {
    let kind: VoteKind = proof == .notarized ? .notarize : .finalize
    var hash = header.hash
    if proof == .other { hash.bytes.w2 ^= 1 }
    let subject = Subject.block(kind, header, hash: hash)
    let key = proof == .stranger ? federation.stranger : federation.nodes[grid]
    let vote = Vote(
      subject: subject,
      signer: header.chain == federation.backboneID ? UInt16(grid) : 0,
      signature: key.sign(subject.payload(chain: header.chain), for: .consensus))
    return Certificate(
      subject: subject, votes: [Vote](repeating: vote, count: proof == .repeated ? 3 : 1))
  }

  /// What a grid that signs anything may ask for; `round` is one that could be bid in.
  func requests(
    _ draw: UInt64, round: Interval, to account: AccountID, height: UInt64
  ) -> [PacketContent] {
    let target = federation.ids[Int(draw >> 8) % Federation.grids]
    let amount = Int64(draw >> 16 & 0xfff_ffff) + 1
    func transfer(_ asset: Asset, _ amount: Int64) -> PacketContent {
      .transferOut(
        TransferOut(
          grid: target, account: account, asset: asset, amount: amount, deadline: .max,
          sender: account))
    }
    switch draw % 8 {
    case 0:
      // More than there is, and then what there may be.
      return [transfer(.money, Limits.amount), transfer(.money, amount), transfer(.tsl, amount)]
    case 1:
      return [transfer(.ect, 1_000_000_000_000), .withdrawal(from: account, amount: Money(amount))]
    case 2: return [unbacked(height)]
    case 3: return [bid(round, buys: 20_000_000_000)]
    case 4: return [bid(round, buys: 0)]
    case 5: return [bid(round, buys: 400_000), bid(round, buys: 1)]
    case 6:
      return [.void(sequence: 1, .deadlinePassed), .issue(to: account, asset: .money, amount: 9)]
    default: return [.bid(round: round, steps: [1, 2, 3]), transfer(.money, amount / 16 + 1)]
    }
  }

  /// Supplies that no packet has brought.
  private func unbacked(_ height: UInt64) -> PacketContent {
    let much = TravellingAssets<Int64>(money: 1 << 50, tsl: 1 << 40, ect: 1 << 40)
    return .checkpoint(
      Checkpoint(
        height: height, hash: Digest(Bytes32(height, 4, 4, 4)), previousHeight: 0,
        previousHash: federation.ids[grid], interval: federation.backbone.calendar.firstInterval,
        received: 0, supplies: much,
        credited: TravellingAssets(money: 1 << 50, tsl: 1 << 40, ect: 1 << 40),
        debited: TravellingAssets(), cleanStored: Energy(1 << 40), energyHeld: Energy(1)))
  }

  /// Energy that it does not have, at any price, and money that it may not have.
  private func bid(_ round: Interval, buys price: Int64) -> PacketContent {
    let bid = CouplingBid(
      grid: federation.ids[grid],
      buys: price > 0 ? [PriceStep(price: min(price, Limits.price), wattHours: 3000)] : [],
      sells: [PriceStep(price: 1, wattHours: 900_000_000)])
    return .bid(round: round, steps: bid.encoded)
  }
}
