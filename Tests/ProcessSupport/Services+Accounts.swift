import Domain
import GRPCCore
import Wire

extension Services {
  package func overview() async throws -> Intertie_V1_OverviewResponse {
    try await backbone.overview(.init(), options: options)
  }

  /// Nil for an account that the grid has never seen.
  package func find(_ account: PublicKey) async throws -> Intertie_V1_AccountResponse? {
    do {
      return try await ledger.account(.with { $0.account = account.data }, options: options)
    } catch let error as RPCError where error.code == .notFound { return nil }
  }

  /// A sequence that the account has not used.
  package func next(of account: PublicKey) async throws -> UInt64 {
    try await find(account)?.nextSequence ?? 1
  }

  /// The newest lines of an account's history, newest first, `limit` at most, from the newest or
  /// from `cursor` on; and the cursor of those before, 0 if there are none.
  package func history(
    of account: PublicKey, limit: UInt32 = 100, cursor: UInt64 = 0
  ) async throws -> (lines: [Intertie_V1_HistoryEntry], next: UInt64) {
    let response = try await ledger.history(
      .with {
        $0.account = account.data
        $0.limit = limit
        $0.cursor = cursor
      }, options: options)
    return (response.lines, response.nextCursor)
  }

  /// All of an account's history, newest first.
  package func wholeHistory(of account: PublicKey) async throws -> [Intertie_V1_HistoryEntry] {
    var lines: [Intertie_V1_HistoryEntry] = []
    var cursor: UInt64 = 0
    repeat {
      let page = try await history(of: account, limit: 500, cursor: cursor)
      lines += page.lines
      cursor = page.next
    } while cursor != 0
    return lines
  }
}
