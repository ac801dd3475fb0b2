import Backbone
import Domain
import GRPCCore
import Storage
import Wire

/// What this node's replica of the backbone knows, and the way in for its roles' commands.
struct BackboneService: Intertie_V1_Backbone.SimpleServiceProtocol {
  private let grid: Microgrid
  /// Withdrawals of one answer.
  private static let page = Limits.historyPage

  init(_ grid: Microgrid) { self.grid = grid }

  private func backbone() throws(NodeFailure) -> BackboneNode {
    guard let backbone = grid.backbone else {
      throw .notFound("this grid is not part of a backbone")
    }
    return backbone
  }

  func submit(request: Intertie_V1_SubmitRequest, context: ServerContext) async throws
    -> Intertie_V1_SubmitResponse
  {
    try await serving {
      try LedgerService.checkSize(request)
      let signed = request.commands.map { try? SignedBytes($0) }
      var response = Intertie_V1_SubmitResponse()
      response.results = try await backbone().submit(commands: signed).map {
        Intertie_V1_SubmitResult($0)
      }
      return response
    }
  }

  func report(request: Intertie_V1_ReportRequest, context: ServerContext) async throws
    -> Intertie_V1_ReportResponse
  {
    try await serving {
      var response = Intertie_V1_ReportResponse()
      response.result = Intertie_V1_SubmitResult(
        try await backbone().submit(report: Array(request.report)))
      return response
    }
  }

  func overview(request: Intertie_V1_OverviewRequest, context: ServerContext) async throws
    -> Intertie_V1_OverviewResponse
  {
    try await serving {
      let backbone = try backbone()
      var response = Intertie_V1_OverviewResponse(backbone.view)
      response.name = backbone.genesis.name
      let peers = backbone.host.network?.status ?? []
      response.peers = UInt32(clamping: peers.count)
      response.connected = UInt32(
        clamping: peers.count { $0.outgoing != nil && $0.incoming != nil })
      response.links = peers.map { .init($0, ownView: response.view) }
      response.nodeKey = grid.nodeKey.data
      if let place = backbone.view.registry.validators.firstIndex(of: grid.nodeKey) {
        response.place = UInt32(clamping: place)
      }
      response.isAbstaining = backbone.view.standing.isAbstaining
      if let lane = grid.view.lane { response.own = Intertie_V1_GridEnd(lane) }
      return response
    }
  }

  func epochs(
    request: Intertie_V1_EpochsRequest, response: RPCWriter<Intertie_V1_EpochChange>,
    context: ServerContext
  ) async throws {
    try await serving {
      for change in try backbone().view.registry.history where change.epoch >= request.from {
        try await response.write(.init(change))
      }
    }
  }

  func rounds(request: Intertie_V1_RoundsRequest, context: ServerContext) async throws
    -> Intertie_V1_RoundsResponse
  {
    try await serving {
      let backbone = try backbone()
      let tip = backbone.view.tip.height
      let limit = Page.size(request.limit)
      let rounds = try await backbone.host.read {
        try $0.rounds(from: Interval(request.from), limit: limit)
      }
      var response = Intertie_V1_RoundsResponse()
      response.rounds = rounds.filter { $0.height <= tip }.map { Intertie_V1_CouplingRound($0) }
      return response
    }
  }

  func account(request: Intertie_V1_BackboneAccountRequest, context: ServerContext) async throws
    -> Intertie_V1_BackboneAccountResponse
  {
    try await serving {
      let id = try PublicKey(request: request.account, "account")
      let core = try backbone().view.core
      guard let account = core.account(id) else {
        throw NodeFailure.notFound("no account \(id.text(as: .account)) on the backbone")
      }
      var response = Intertie_V1_BackboneAccountResponse()
      response.height = core.height
      response.money = account.money.raw
      response.nextSequence = account.window.highest + 1
      return response
    }
  }

  func withdrawals(request: Intertie_V1_WithdrawalsRequest, context: ServerContext) async throws
    -> Intertie_V1_WithdrawalsResponse
  {
    try await serving {
      var response = Intertie_V1_WithdrawalsResponse()
      response.withdrawals = try backbone().view.core.withdrawals
        .lazy.filter { $0.id >= request.from }.prefix(Self.page).map { waiting in
          .with {
            $0.withdrawal = waiting.id
            $0.grid = waiting.grid.data
            $0.account = waiting.account.data
            $0.amount = waiting.amount.raw
          }
        }
      return response
    }
  }
}
