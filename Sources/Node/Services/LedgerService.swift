import Domain
import Foundation
import GRPCCore
import Ledger
import Storage
import Wire

/// Commands, accounts, receipts, proofs, history, and the blocks themselves.
struct LedgerService: Intertie_V1_Ledger.SimpleServiceProtocol {
  private let grid: Microgrid

  init(_ grid: Microgrid) { self.grid = grid }

  /// Throws `invalid` for more commands than a submission has.
  static func checkSize(_ request: Intertie_V1_SubmitRequest) throws(NodeFailure) {
    guard request.commands.count <= Limits.commandsPerSubmission else {
      throw .invalid("a submission has at most \(Limits.commandsPerSubmission) commands")
    }
  }

  func submit(request: Intertie_V1_SubmitRequest, context: ServerContext) async throws
    -> Intertie_V1_SubmitResponse
  {
    try await serving {
      try Self.checkSize(request)
      let signed = request.commands.map { try? SignedBytes($0) }
      var response = Intertie_V1_SubmitResponse()
      response.results = try await grid.submit(commands: signed).map {
        Intertie_V1_SubmitResult($0)
      }
      return response
    }
  }

  func account(request: Intertie_V1_AccountRequest, context: ServerContext) async throws
    -> Intertie_V1_AccountResponse
  {
    try await serving {
      let (account, index, height) = try grid.account(request.account)
      var response = Intertie_V1_AccountResponse(account, index: index, height: height)
      let (book, ledger) = (grid.book, grid.ledger)
      let (agent, escrow) = try await grid.host.settled {
        (await book.agent(of: index), await ledger.escrow(of: index))
      }
      if let agent { response.agent = Intertie_V1_AgentSettings(agent) }
      response.escrowMwh = escrow.orders.raw
      response.escrowOverflowMwh = escrow.overflow.raw
      response.escrowRoomMwh = escrow.headroom.raw
      response.maximumHeldMwh = grid.maximumHeld.raw
      return response
    }
  }

  func receipt(request: Intertie_V1_ReceiptRequest, context: ServerContext) async throws
    -> Intertie_V1_ReceiptResponse
  {
    try await serving {
      try await receipt(at: try await position(of: request))
    }
  }

  func receiptProof(request: Intertie_V1_ReceiptRequest, context: ServerContext) async throws
    -> Intertie_V1_ReceiptProofResponse
  {
    try await serving {
      let position = try await position(of: request)
      guard position.height <= grid.view.tip.height else {
        throw NodeFailure.notFound("there is no block \(position.height) yet")
      }
      do throws(NodeFailure) { return try await proof(of: position) } catch {
        guard case .busy = error else { throw error }
      }
      // A chain at rest attests its newest block when a proof asks for it, as this one does.
      _ = try await grid.host.prove(AccountIndex(0))
      return try await proof(of: position)
    }
  }

  private func proof(of position: ReceiptPosition) async throws(NodeFailure)
    -> Intertie_V1_ReceiptProofResponse
  {
    try await grid.host.read { try Intertie_V1_ReceiptProofResponse(in: $0, at: position) }
  }

  private func position(of request: Intertie_V1_ReceiptRequest) async throws(NodeFailure)
    -> ReceiptPosition
  {
    switch request.by {
    case .position(let position):
      return ReceiptPosition(height: position.height, index: position.index)
    case .command(let reference):
      let (_, index, _) = try grid.account(reference.signer)
      return try await position(of: reference.sequence, by: index)
    case nil: throw .invalid("a receipt is asked for by command or by position")
    }
  }

  /// Walks the signer's history back to the command with that sequence, as far as the replay
  /// window and a bounded number of pages reach.
  private func position(of sequence: UInt64, by account: AccountIndex) async throws(NodeFailure)
    -> ReceiptPosition
  {
    var before: Int64?
    for _ in 0..<20 {
      let cursor = before
      let lines = try await grid.host.read {
        try $0.history(account: account, before: cursor, limit: Limits.historyPage)
      }
      for stored in lines where stored.line.kind == .command && stored.line.reference == sequence {
        if let entry = stored.line.entry {
          return ReceiptPosition(height: stored.height, index: entry)
        }
      }
      guard lines.count == Limits.historyPage, let last = lines.last else { break }
      before = last.id
    }
    throw .notFound(
      "no command with sequence \(sequence) is in the account's recent history on this chain")
  }

  private func receipt(at position: ReceiptPosition) async throws(NodeFailure)
    -> Intertie_V1_ReceiptResponse
  {
    let found = try await grid.host.read { store in
      (try store.receipt(at: position), try store.block(at: position.height))
    }
    guard let receipt = found.0, let block = found.1 else {
      throw .notFound("no entry \(position.index) in a block \(position.height) that is kept here")
    }
    var response = Intertie_V1_ReceiptResponse()
    response.result = Intertie_V1_SubmitResult(
      EntryResult(receipt: receipt, position: position, time: block.head.time))
    if let body = block.body, let entries = try? BlockBody.split(body) {
      response.entryDigest = Data(Digest.sha256(entries[Int(position.index)].1.payload).array)
    }
    return response
  }

  func proof(request: Intertie_V1_ProofRequest, context: ServerContext) async throws
    -> Intertie_V1_ProofResponse
  {
    try await serving {
      let (_, index, _) = try grid.account(request.account)
      let proof = try await grid.prove(index)
      return Intertie_V1_ProofResponse(
        proof, validators: grid.view.registry.validators(of: proof.header.epoch) ?? [])
    }
  }

  func history(request: Intertie_V1_HistoryRequest, context: ServerContext) async throws
    -> Intertie_V1_HistoryResponse
  {
    try await serving {
      let (_, index, _) = try grid.account(request.account)
      let limit = Page.size(request.limit)
      let before = request.cursor == 0 ? nil : Int64(clamping: request.cursor)
      let tip = grid.view.tip.height
      let (lines, reasons) = try await grid.host.read { store in
        let lines = try store.history(account: index, before: before, limit: limit)
          .filter { $0.height <= tip }
        let reasons = try lines.map { stored -> Rejection? in
          guard stored.line.kind == .command, let entry = stored.line.entry else { return nil }
          return try store.receipt(at: ReceiptPosition(height: stored.height, index: entry))?
            .rejection
        }
        return (lines, reasons)
      }
      var response = Intertie_V1_HistoryResponse()
      let journeys = try await grid.journeys(of: lines.map(\.line))
      response.lines = zip(lines, zip(reasons, journeys)).map { line, more in
        var entry = Intertie_V1_HistoryEntry(line, rejection: more.0, in: grid.view)
        if let journey = more.1 {
          entry.otherGrid = journey.grid.data
          entry.otherAccount = journey.account.data
        }
        return entry
      }
      if let last = lines.last, last.previous > 0 {
        response.nextCursor = UInt64(last.id)
      }
      return response
    }
  }

  func blocks(
    request: Intertie_V1_BlocksRequest, response: RPCWriter<Intertie_V1_BlockData>,
    context: ServerContext
  ) async throws {
    try await serving {
      let tip = grid.view.tip.height
      let end = request.toHeight == 0 ? tip : min(request.toHeight, tip)
      var next = max(1, request.fromHeight)
      while next <= end {
        let from = next
        let blocks = try await grid.host.read {
          try $0.blocks(from: from, through: end, limit: 64, bytes: Limits.blockBytes)
        }
        guard let last = blocks.last else { break }
        for block in blocks {
          guard let body = block.body else {
            throw NodeFailure.notFound("the body of block \(block.height) was pruned")
          }
          try await response.write(try Intertie_V1_BlockData(block, body: body))
        }
        next = last.height + 1
      }
    }
  }
}
