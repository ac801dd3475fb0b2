import Backbone
import Consensus
import Domain
import Foundation
import Market
import Node
import ProcessSupport
import Storage
import TestSupport
import Wire

/// What one replica of the backbone does for each grid and interval, without a network, up to as
/// many grids as a round takes: it admits, verifies and executes a delivery with a bid of 64 prices
/// a side and one with a checkpoint, clears the round, and stores it all.
struct ReplicaBenchmark {
  struct Figures: Sendable {
    var grids: Int
    var validators: Int
    /// For each grid and interval: CPU seconds, bytes of blocks, bytes on disk.
    var admission: Double
    var execution: Double
    var storage: Double
    var block: Double
    var disk: Double

    var processor: Double { admission + execution + storage }
  }

  private static let rounds = 6
  private static let intervalSeconds = 900.0
  private static let intervalsPerDay = 96.0

  static func run() throws {
    table(
      "One replica in this process, CPU for each grid and interval",
      [
        "grids", "validators a grid", "admit", "verify, execute, clear", "store", "in all",
        "bytes of blocks", "bytes on disk",
      ])
    var largest: [Figures] = []
    for validators in [1, 4] {
      for grids in [10, 100, CouplingLimits.grids] {
        let one = try measure(grids, validators)
        let times = [one.admission, one.execution, one.storage, one.processor]
        var cells = ["\(grids)", "\(validators)"]
        for time in times { cells.append("\(format(time * 1e6, 0)) µs") }
        cells += [format(one.block, 0), format(one.disk, 0)]
        row(cells)
        fflush(nil)
        if grids == CouplingLimits.grids { largest.append(one) }
      }
    }
    print("")
    for figures in largest { say(figures) }
    fflush(nil)
  }

  /// What the largest backbone costs with intervals of 15 minutes.
  private static func say(_ figures: Figures) {
    let grids = Double(figures.grids)
    let busy = figures.processor * grids
    let day = figures.disk * grids * intervalsPerDay
    print(
      """
      \(figures.grids) grids, the most that a round takes, validators of each: \
      \(figures.validators). An interval of 15 minutes takes \(format(busy * 1000, 0)) ms of a \
      replica's CPU, \(format(busy / intervalSeconds * 100, 3)) % of a core; a day takes \
      \(format(day / 1e6, 0)) MB of its disk.
      """)
  }

  private static func measure(_ grids: Int, _ validators: Int) throws -> Figures {
    let path = NSTemporaryDirectory() + "intertie-replica-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    var replica = try MeasuredReplica(grids: grids, validators: validators, path: path)
    try replica.found()
    // The first round brings in what only happens once.
    try replica.couple()
    try replica.reset()
    for _ in 0..<rounds { try replica.couple() }
    let count = Double(grids * rounds)
    return Figures(
      grids: grids, validators: validators, admission: replica.admitting / count,
      execution: replica.executing / count, storage: replica.storing / count,
      block: Double(replica.blockBytes) / count, disk: Double(try replica.grownBytes()) / count)
  }
}

/// A replica of the backbone, fed with what its grids send.
struct MeasuredReplica {
  private struct Grid {
    var lane: GridLane
    let keys: [SigningKey]
    let genesis: Genesis
    /// The newest block, which the next checkpoint names.
    var header: BlockHeader?
    var height: UInt64 = 0
  }

  private let genesis: BackboneGenesis
  private let lead = SigningKey.generate()
  private let database: String
  private var store: Store
  private var state: BackbonePipeline
  private var grids: [Grid]
  private var random = SplitMix64(seed: 1)
  private var height: UInt64 = 0
  private var parent: Digest
  private var time: Int64
  private var attested: Attestation
  private var interval: Interval
  private var sequence: UInt64 = 0
  private var startBytes = 0

  /// CPU seconds of admission, execution and commits, and bytes of the blocks' bodies, so far.
  private(set) var admitting = 0.0
  private(set) var executing = 0.0
  private(set) var storing = 0.0
  private(set) var blockBytes = 0

  init(grids count: Int, validators: Int, path: String) throws {
    let id = lead.publicKey
    let origin: Int64 = 1_700_000_100
    let calendar = Calendar(origin: origin, wallOrigin: origin)
    let genesis = BackboneGenesis(
      name: "replica", calendar: calendar,
      roles: BackboneRoles(operator: id, oracle: id, gateway: id),
      validators: (0..<4).map { _ in SigningKey.generate().publicKey })
    self.genesis = genesis
    database = path + "/chain.sqlite"
    let chain = genesis.chainID
    store = try Store(path: database, chain: chain)
    var state = try BackbonePipeline(genesis: genesis)
    let roots = state.roots()
    attested = Attestation(
      height: 0, stateRoot: roots.state, receiptsRoot: Digest.sha256([]), outboxRoot: roots.outbox)
    self.state = state
    parent = chain
    time = origin
    interval = calendar.firstInterval
    var parameters = Parameters()
    parameters.educationFund = .zero
    let founders = parameters
    grids = (0..<count).map { number in
      let keys = (0..<validators).map { _ in SigningKey.generate() }
      let grid = Genesis(
        name: "grid \(number)", calendar: calendar, parameters: founders,
        roles: Roles(operator: id, oracle: id, gateway: id, utility: id, community: id),
        validators: keys.map(\.publicKey),
        tariff: Tariff(retail: Price(300_000), feedIn: Price(100_000), intervalsPerDay: 96),
        backbone: genesis)
      return Grid(
        lane: GridLane(grid: grid.chainID, backbone: chain, validators: genesis.validators),
        keys: keys, genesis: grid)
    }
  }

  // MARK: What happens

  /// Grids, three lines for each, and money.
  mutating func found() throws {
    let office = Office(lead, chain: genesis.chainID)
    let count = grids.count
    var lines: [Interconnector] = []
    for index in 0..<3 * count {
      let from = index % count
      let to = index < count ? (from + 1) % count : (from + 1 + random.below(count - 1)) % count
      lines.append(
        Interconnector(
          id: UInt64(index + 1), from: grids[from].lane.grid, to: grids[to].lane.grid,
          forth: Power(random.int(4_000_000...240_000_000)),
          back: Power(random.int(4_000_000...240_000_000)), fee: Price(random.int(0...10_000)),
          owner: lead.publicKey))
    }
    var bodies = try office.entry(of: grids.map(\.genesis), lines: lines)
    for grid in grids {
      bodies.append(.issue(grid.lane.grid, to: lead.publicKey, amount: Money(1_000_000_000_000)))
    }
    try execute(bodies.map { try command($0) })
    try execute([])
  }

  private mutating func command(_ body: BackboneCommandBody) throws -> VerifiedEntry {
    sequence += 1
    let signed = SignedBytes.command(
      .backbone(body), on: genesis.chainID, by: lead, sequence: sequence)
    return VerifiedEntry(
      verified: .command(try WireCommand.parse(signed.payload)), signed: signed)
  }

  /// One interval: every grid bids, hears the result, and reports what it is.
  mutating func couple() throws {
    var bids: [VerifiedEntry] = []
    for place in grids.indices {
      let bid = CouplingBid(
        grid: grids[place].lane.grid, buys: ladder(place, -1), sells: ladder(place, 1))
      try grids[place].lane.bid(
        round: interval, steps: bid.encoded, hold: UInt64(interval.index))
      bids.append(try delivery(of: place))
    }
    time = max(time, genesis.calendar.close(of: interval).seconds)
    let rounds = try execute(bids)
    try demand(
      rounds.count == 1 && rounds[0].grids.count == grids.count
        && rounds[0].lines.contains { $0.flow != 0 }, "no round of all grids")
    try execute([])
    var checkpoints: [VerifiedEntry] = []
    for place in grids.indices {
      guard let header = grids[place].header else { continue }
      let lane = grids[place].lane
      try grids[place].lane.checkpoint(
        ProvenHeader(height: header.height, hash: header.hash), interval: interval,
        supplies: TravellingAssets(
          money: Int64(lane.supply(of: .money)), tsl: Int64(lane.supply(of: .tsl)),
          ect: Int64(lane.supply(of: .ect))), cleanStored: .zero, energyHeld: .zero)
      checkpoints.append(try delivery(of: place))
    }
    try execute(checkpoints)
    try execute([])
    try demand(
      state.core.gridRecords.allSatisfy { $0.checkpoint?.interval == interval },
      "checkpoints were not taken")
    interval = interval.advanced(by: 1)
  }

  /// 64 steps away from the grid's level, about 5 kWh each.
  private mutating func ladder(_ place: Int, _ direction: Int64) -> [PriceStep] {
    var price: Int64 = 140_000 + Int64(place) * 7919 % 120_000
    return (0..<CouplingLimits.steps).map { _ in
      price += direction * random.int(1...2000)
      return PriceStep(price: price, wattHours: random.int(1...10_000))
    }
  }

  /// What a grid has sent in its newest block, under the header of the next one.
  private mutating func delivery(of place: Int) throws -> VerifiedEntry {
    let packets = grids[place].lane.takeOutbox()
    var outbox = Outbox(packets)
    grids[place].height += 2
    let (grid, height) = (grids[place], grids[place].height)
    let header = BlockHeader(
      chain: grid.lane.grid, epoch: 1, height: height, view: height, parentView: height - 1,
      parent: Digest.sha256([1]), time: Timestamp(seconds: time), body: Digest.sha256([]),
      attested: Attestation(
        height: height - 1, stateRoot: Digest.sha256([2]), receiptsRoot: Digest.sha256([]),
        outboxRoot: outbox.root()))
    grids[place].header = header
    let subject = Subject.block(.finalize, header, hash: header.hash)
    let payload = subject.payload(chain: grid.lane.grid)
    let votes = grid.keys.prefix(Quorum.size(of: grid.keys.count)).enumerated().map { signer, key in
      Vote(subject: subject, signer: UInt16(signer), signature: key.sign(payload, for: .consensus))
    }
    let proof = HeaderProof(
      headers: [], certificate: Certificate(subject: subject, votes: votes))
    let delivery = PacketDelivery(
      source: grid.lane.grid, destination: genesis.chainID, epochs: [], header: header,
      finality: proof.encoded, packets: packets.indices.map { outbox.proof(of: $0) })
    return VerifiedEntry(
      verified: .delivery(try PacketDelivery(decoding: delivery.encoded)),
      signed: SignedBytes(payload: delivery.encoded, signature: .zero))
  }

  // MARK: Blocks

  /// The next block, executed and stored; what it sends is heard at once.
  @discardableResult
  private mutating func execute(_ entries: [VerifiedEntry]) throws -> [RoundRecord] {
    var body = CanonicalWriter()
    for entry in entries { BlockBody.append(entry, to: &body) }
    height += 1
    time += 1
    let header = BlockHeader(
      chain: genesis.chainID, epoch: 1, height: height, view: height, parentView: height - 1,
      parent: parent, time: Timestamp(seconds: time), body: Digest.sha256(body.bytes),
      attested: attested)
    let block = DecidedBlock(
      header: header, hash: header.hash, body: body.bytes, entries: entries, finality: nil)
    parent = block.hash
    let arrived = Yardstick.cpuSeconds()
    try admit(entries)
    let start = Yardstick.cpuSeconds()
    let execution = try state.execute(block)
    let executed = Yardstick.cpuSeconds()
    try store.commit(CommitBatch(executed: [ExecutedBlock(block, execution)]))
    admitting += start - arrived
    executing += executed - start
    storing += Yardstick.cpuSeconds() - executed
    blockBytes += body.bytes.count
    attested = execution.attestation
    try demand(
      execution.receipts.allSatisfy { $0.rejection == nil },
      "rejected: \(Set(execution.receipts.map(\.rejection)))")
    let places = Dictionary(
      uniqueKeysWithValues: grids.enumerated().map { ($1.lane.grid, $0) })
    for packet in execution.packets {
      guard let place = places[packet.destination] else { throw Fault("a packet for nobody") }
      guard case .done = grids[place].lane.receive(packet) else {
        throw Fault("a packet was refused")
      }
    }
    return execution.rounds
  }

  /// What the node that leads does with the deliveries that the others hand on, before it puts them
  /// into a block: it reads them and verifies their proofs, as execution will again.
  private func admit(_ entries: [VerifiedEntry]) throws {
    for entry in entries {
      guard case .delivery = entry.content else { continue }
      let delivery = try PacketDelivery(decoding: entry.signed.payload)
      guard let grid = state.core.grid(delivery.source) else {
        throw Fault("a delivery of a grid that nobody knows")
      }
      _ = try ProvenPackets(
        delivery,
        known: ProvenValidators(
          chain: grid.grid, epoch: grid.epoch, validators: grid.validators))
    }
  }

  // MARK: Counting

  /// Counts from now on.
  mutating func reset() throws {
    (admitting, executing, storing, blockBytes) = (0, 0, 0, 0)
    startBytes = try closedBytes()
    store = try Store(path: database, chain: genesis.chainID)
  }

  /// Bytes on disk since `reset`; nothing can be done with it afterwards.
  func grownBytes() throws -> Int { try closedBytes() - startBytes }

  /// Of the database, with its log moved into it.
  private func closedBytes() throws -> Int {
    try store.close()
    return fileBytes(database)
  }
}
