import Domain
import Foundation
import GRPCCore
import Synchronization
import Wire

/// What a node says of itself, and the genesis that it keeps.
struct StatusService: Intertie_V1_Status.SimpleServiceProtocol {
  private let grid: Microgrid
  private let text = GenesisText()
  /// Bytes of one piece of the genesis.
  private static let pieceBytes = 256 << 10
  /// Records of evidence that are read at a time.
  private static let evidencePage = 64

  init(_ grid: Microgrid) { self.grid = grid }

  func status(request: Intertie_V1_StatusRequest, context: ServerContext) async throws
    -> Intertie_V1_StatusResponse
  {
    let view = grid.view
    let tip = view.tip
    let calendar = grid.genesis.calendar
    let now = grid.clock.now
    let close = calendar.close(of: view.nextClose)
    var status = Intertie_V1_StatusResponse()
    status.chainID = Data(grid.chain.array)
    status.name = grid.genesis.name
    status.version = Microgrid.version
    status.uptimeS = grid.uptimeSeconds
    status.height = tip.height
    status.blockHash = Data(tip.hash.array)
    status.stateRoot = Data(tip.stateRoot.array)
    status.blockTimeUs = tip.time.microseconds
    status.chainTimeUs = now.microseconds
    status.rate = calendar.rate
    status.intervalS = calendar.intervalSeconds
    status.closeDelayS = calendar.closeDelaySeconds
    status.openInterval = calendar.interval(at: now).index
    status.nextClose = view.nextClose.index
    status.nextCloseUs = close.microseconds
    status.closeLagUs = max(0, now.microseconds - close.microseconds)
    status.recentCloses = view.recentCloses.map { close in
      .with {
        $0.interval = close.interval.index
        $0.lateUs = close.late
      }
    }
    status.queueDepth = UInt32(clamping: grid.queueDepth)
    status.accounts = UInt64(view.accountCount)
    status.meters = UInt64(view.meters)
    status.orders = UInt64(view.orders)
    status.trades = view.counters.trades
    status.readings = view.counters.readings
    status.commands = view.counters.commands
    status.failure = view.failure?.description ?? ""
    describeValidators(in: &status)
    return status
  }

  /// The set of validators, the open proposal, and how this node stands among the others.
  private func describeValidators(in status: inout Intertie_V1_StatusResponse) {
    let registry = grid.view.registry
    status.epoch = registry.epoch
    status.view = grid.view.standing.view
    status.nodeKey = grid.nodeKey.data
    status.validators = registry.validators.map(\.data)
    if let place = registry.validators.firstIndex(of: grid.nodeKey) {
      status.place = UInt32(clamping: place)
    }
    status.quorum = UInt32(clamping: ValidatorCounts(of: registry.validators.count).quorum)
    status.proposedValidators = registry.proposal?.map(\.data) ?? []
    status.accepted = registry.acceptances.map(\.signer.data)
    let network = grid.networkStatus
    status.peers = network.peers.map { .init($0, ownView: status.view) }
    status.evidence = UInt64(clamping: network.evidence)
    status.isAbstaining = network.isAbstaining
  }

  func epochs(
    request: Intertie_V1_EpochsRequest, response: RPCWriter<Intertie_V1_EpochChange>,
    context: ServerContext
  ) async throws {
    for change in grid.view.registry.history where change.epoch >= request.from {
      try await response.write(.init(change))
    }
  }

  func evidence(
    request: Intertie_V1_EvidenceRequest, response: RPCWriter<Intertie_V1_EvidenceItem>,
    context: ServerContext
  ) async throws {
    try await serving {
      var last = Int64(clamping: request.from == 0 ? 0 : request.from - 1)
      while true {
        let after = last
        let page = try await grid.host.read {
          try $0.evidence(after: after, limit: Self.evidencePage)
        }
        for item in page.items {
          // Of an epoch whose first block is being published: it comes with the next call.
          guard let validators = grid.view.registry.validators(of: item.evidence.epoch) else {
            return
          }
          try await response.write(try .init(item, validators: validators, chain: grid.chain))
        }
        guard page.items.count == Self.evidencePage else { return }
        last = page.last
      }
    }
  }

  func genesis(
    request: Intertie_V1_GenesisRequest, response: RPCWriter<Intertie_V1_GenesisChunk>,
    context: ServerContext
  ) async throws {
    let json = try await text.json(of: grid.genesis)
    for start in stride(from: 0, to: json.count, by: Self.pieceBytes) {
      var piece = Intertie_V1_GenesisChunk()
      piece.json = json[start..<min(start + Self.pieceBytes, json.count)]
      try await response.write(piece)
    }
  }
}

/// The genesis as JSON, made once, when somebody first asks for it.
private final class GenesisText: Sendable {
  private let making = Mutex<Task<Data, any Error>?>(nil)

  func json(of genesis: Genesis) async throws -> Data {
    let text = making.withLock { making in
      let text =
        making
        ?? Task {
          try await VerifierThreads.run {
            Result {
              let encoder = JSONEncoder()
              encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
              return try encoder.encode(genesis)
            }
          }.get()
        }
      making = text
      return text
    }
    return try await text.value
  }
}
