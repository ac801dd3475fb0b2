import Backbone
import Domain
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Logging
import Node
import Storage
import Synchronization
import Testing
import Wire

/// A node that joined a chain by a state never had the packets of the blocks before it: other nodes
/// give them, and need not be trusted.
@Suite struct LaneJoinTests {
  private let grid = SigningGrid(1)
  private let folder = NSTemporaryDirectory() + "intertie-lanes-\(UUID().uuidString)"

  private func remove() { try? FileManager.default.removeItem(atPath: folder) }

  /// Six packets to the grid in blocks 2 to 4, a state after block `saved`, nothing kept below it.
  /// With a `lag`, headers attest so late that the last packets are part of that state.
  private func chain(saved: Int = 8, lag: Int = 0) throws -> BackboneMaker {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var maker = try BackboneMaker(store: folder + "/source.sqlite")
    let registration = try GridRegistration(of: grid.genesis, on: BackboneMaker.id)
    try maker.block([maker.command(.register(registration))])
    for _ in 2...4 { try maker.block([issue(&maker), issue(&maker)], lag: lag) }
    while maker.height < saved {
      let isLast = Int(maker.height) == saved - 1
      let rating = maker.command(.rate(grid.id, cleanPower: Power(Int64(maker.height))))
      try maker.block(isLast ? [rating] : [], lag: lag, isSaving: isLast)
    }
    return maker
  }

  private func issue(_ maker: inout BackboneMaker) -> VerifiedEntry {
    maker.command(.issue(grid.id, to: grid.key.publicKey, amount: Money(5)))
  }

  private func join(_ maker: BackboneMaker) async throws -> Store {
    try maker.store.prune(below: .max)
    let store = try Store(path: folder + "/joined.sqlite", chain: BackboneMaker.id)
    var join = SnapshotJoin<BackbonePipeline>(store: store, genesis: BackboneMaker.genesis)
    let report = try await join.run([maker.archive.source(named: "a")])
    #expect(report.dropped.isEmpty)
    _ = try #require(report.height)
    return store
  }

  private func question(_ received: UInt64) -> LaneQuestion {
    LaneQuestion(destination: grid.id, received: received, epoch: 1)
  }

  private func delivery(_ answer: PacketSource.Answer) throws -> PacketDelivery {
    guard case .delivery(let delivery) = answer else {
      throw NodeFailure.notFound("no delivery but \(answer)")
    }
    return delivery
  }

  // MARK: What a joined store has

  @Test func packetsOfBeforeTheStateAreNotThere() async throws {
    defer { remove() }
    var maker = try chain()
    try maker.block()
    let joined = try await join(maker)
    guard case .absent = try await maker.source(over: joined).answer(question(0)) else {
      Issue.record("a joined node has what it never had")
      return
    }
    let held = try delivery(try await maker.source(over: maker.store).answer(question(0)))
    #expect(held.packets.map(\.packet.sequence) == [1, 2])
  }

  /// What no header had attested when the state was taken is in it, and is there from then on.
  @Test func packetsOfTheStateAreThere() async throws {
    defer { remove() }
    var maker = try chain(saved: 5, lag: 2)
    // The state after block 5, attested by header 6: header 5 attests block 2 at most.
    try maker.block()
    let joined = try await join(maker)
    #expect(try joined.packetsFrom() == 3)
    #expect(try joined.packet(to: grid.id, sequence: 2) == nil)
    #expect(try joined.packet(to: grid.id, sequence: 3)?.height == 3)
    try joined.commit(CommitBatch(executed: [try executed(maker, 6)]))
    let held = try delivery(try await maker.source(over: joined).answer(question(2)))
    #expect(held.packets.map(\.packet.sequence) == [3, 4, 5, 6])
    let whole = try delivery(try await maker.source(over: maker.store).answer(question(2)))
    #expect(held == whole)
  }

  /// A header behind the state's may attest a block before it, whose root covers packets that the
  /// state has no more. That is nothing wrong with the store, and others have them.
  @Test func aRootThatReachesFurtherBackIsNotMade() async throws {
    defer { remove() }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var maker = try BackboneMaker(store: folder + "/source.sqlite")
    let registration = try GridRegistration(of: grid.genesis, on: BackboneMaker.id)
    try maker.block([maker.command(.register(registration))])
    // Headers 5 to 8 attest blocks 2, 4, 5 and 6.
    for _ in 2...5 { try maker.block([issue(&maker)], lag: 2) }
    let rating = maker.command(.rate(grid.id, cleanPower: Power(1)))
    try maker.block([rating], lag: 1, isSaving: true)
    for _ in 7...8 { try maker.block(lag: 1) }
    let joined = try await join(maker)
    #expect(joined.latestHeight == 6)
    for height in 7...8 { try joined.commit(CommitBatch(executed: [try executed(maker, height)])) }
    // The packet of block 5 is here; the root of block 5 covers those of 3 and 4 as well.
    #expect(try joined.packetsFrom() == 5)
    #expect(try joined.packet(to: grid.id, sequence: 4)?.height == 5)
    guard case .absent = try await maker.source(over: joined).answer(question(3)) else {
      Issue.record("a root is made from packets that are not there")
      return
    }
    let held = try delivery(try await maker.source(over: maker.store).answer(question(3)))
    #expect(held.packets.map(\.packet.sequence) == [4])
  }

  private func executed(_ maker: BackboneMaker, _ height: Int) throws -> ExecutedBlock {
    // The block as the source has stored it.
    let block = maker.blocks[height - 1]
    var replay = try BackbonePipeline(genesis: BackboneMaker.genesis)
    var last: ExecutedBlock?
    for earlier in maker.blocks[..<height] {
      last = ExecutedBlock(earlier, try replay.execute(earlier))
    }
    #expect(last?.hash == block.hash)
    return try #require(last)
  }

  /// Of many blocks that became final together the last header that attests the packets is taken,
  /// so that the proof stays short.
  @Test func aProofBeginsNearTheFinalizedBlock() async throws {
    defer { remove() }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var maker = try BackboneMaker(store: folder + "/source.sqlite")
    let registration = try GridRegistration(of: grid.genesis, on: BackboneMaker.id)
    try maker.block([maker.command(.register(registration))])
    try maker.block([issue(&maker)])
    // Nothing is executed while nothing is final: every header of these attests block 2.
    for lag in 0..<600 { try maker.block(lag: lag, isCertified: lag == 599) }
    let held = try delivery(try await maker.source(over: maker.store).answer(question(0)))
    #expect(held.header.height == 602)
    #expect(held.encoded.count < 4 << 10)
    let known = ProvenValidators(BackboneMaker.genesis)
    #expect(try ProvenPackets(held, known: known).packets.map(\.sequence) == [1])
  }

  // MARK: Over the network

  /// Serves the lanes of `source` on the loopback while `body` asks.
  private func serving(
    _ source: PacketSource, now: @escaping @Sendable () -> Int64,
    _ body:
      @escaping @Sendable (Intertie_V1_Lanes.Client<HTTP2ClientTransport.Posix>) async throws
      -> Void
  ) async throws {
    let caller = grid.key.publicKey
    let transport = HTTP2ServerTransport.Posix(
      address: .ipv4(host: "127.0.0.1", port: 0), transportSecurity: .plaintext)
    let server = GRPCServer(
      transport: transport, services: [LaneService(source, now: now) { _ in caller }])
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await server.serve(untilCancelledWithin: .seconds(3)) {} }
      group.addTask {
        defer { server.beginGracefulShutdown() }
        let port = try #require(try await transport.listeningAddress.ipv4?.port)
        let client = try HTTP2ClientTransport.Posix(
          target: .ipv4(address: "127.0.0.1", port: port), transportSecurity: .plaintext)
        try await withGRPCClient(transport: client) { client in
          try await body(Intertie_V1_Lanes.Client(wrapping: client))
        }
      }
      try await group.waitForAll()
    }
  }

  private static func request(_ question: LaneQuestion) -> Intertie_V1_LaneRequest {
    .with {
      $0.destination = Data(question.destination.array)
      $0.received = question.received
      $0.epoch = question.epoch
    }
  }

  @Test func aPeerAnswersWithinBounds() async throws {
    defer { remove() }
    var maker = try chain()
    try maker.block()
    let expected = try delivery(try await maker.source(over: maker.store).answer(question(2)))
    let (time, grid) = (HandClock(seconds: 0), grid.id)
    let source = maker.source(over: maker.store)
    try await serving(source, now: time.read) { lanes in
      func ask(_ received: UInt64, of grid: ChainID) async throws -> Data {
        let question = LaneQuestion(destination: grid, received: received, epoch: 1)
        return try await lanes.next(Self.request(question)).delivery
      }
      #expect(try await ask(2, of: grid) == Data(expected.encoded))
      // Behind the last one, of a stranger's lane, and at the end of the numbers: nothing.
      #expect(try await ask(6, of: grid).isEmpty)
      #expect(try await ask(0, of: ChainID(Bytes32(7, 7, 7, 7))).isEmpty)
      #expect(try await ask(.max, of: grid).isEmpty)
      for bad in [Intertie_V1_LaneRequest(), .with { $0.destination = Data(grid.array) }] {
        let error = await #expect(throws: RPCError.self) { try await lanes.next(bad) }
        #expect(error?.code == .invalidArgument)
      }
      // Of those in a second four are gone.
      for _ in 0..<LaneLimits.questionsPerSecond - 4 { _ = try await ask(2, of: grid) }
      let error = await #expect(throws: RPCError.self) { try await ask(2, of: grid) }
      #expect(error?.code == .resourceExhausted)
      time.set(seconds: 1)
      #expect(try await !ask(2, of: grid).isEmpty)
    }
  }

  // MARK: A courier without the packets

  /// What the grid has executed of the backbone's packets, by proofs alone.
  private final class Receiver: Sendable {
    let state: Mutex<(lane: GridLane, refused: Int)>
    init(_ lane: GridLane) { state = Mutex((lane: lane, refused: 0)) }

    var received: UInt64 { state.withLock { $0.lane.received } }
    var refused: Int { state.withLock { $0.refused } }

    func take(_ signed: SignedBytes) -> EntryResult {
      state.withLock { state in
        let known = ProvenValidators(
          chain: BackboneMaker.id, epoch: 1, validators: state.lane.validators)
        guard let delivery = try? PacketDelivery(decoding: signed.payload),
          let proven = try? ProvenPackets(delivery, known: known)
        else {
          state.refused += 1
          return .refused(.malformed)
        }
        for packet in proven.packets { _ = state.lane.receive(packet) }
        return EntryResult(receipt: .applied, position: nil, time: nil)
      }
    }
  }

  /// How often each was asked.
  private final class Tally: Sendable {
    private let counts = Mutex<[Int: Int]>([:])
    func add(_ place: Int) { counts.withLock { $0[place, default: 0] += 1 } }
    func count(of place: Int) -> Int { counts.withLock { $0[place, default: 0] } }
  }

  /// Peers that answer garbage, with another lane's packets, too late ones or forged ones, that
  /// fail, and one that has the packets: these arrive, and nothing else is handed in.
  @Test(.timeLimit(.minutes(10))) func whoLiesHurtsNobody() async throws {
    defer { remove() }
    var maker = try chain()
    try maker.block()
    let joined = try await join(maker)
    let good = maker.source(over: maker.store)
    let late = try delivery(try await good.answer(question(4)))
    var forged = try delivery(try await good.answer(question(0)))
    forged.packets[0].packet.body[0] ^= 1
    let lies = [[UInt8](repeating: 7, count: 300), [], late.encoded, forged.encoded]
    let receiver = Receiver(
      GridLane(
        grid: grid.id, backbone: BackboneMaker.id,
        validators: BackboneMaker.genesis.validators))
    let names = (0..<6).map { SigningGrid(20 + $0).key.publicKey }
    let asked = Tally()
    let peers = PacketPeers(
      all: { names },
      ask: { peer, question in
        let place = try #require(names.firstIndex(of: peer))
        asked.add(place)
        if place < lies.count { return lies[place] }
        if place == lies.count { throw NodeFailure.stopped("the peer is gone") }
        guard case .delivery(let delivery) = try await good.answer(question) else { return nil }
        return delivery.encoded
      })
    let bell = Bell()
    let sent = try #require(maker.core.grid(grid.id)).sent
    #expect(sent == 6)
    let courier = Courier(
      source: maker.source(over: joined), destination: grid.id, peers: peers, sent: { sent },
      end: {
        LaneEnd(
          received: receiver.received, epoch: 1,
          validators: BackboneMaker.genesis.validators)
      }, turn: { _ in 0 }, submit: { receiver.take($0) }, bell: bell,
      log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await courier.run() }
      try await eventually("the packets do not arrive") { receiver.received == sent }
      group.cancelAll()
    }
    #expect(receiver.refused == 0)
    #expect(receiver.state.withLock { $0.lane.supply(of: .money) } == 30)
    // What comes too late at first is right for the last packets.
    #expect((2...3).contains(asked.count(of: 5)))
  }
}
