import Backbone
import Domain
import Ledger
import Node
import TestSupport
import Wire

/// A packet in a block of its sender.
struct SentPacket {
  let packet: Packet
  let header: ProvenHeader
}

/// A grid of a backbone: its pipeline over bare cores, and what its blocks have sent.
struct LaneGrid {
  static let origin: Int64 = 1_700_000_100
  static let calendar = Calendar(origin: origin, wallOrigin: origin)

  let genesis: Genesis
  var pipeline: BarePipeline
  var height: UInt64 = 0
  /// By sequence less one.
  var sent: [SentPacket] = []
  /// Every line of history so far.
  var history: [HistoryLine] = []
  private var sequences: [AccountID: UInt64] = [:]

  static func key(_ number: UInt64) -> PublicKey { PublicKey(Bytes32(5, 0, 0, number)) }

  /// Members 1 and 2, with a clean meter each, numbered 101 and 102; storage of 6 and 2 kWh.
  init(_ number: UInt64, of backbone: BackboneGenesis?) async throws {
    var parameters = Parameters()
    parameters.educationFund = .zero
    genesis = Genesis(
      name: "grid \(number)", calendar: Self.calendar, parameters: parameters,
      roles: Roles(
        operator: Self.key(11), oracle: Self.key(11), gateway: Self.key(11),
        utility: Self.key(12), community: Self.key(13)),
      validators: [Self.key(900 + number)],
      tariff: Tariff(retail: Price(300_000), feedIn: Price(100_000), intervalsPerDay: 96),
      accounts: [1, 2].map { GenesisAccount(id: Self.key($0)) },
      meters: [1, 2].map {
        GenesisMeter(
          id: Self.key(100 + $0), account: Self.key($0), maximumPower: Power(20_000_000),
          isClean: true)
      },
      storage: [(1, 6_000_000), (2, 2_000_000)].map { member, capacity in
        GenesisStorage(
          unit: member, owner: Self.key(member), capacity: Energy(capacity),
          power: Power(5_000_000))
      }, backbone: backbone)
    pipeline = try await BarePipeline(genesis: genesis)
  }

  var id: ChainID { genesis.chainID }

  func account(_ id: AccountID) -> Account? {
    pipeline.ledger.index(of: id).map { pipeline.ledger.account($0) }
  }

  /// The next block's first half, so to say: what it brings from the backbone.
  mutating func receive(_ packets: [Packet]) async throws -> Received {
    try await pipeline.receive(packets, entry: 0)
  }

  /// A decided block at this second after the origin.
  mutating func decide(at second: Int64, _ entries: [VerifiedEntry]) -> DecidedBlock {
    height += 1
    let attested = Attestation(
      height: height - 1, stateRoot: .zero, receiptsRoot: .zero, outboxRoot: .zero)
    let header = BlockHeader(
      chain: id, epoch: 1, height: height, view: height, parentView: height - 1, parent: .zero,
      time: Timestamp(seconds: Self.origin + second), body: .zero, attested: attested)
    return DecidedBlock(
      header: header, hash: header.hash, body: [], entries: entries, finality: nil)
  }

  @discardableResult
  mutating func block(at second: Int64, _ entries: [VerifiedEntry] = []) async throws -> Execution {
    let block = decide(at: second, entries)
    let execution = try await pipeline.execute(block)
    let header = ProvenHeader(height: block.header.height, hash: block.hash)
    sent += execution.packets.map { SentPacket(packet: $0, header: header) }
    history += execution.ledger.history
    return execution
  }

  /// A command with the signer's next sequence.
  mutating func command(_ body: CommandBody, by signer: AccountID) -> VerifiedEntry {
    sequences[signer, default: 0] += 1
    let command = Command(
      chain: id, signer: signer, sequence: sequences[signer, default: 1],
      expires: Timestamp(seconds: 1 << 40), body: body)
    return VerifiedEntry(
      verified: .command(command),
      signed: SignedBytes(payload: WireCommand.payload(of: command), signature: .zero))
  }

  /// Of the interval that began so many intervals after the first one.
  func reading(
    _ member: UInt64, _ interval: Int64, exported: Int64 = 0, imported: Int64 = 0
  ) -> VerifiedEntry {
    let reading = Reading(
      chain: id, meter: Self.key(100 + member),
      interval: genesis.calendar.firstInterval.advanced(by: interval),
      exported: Energy(exported), imported: Energy(imported), version: 1)
    return VerifiedEntry(
      verified: .reading(reading),
      signed: SignedBytes(payload: WireReading.payload(of: reading), signature: .zero))
  }
}

/// The backbone's core, driven block by block, and what its blocks have sent to each grid.
struct LaneBackbone {
  static let genesis = BackboneGenesis(
    name: "between", calendar: LaneGrid.calendar,
    roles: BackboneRoles(
      operator: LaneGrid.key(31), oracle: LaneGrid.key(32), gateway: LaneGrid.key(33)),
    validators: [LaneGrid.key(34)])

  var core: BackboneCore
  private(set) var height: UInt64 = 0
  /// By sequence less one.
  private(set) var sent: [ChainID: [Packet]] = [:]
  private var sequences: [AccountID: UInt64] = [:]

  init() throws { core = try BackboneCore(Self.genesis) }

  /// A block at this second after the origin.
  @discardableResult
  mutating func block(
    at second: Int64, _ packets: [SentPacket] = [], _ commands: [BackboneCommandBody] = []
  ) throws -> [PacketReceipt] {
    height += 1
    try core.begin(height: height, time: Timestamp(seconds: LaneGrid.origin + second))
    var receipts: [PacketReceipt] = []
    for packet in packets {
      let delivery = try Delivery(
        source: packet.packet.source, header: packet.header, packets: [packet.packet])
      receipts += core.receive(delivery) { _ in nil }
    }
    for body in commands {
      let signer = LaneGrid.key(body.isGateways ? 33 : 31)
      sequences[signer, default: 0] += 1
      let command = Command(
        chain: core.chain, signer: signer, sequence: sequences[signer, default: 1],
        expires: Timestamp(seconds: 1 << 40), body: .backbone(body))
      let outcome = core.apply([(entry: 0, command: command)])
      if let rejection = outcome.receipts.first?.receipt.rejection { throw rejection }
    }
    for packet in core.takeOutbox() { sent[packet.destination, default: []].append(packet) }
    try core.checkInvariants()
    return receipts
  }

  mutating func register(_ grid: LaneGrid) throws {
    try block(at: 0, [], [.register(try GridRegistration(of: grid.genesis, on: core.chain))])
  }

  /// What a grid has not executed yet.
  func waiting(for grid: LaneGrid) -> [Packet] {
    Array((sent[grid.id] ?? []).dropFirst(Int(grid.pipeline.lane?.received ?? 0)))
  }

  /// What it has not executed yet of a grid's packets.
  func waiting(from grid: LaneGrid) -> [SentPacket] {
    Array(grid.sent.dropFirst(Int(core.grid(grid.id)?.received ?? 0)))
  }
}

extension BackboneCommandBody {
  fileprivate var isGateways: Bool {
    switch self {
    case .issue, .payOut: true
    default: false
    }
  }
}
