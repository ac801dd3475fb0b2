import GRPCCore

extension EndCheck {
  /// One grid's chain, as the first of its nodes tells it that can. Only when all that answer are
  /// behind counts what the furthest of them has. Nothing is thrown: what no node tells is told as
  /// not checked.
  package func runOnNodes() async -> CheckFindings {
    var reasons: [String] = []
    var furthest: (height: UInt64, check: EndCheck)?
    func note(_ error: any Error) {
      let reason = (error as? RPCError).map { "\($0.code): \($0.message)" } ?? "\(error)"
      if !reasons.contains(reason) { reasons.append(reason) }
    }
    for node in grid.nodes {
      var check = self
      check.grid.nodes = [node]
      do { return try await check.run() } catch let behind as Behind {
        note(behind)
        if furthest.map({ $0.height < behind.height }) ?? true { furthest = (behind.height, check) }
      } catch { note(error) }
    }
    if var check = furthest?.check {
      check.isLast = true
      do { return try await check.run() } catch { note(error) }
    }
    return withoutChain(reasons.joined(separator: "; "))
  }
}
