import Domain
import TestSupport

@testable import Backbone

func key(_ number: UInt64) -> PublicKey { PublicKey(Bytes32(number, 7, 7, 7)) }
func digest(_ number: UInt64) -> Digest { Digest(Bytes32(number, 9, 9, 9)) }

let backboneGenesis = BackboneGenesis(
  name: "The backbone", calendar: Calendar(origin: origin, wallOrigin: origin),
  roles: BackboneRoles(operator: Role.operator, oracle: Role.oracle, gateway: Role.gateway),
  validators: [key(400), key(401)])
let backboneID = backboneGenesis.chainID
/// The grids' ids by number from 0.
func gridID(_ number: Int) -> ChainID { digest(UInt64(number) + 1) }

enum Role {
  static let `operator` = key(101)
  static let oracle = key(102)
  static let gateway = key(103)
  static let owner = key(104)
}

let origin: Int64 = 900_000

func line(
  _ id: UInt64, _ from: Int, _ to: Int, forth: Int64 = 16_000_000, back: Int64 = 16_000_000,
  fee: Int64 = 20_000, owner: AccountID = Role.owner
) -> Interconnector {
  Interconnector(
    id: id, from: gridID(from), to: gridID(to), forth: Power(forth), back: Power(back),
    fee: Price(fee), owner: owner)
}

func registration(_ number: Int) -> GridRegistration {
  GridRegistration(
    grid: gridID(number), name: "grid \(number)", operator: key(UInt64(number) + 200),
    validators: [key(UInt64(number) + 300)])
}

/// Line 1 from grid 0 to 1, 2 from 1 to 2, 3 from 2 to 3.
let lines = [line(1, 0, 1), line(2, 1, 2), line(3, 2, 3)]

/// What makes a backbone of four grids: who asks for it, and what.
let founding: [(AccountID, CommandBody)] =
  (0..<4).map { (Role.operator, .register(registration($0))) }
  + lines.map { (Role.operator, .putLine($0)) }
  + (0..<4).flatMap {
    [
      (Role.gateway, .issue(gridID($0), to: key(9), amount: Money(1_000_000))),
      (Role.operator, .grant(gridID($0), to: key(9), amount: StorageTokens(500))),
    ]
  }

/// A bid of the tests: what it costs at most, behind nothing else.
func bidSteps(cost: Int64) -> [UInt8] {
  var writer = CanonicalWriter()
  writer.write(cost)
  return writer.bytes
}

/// Nil for what `bidSteps` did not make.
func bidCost(_ steps: [UInt8]) -> Money? {
  var reader = CanonicalReader(steps)
  guard let cost = try? reader.read(Int64.self), reader.remaining == 0 else { return nil }
  return Money(cost)
}

/// A backbone and the packets that its grids hand in, one after the other. Each of its four grids
/// has 1 ¤ and 500 µTSL, which are the first two packets to it.
struct Bench {
  var core: BackboneCore
  var next = [UInt64](repeating: 1, count: 8)
  var sequence: UInt64 = 1
  /// What the last command asks of the registry of validators.
  var instructions: [ValidatorInstruction] = []

  init() throws {
    core = try BackboneCore(backboneGenesis)
    try core.begin(height: 1, time: Timestamp(seconds: origin + 10))
    for (signer, body) in founding {
      if let rejection = try command(signer, body) { throw rejection }
    }
    _ = core.takeOutbox()
  }

  /// Ends the block, and begins the next one at this second after the origin.
  mutating func block(at second: Int64) throws {
    _ = core.takeOutbox()
    try core.begin(height: core.height + 1, time: Timestamp(seconds: origin + second))
  }

  /// The next packet of a grid.
  mutating func packet(_ grid: Int, _ content: PacketContent) -> Packet {
    defer { next[grid] += 1 }
    return Packet(
      source: gridID(grid), destination: backboneID, sequence: next[grid], acknowledged: 0,
      content: content)
  }

  mutating func hand(
    _ packet: Packet, header: ProvenHeader? = nil
  ) throws -> PacketOutcome {
    let proven =
      header ?? ProvenHeader(height: packet.sequence, hash: digest(5000 + packet.sequence))
    let delivery = try Delivery(source: packet.source, header: proven, packets: [packet])
    let receipts = core.receive(delivery, bidCost: bidCost)
    try core.checkInvariants()
    return receipts[0].outcome
  }

  mutating func send(_ grid: Int, _ content: PacketContent) throws -> PacketOutcome {
    try hand(packet(grid, content))
  }

  mutating func bid(_ grid: Int, _ round: Int64, cost: Int64 = 0) throws -> PacketOutcome {
    try send(grid, .bid(round: Interval(round), steps: bidSteps(cost: cost)))
  }

  mutating func command(
    _ signer: AccountID, _ body: CommandBody, chain: ChainID = backboneID,
    sequence number: UInt64? = nil, expires: Int64 = origin + 100_000
  ) throws -> Rejection? {
    defer { sequence += 1 }
    let command = Command(
      chain: chain, signer: signer, sequence: number ?? sequence,
      expires: Timestamp(seconds: expires), body: body)
    let outcome = core.apply([(entry: 0, command: command)])
    try core.checkInvariants()
    instructions = outcome.validators
    return outcome.receipts.first?.receipt.rejection
  }

  /// What the last packet of this block says.
  var lastSent: PacketContent? { core.outbox.last.flatMap { try? $0.content() } }

  func grid(_ number: Int) -> GridRecord { core.gridRecords[number] }
}

func transfer(
  to grid: Int, _ amount: Int64, asset: Asset = .money, deadline: UInt64 = 1000
) -> PacketContent {
  .transferOut(
    TransferOut(
      grid: gridID(grid), account: key(9), asset: asset, amount: amount, deadline: deadline,
      sender: key(8)))
}

/// The backbone's bodies, as short as the others.
extension CommandBody {
  static func register(_ grid: GridRegistration) -> CommandBody { .backbone(.register(grid)) }
  static func putLine(_ line: Interconnector) -> CommandBody { .backbone(.putLine(line)) }
  static func rate(_ grid: ChainID, cleanPower: Power) -> CommandBody {
    .backbone(.rate(grid, cleanPower: cleanPower))
  }
  static func grant(_ grid: ChainID, to: AccountID, amount: StorageTokens) -> CommandBody {
    .backbone(.grant(grid, to: to, amount: amount))
  }
  static func setFee(line: UInt64, _ fee: Price) -> CommandBody {
    .backbone(.setFee(line: line, fee))
  }
  static func issue(_ grid: ChainID, to: AccountID, amount: Money) -> CommandBody {
    .backbone(.issue(grid, to: to, amount: amount))
  }
  static func payOut(withdrawal: UInt64) -> CommandBody {
    .backbone(.payOut(withdrawal: withdrawal))
  }
  static func pay(_ grid: ChainID, to: AccountID, amount: Money) -> CommandBody {
    .backbone(.pay(grid, to: to, amount: amount))
  }
}
