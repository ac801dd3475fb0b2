import Backbone
import Consensus
import Domain
import Ledger
import Market
import Metering
import Node
import TestSupport
import Testing
import Wire

/// A grid with a lane over bare cores, driven block by block; the test is the backbone.
struct CoupledGrid {
  static let origin: Int64 = 1_700_000_100
  static let calendar = Calendar(origin: origin, wallOrigin: origin)
  static let backbone = BackboneGenesis(
    name: "between", calendar: calendar,
    roles: BackboneRoles(operator: id(901), oracle: id(902), gateway: id(903)),
    validators: [id(904)])
  static let lead = id(1)
  static let utility = id(2)

  static func id(_ number: UInt64) -> PublicKey { PublicKey(Bytes32(number, 5, 5, 5)) }
  static func home(_ number: Int) -> PublicKey { id(UInt64(100 + number)) }
  static func meter(_ number: Int) -> PublicKey { id(UInt64(200 + number)) }

  let genesis: Genesis
  var pipeline: BarePipeline
  private(set) var height: UInt64 = 0
  private(set) var time: Int64
  /// Packets of the backbone so far.
  private(set) var answered: UInt64 = 0
  private var sequences: [PublicKey: UInt64] = [:]
  /// By the newest block.
  private var sent: [Packet] = []

  /// Homes with a clean meter and 10 TSL each; B_max is 40 kWh.
  init(_ name: String = "grid", homes: Int = 3, money: Int64 = 100_000_000, fee: Int64 = 0)
    async throws
  {
    var parameters = Parameters()
    parameters.storageBudget = Money(6_000_000_000)
    parameters.educationFund = .zero
    parameters.makerFeePermille = fee
    genesis = Genesis(
      name: name, calendar: Self.calendar, parameters: parameters,
      roles: Roles(
        operator: Self.lead, oracle: Self.lead, gateway: Self.lead, utility: Self.utility,
        community: Self.lead),
      validators: [Self.id(904)],
      tariff: Tariff(retail: Price(300_000), feedIn: Price(100_000), intervalsPerDay: 96),
      accounts: (0..<homes).map { GenesisAccount(id: Self.home($0), isMember: true) },
      meters: (0..<homes).map {
        GenesisMeter(
          id: Self.meter($0), account: Self.home($0), maximumPower: Power(400_000_000),
          isClean: true)
      },
      storage: [
        GenesisStorage(
          unit: 1, owner: Self.home(0), capacity: Energy(100_000_000), power: Power(50_000_000))
      ],
      backbone: Self.backbone)
    pipeline = try await BarePipeline(genesis: genesis)
    time = Self.origin
    try await fund(Self.utility, money: 1_000_000_000)
    for number in 0..<homes {
      try await fund(Self.home(number), money: money, tsl: 10_000_000)
    }
  }

  var open: Interval? { pipeline.open?.interval }
  var next: Interval { pipeline.nextClose }

  func account(_ number: Int) -> Account {
    pipeline.ledger.account(pipeline.ledger.index(of: Self.home(number))!)
  }

  // MARK: The backbone's packets

  /// What the lane makes of the backbone's next packet.
  mutating func receive(_ content: PacketContent) throws -> LaneEffect {
    answered += 1
    let lane = try #require(pipeline.lane)
    let packet = Packet(
      source: lane.backbone, destination: lane.grid, sequence: answered, acknowledged: lane.sent,
      content: content)
    switch pipeline.lane?.receive(packet) {
    case .done(let effect): return effect
    case .refused, nil:
      Issue.record("a packet was refused")
      return .none
    }
  }

  /// Money and TSL from the backbone.
  mutating func fund(_ id: AccountID, money: Int64, tsl: Int64 = 0) async throws {
    for (asset, amount) in [(Asset.money, money), (.tsl, tsl)] where amount > 0 {
      answered += 1
      let lane = try #require(pipeline.lane)
      let packet = Packet(
        source: lane.backbone, destination: lane.grid, sequence: answered,
        acknowledged: lane.sent, content: .issue(to: id, asset: asset, amount: amount))
      let received = try await pipeline.receive([packet], entry: nil)
      #expect(received.executed == 1)
    }
  }

  /// The bid that the newest block has sent, if it has; once. An empty one is answered, unless
  /// that of `interval` is asked for.
  mutating func takeBid(of interval: Interval? = nil) throws -> CouplingBid? {
    defer { sent = [] }
    for packet in sent {
      guard case .bid(let round, let steps) = try packet.content() else { continue }
      let bid = try CouplingBid(decoding: steps)
      if open == nil, interval == nil {
        #expect(bid.buys.isEmpty && bid.sells.isEmpty)
        _ = try receive(.result(round: round, .notIncluded(.tooLate)))
        return nil
      }
      #expect(round == interval ?? open)
      return bid
    }
    return nil
  }

  /// The result of the open round, as the lane hands it on; nil for a bid that came too late.
  @discardableResult
  mutating func settle(_ fill: RoundFill?) async throws -> IntervalClose {
    let round = try #require(open)
    let answer: CouplingAnswer =
      if let fill {
        .cleared(price: fill.price, bought: fill.bought, sold: fill.sold, money: fill.money)
      } else {
        .notIncluded(.tooLate)
      }
    var told: RoundFill?
    switch try receive(.result(round: round, answer)) {
    case .fill(let bid, let price, let bought, let sold, let money):
      #expect(bid.round == round && bid.hold == UInt64(round.index))
      told = try RoundFill.result(price: price, bought: bought, sold: sold, money: money)
    case .release(let bid, .tooLate): #expect(bid.round == round)
    default: Issue.record("the lane has no bid")
    }
    return try await pipeline.settleRound(round, told)
  }

  /// The backbone says that it has frozen the grid.
  mutating func freeze() async throws {
    answered += 1
    let lane = try #require(pipeline.lane)
    let packet = Packet(
      source: lane.backbone, destination: lane.grid, sequence: answered, acknowledged: lane.sent,
      content: .frozen)
    let received = try await pipeline.receive([packet], entry: nil)
    #expect(received.executed == 1)
  }

  /// A fill with the money that a backbone would pay for it.
  func fill(at price: Int64, bought: Int64 = 0, sold: Int64 = 0) throws -> RoundFill {
    let energy = Energy(wattHours: sold - bought)
    return RoundFill(
      price: Price(price), bought: bought, sold: sold,
      money: try Price(price).cost(of: energy, .down))
  }

  // MARK: Blocks

  /// The next block, at a time in seconds.
  func decide(_ entries: [VerifiedEntry], at time: Int64) -> DecidedBlock {
    let attested = Attestation(
      height: height, stateRoot: .zero, receiptsRoot: .zero, outboxRoot: .zero)
    let header = BlockHeader(
      chain: genesis.chainID, epoch: 1, height: height + 1, view: height + 1, parentView: height,
      parent: .zero, time: Timestamp(seconds: time), body: .zero, attested: attested)
    return DecidedBlock(
      header: header, hash: header.hash, body: [], entries: entries, finality: nil)
  }

  /// Executes a block; whenever the state is encoded, money and TSL are what the lane says.
  @discardableResult
  mutating func execute(_ entries: [VerifiedEntry] = [], at time: Int64? = nil)
    async throws -> Execution
  {
    let block = decide(entries, at: max(time ?? self.time + 1, self.time + 1))
    self.time = block.header.time.seconds
    height += 1
    let execution = try await pipeline.execute(block)
    sent = execution.packets
    checkSupplies()
    return execution
  }

  func checkSupplies() {
    for asset in [Asset.money, .tsl] {
      #expect(
        Int128(pipeline.ledger.supply(of: asset)) == pipeline.lane?.supply(of: asset), "\(asset)")
    }
  }

  /// Meters' figures (exported, imported, mWh; by home), then the block that closes the interval.
  @discardableResult
  mutating func close(_ figures: [(Int64, Int64)] = []) async throws -> Execution {
    let interval = next
    let end = Self.calendar.end(of: interval).seconds
    let readings = figures.enumerated().map { home, figure in
      reading(home, interval, exported: figure.0, imported: figure.1)
    }
    try await execute(readings, at: end + 1)
    return try await execute(at: Self.calendar.close(of: interval).seconds)
  }

  func reading(
    _ home: Int, _ interval: Interval, exported: Int64, imported: Int64
  ) -> VerifiedEntry {
    VerifiedEntry(
      verified: .reading(
        Reading(
          chain: genesis.chainID, meter: Self.meter(home), interval: interval,
          exported: Energy(exported), imported: Energy(imported), version: 1)),
      signed: SignedBytes(payload: [UInt8(home)], signature: .zero))
  }

  /// One command of a home, or of the roles' account, alone in its block.
  @discardableResult
  mutating func run(_ body: CommandBody, by home: Int? = nil) async throws -> Receipt {
    let entry = command(body, by: home.map { Self.home($0) } ?? Self.lead)
    return try await execute([entry]).receipts[0]
  }

  mutating func command(_ body: CommandBody, by signer: PublicKey) -> VerifiedEntry {
    sequences[signer, default: 0] += 1
    let command = Command(
      chain: genesis.chainID, signer: signer, sequence: sequences[signer, default: 1],
      expires: Timestamp(seconds: 1 << 40), body: body)
    return VerifiedEntry(
      verified: .command(command),
      signed: SignedBytes(payload: WireCommand.payload(of: command), signature: .zero))
  }

  @discardableResult
  mutating func place(
    _ home: Int, _ side: Side, _ wattHours: Int64, at limit: Int64
  ) async throws -> Receipt {
    try await run(
      .place(
        OrderRequest(
          side: side, wattHours: wattHours, limit: Price(limit), timeInForce: .goodTillCancelled)),
      by: home)
  }

  func orders(_ home: Int) -> [OpenOrder] {
    pipeline.book.openOrders(of: pipeline.ledger.index(of: Self.home(home))!)
  }
}
