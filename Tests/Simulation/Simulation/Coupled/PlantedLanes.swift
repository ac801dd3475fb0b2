import Consensus
import Domain
import Node
import Storage

@testable import Backbone

/// Mistakes in the lanes that the simulation must find. They are made around the states under test,
/// which know nothing of them.
package enum PlantedLaneBug: String, CaseIterable, Sendable {
  case backboneRepeats = "the backbone executes a packet twice"
  case backboneSkips = "the backbone leaves packets out"
  case backboneThaws = "the backbone goes on with a grid that signed two histories"
  case linesCarryTwice = "a line carries twice its capacity"
  case packetNotStored = "a packet of the backbone is not stored"
  case gridRepeats = "a grid executes a packet twice"
  case gridSkips = "a grid leaves packets out"
  case gridBelieves = "a grid executes packets without a proof"
  case refundsByClock = "a grid refunds by its own reckoning"
  case endsHoldByClock = "a grid ends a hold by its own reckoning"
  case carriesBeforeSync = "packets leave before they are durable"

  /// What the oracle may say of it: the mistake itself, not some other trouble.
  package var signs: [String] {
    switch self {
    case .backboneRepeats, .backboneSkips: ["the backbone is at packet", "executes a packet"]
    case .backboneThaws: ["not frozen"]
    case .linesCarryTwice: ["not what was registered"]
    case .packetNotStored: ["cannot prove", "out of its turn", "neither moved"]
    case .gridRepeats, .gridSkips: ["is at packet", "executes a packet"]
    case .gridBelieves: ["that was never sent", "proves nothing"]
    case .refundsByClock: ["supply", "ends twice", "refund"]
    case .endsHoldByClock: ["supply", "result", "interval"]
    case .carriesBeforeSync: ["does not have"]
    }
  }

  /// Of the run under way.
  @TaskLocal static var current: PlantedLaneBug?
}

/// A grid's state, perhaps with a mistake in it.
struct GridState: RestorableState {
  var inner: BarePipeline
  let backbone: BackboneGenesis?

  static var kinds: EntryKinds { BarePipeline.kinds }

  init(genesis: Genesis) async throws(Rejection) {
    inner = try await BarePipeline(genesis: genesis)
    backbone = genesis.backbone
  }

  init(genesis: Genesis, chunks: [StateChunk]) throws(Rejection) {
    inner = try BarePipeline(genesis: genesis, chunks: chunks)
    backbone = genesis.backbone
  }

  var registry: ValidatorRegistry { inner.registry }
  var due: Timestamp? { inner.due }
  var awaitsAttestation: Bool { inner.awaitsAttestation }
  var outbox: OutboxWindow { inner.outbox }
  var totals: ChainTotals { inner.totals }
  mutating func roots() -> (state: Digest, outbox: Digest) { inner.roots() }
  func proof(of account: AccountIndex) async -> StateProof? { await inner.proof(of: account) }

  mutating func execute(_ block: DecidedBlock) async throws(InvariantViolation) -> Execution {
    let received = inner.lane?.received ?? 0
    var believed: [Int] = []
    switch PlantedLaneBug.current {
    case .gridRepeats, .gridSkips: misplace(block)
    case .gridBelieves:
      for (entry, item) in block.entries.enumerated() {
        guard case .delivery(let delivery) = item.content else { continue }
        let got = try await inner.receive(delivery.packets.map(\.packet), entry: nil)
        if got.executed > 0 { believed.append(entry) }
      }
    case .refundsByClock: try await refund()
    case .endsHoldByClock: try await endHold(block.header.time)
    default: break
    }
    var execution = try await inner.execute(block)
    for entry in believed { execution.receipts[entry] = .applied }
    if PlantedLaneBug.current == .gridRepeats, let now = inner.lane?.received, now < received {
      inner.lane?.received = received
    }
    return execution
  }

  /// Makes a delivery that begins too early or too late look like the next one.
  private mutating func misplace(_ block: DecidedBlock) {
    for case .delivery(let delivery) in block.entries.map(\.content) {
      guard let lane = inner.lane, let first = delivery.packets.first?.packet.sequence else {
        continue
      }
      let isOld = first <= lane.received
      let isMeant = PlantedLaneBug.current == .gridRepeats ? isOld : first > lane.received + 1
      if isMeant { inner.lane?.received = first - 1 }
    }
  }

  /// A transfer that is under way for six packets comes back.
  private mutating func refund() async throws(InvariantViolation) {
    for entry in inner.lane?.underWay ?? [] where entry.sequence + 6 <= inner.lane?.sent ?? 0 {
      if let place = inner.lane?.underWay.firstIndex(of: entry) {
        _ = inner.lane?.journeys.remove(at: place)
      }
      inner.lane?.debited[entry.item.asset] -= Int128(entry.item.amount)
      try inner.ledger.receive([
        .credit(
          TravelCredit(
            account: entry.item.account, asset: entry.item.asset, amount: entry.item.amount,
            kind: .refunded, packet: entry.sequence))
      ])
    }
  }

  private mutating func endHold(_ time: Timestamp) async throws(InvariantViolation) {
    guard let backbone, let bid = inner.lane?.openBid,
      time >= backbone.calendar.end(of: bid.round).advanced(bySeconds: backbone.roundSeconds)
    else { return }
    inner.lane?.openBid = nil
    try await inner.settleRound(bid.round, nil)
  }
}

/// The backbone's state, perhaps with a mistake in it.
struct BackboneState: RestorableState {
  var inner: BackbonePipeline

  static var kinds: EntryKinds { BackbonePipeline.kinds }

  init(genesis: BackboneGenesis) throws(Rejection) {
    inner = try BackbonePipeline(genesis: genesis)
  }

  init(genesis: BackboneGenesis, chunks: [StateChunk]) throws(Rejection) {
    inner = try BackbonePipeline(genesis: genesis, chunks: chunks)
  }

  var registry: ValidatorRegistry { inner.registry }
  var due: Timestamp? { inner.due }
  var awaitsAttestation: Bool { inner.awaitsAttestation }
  var outbox: OutboxWindow { inner.outbox }
  var totals: ChainTotals { inner.totals }
  mutating func roots() -> (state: Digest, outbox: Digest) { inner.roots() }
  func proof(of account: AccountIndex) -> StateProof? { nil }

  mutating func execute(_ block: DecidedBlock) throws(InvariantViolation) -> Execution {
    let received = inner.core.gridRecords.map(\.received)
    switch PlantedLaneBug.current {
    case .backboneRepeats, .backboneSkips: misplace(block)
    case .backboneThaws:
      for place in inner.core.grids.indices where inner.core.grids[place].isFrozen {
        inner.core.grids[place].conflict = nil
      }
    case .linesCarryTwice:
      for place in inner.core.lines.indices where inner.core.lines[place].back.raw == 700_000 {
        inner.core.lines[place].back = Power(1_400_000)
        inner.core.lines[place].forth = Power(2 * inner.core.lines[place].forth.raw)
      }
    default: break
    }
    var execution = try inner.execute(block)
    if PlantedLaneBug.current == .backboneRepeats {
      for (place, last) in received.enumerated() where inner.core.grids[place].received < last {
        inner.core.grids[place].received = last
      }
    }
    if PlantedLaneBug.current == .packetNotStored, block.header.height.isMultiple(of: 16) {
      execution.packets = Array(execution.packets.dropLast())
    }
    return execution
  }

  /// Makes a delivery that begins too early or too late look like the next one.
  private mutating func misplace(_ block: DecidedBlock) {
    for case .delivery(let delivery) in block.entries.map(\.content) {
      guard let place = inner.core.grids.place(of: delivery.source),
        let first = delivery.packets.first?.packet.sequence
      else { continue }
      let last = inner.core.grids[place].received
      let isOld = first <= last
      let isMeant = PlantedLaneBug.current == .backboneRepeats ? isOld : first > last + 1
      if isMeant { inner.core.grids[place].received = first - 1 }
    }
  }
}
