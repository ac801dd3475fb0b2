import Domain
import GRPCCore
import Synchronization
import Wire

/// What the check at the end of a run found.
package struct CheckFindings: Hashable, Sendable, Codable {
  /// What could not be looked at.
  package struct Unchecked: Hashable, Sendable, Codable {
    /// A grid's name, or what is between grids.
    package var subject: String
    /// Items of it that were acknowledged in a block.
    package var acknowledged: Int
    package var reason: String

    package init(subject: String, acknowledged: Int, reason: String) {
      self.subject = subject
      self.acknowledged = acknowledged
      self.reason = reason
    }
  }

  /// Blocks that were read, and entries of simulated meters and members in them.
  package var blocks = 0
  package var entries = 0
  /// Items that were acknowledged in a block, items that were in doubt at some time, and those of
  /// them that the chain has.
  package var acknowledged = 0
  package var doubtful = 0
  package var doubtfulFound = 0
  /// Receipts that were asked for and compared.
  package var receipts = 0
  /// Entries that stood there a second time, and were refused in that place.
  package var copies = 0
  /// Transfers that left for other grids, those that arrived, and those that came back.
  package var departed = 0
  package var arrived = 0
  package var refunded = 0
  /// What is wrong: how many things, the first few in words.
  package var faults = 0
  package var texts: [String] = []
  /// What nothing can be said about, since no node told what the chain has.
  package var unchecked: [Unchecked] = []

  package init() {}

  package enum Verdict: String, Hashable, Sendable {
    case passed
    case failed = "FAILED"
    case notChecked = "NOT CHECKED"
  }

  package var verdict: Verdict {
    faults > 0 ? .failed : unchecked.isEmpty ? .passed : .notChecked
  }

  package var isClean: Bool { verdict == .passed }

  package mutating func fault(_ text: String) {
    faults += 1
    if texts.count < LoadLimits.faults { texts.append(text) }
  }

  package mutating func add(_ other: CheckFindings) {
    blocks += other.blocks
    entries += other.entries
    acknowledged += other.acknowledged
    doubtful += other.doubtful
    doubtfulFound += other.doubtfulFound
    receipts += other.receipts
    copies += other.copies
    departed += other.departed
    arrived += other.arrived
    refunded += other.refunded
    faults += other.faults
    unchecked += other.unchecked
    texts += other.texts.prefix(max(0, LoadLimits.faults - texts.count))
  }
}

/// Reads a grid's chain through its public services and holds it against what clients were told:
/// what was acknowledged stands in the block that was named, once, and nowhere else; what was
/// refused before any block is not there; what was in doubt was applied once at most. Block by
/// block, in memory that does not grow with their number.
package struct EndCheck: Sendable {
  /// The node has not all blocks in which something was acknowledged.
  package struct Behind: Error, CustomStringConvertible {
    package var node: String
    package var height: UInt64
    package var highest: UInt64

    package var description: String { "\(node) has \(height) of \(highest) blocks" }
  }

  package var grid: LoadGrid
  package var items: AcknowledgedItems
  /// Microseconds for which a node may be behind the others.
  package var patience = LoadLimits.callSeconds * 1_000_000
  /// Microseconds for which a stream of blocks may bring none.
  package var silence = LoadLimits.callSeconds * 1_000_000
  /// Whether a node that is behind is taken at its word: what it has not is then missing.
  package var isLast = false

  package init(grid: LoadGrid, items: AcknowledgedItems) {
    self.grid = grid
    self.items = items
  }

  /// As far as is known without the chain: what was acknowledged, and answers that cannot be right.
  package func withoutChain(_ reason: String) -> CheckFindings {
    var findings = CheckFindings()
    findings.acknowledged = items.acknowledged
    findings.doubtful = items.doubts.count
    findings.faults = items.faults.count
    findings.texts = items.faults.texts.map { "\(grid.name): \($0)" }
    findings.unchecked.append(
      .init(subject: grid.name, acknowledged: items.acknowledged, reason: reason))
    return findings
  }

  /// Asks the grid's first node. Throws `LoadFailure` with why it cannot tell, `Behind` when it
  /// has not all blocks yet.
  package func run() async throws -> CheckFindings {
    do { return try await compared() } catch let error as RPCError {
      throw LoadFailure(NodeTrouble.text(error, at: grid.node.address.description))
    }
  }

  private func compared() async throws -> CheckFindings {
    var scan = try await scan()
    let copies = scan.finish()
    var findings = CheckFindings()
    for (sample, position) in scan.sampled {
      let receipt = try await receipt(at: position)
      findings.receipts += 1
      if receipt?.rejection != sample.rejection || receipt == nil {
        scan.fault(
          "\(position.height)/\(position.index): acknowledged as \(Self.text(sample.rejection)), "
            + "its receipt says \(receipt.map { Self.text($0.rejection) } ?? "nothing")")
      }
    }
    try await compare(copies, &scan, &findings)
    try await thin(&scan, &findings)
    findings.blocks = scan.blocks
    findings.entries = scan.entries
    findings.acknowledged = items.acknowledged
    findings.doubtful = items.doubts.count
    findings.doubtfulFound = scan.doubtful.count
    findings.faults = scan.faults.count
    findings.texts = scan.faults.texts.map { "\(grid.name): \($0)" }
    return findings
  }

  private func scan() async throws -> ChainScan {
    let start = ChainScan(
      items, meters: Set(grid.keys.meters.map(\.publicKey)),
      members: Set(grid.keys.members.map(\.publicKey)), before: grid.marksBefore)
    return try await read(to: try await tip(), start) { scan, height, body in
      try scan.add(height: height, body: body)
    }
  }

  /// Goes through the blocks of the run up to `tip`, in order.
  private func read<Result: Sendable>(
    to tip: UInt64, _ start: Result,
    _ add: @escaping @Sendable (inout Result, UInt64, [UInt8]) throws -> Void
  ) async throws -> Result {
    let from = grid.height + 1
    guard tip >= from else { return start }
    let request = Intertie_V1_BlocksRequest.with {
      $0.fromHeight = from
      $0.toHeight = tip
    }
    do {
      return try await blocks(request) { response, heard in
        var result = start
        var expected = from
        for try await block in response.messages {
          heard.note()
          var reader = CanonicalReader(Array(block.header))
          let header = try BlockHeader(from: &reader)
          guard header.height == expected else {
            throw LoadFailure("block \(header.height) came where \(expected) was due")
          }
          try add(&result, header.height, Array(block.body))
          expected += 1
        }
        guard expected == tip + 1 else {
          throw LoadFailure("the blocks ended before height \(tip)")
        }
        return result
      }
    } catch let error as RPCError where error.code != .unavailable {
      throw LoadFailure(
        "the chain of \(grid.name) cannot be read (\(error.code): \(error.message)); the check "
          + "needs a node that keeps its blocks")
    } catch let reason as Rejection {
      throw LoadFailure("a block of \(grid.name) is not well formed: \(reason)")
    }
  }

  /// The stream of blocks, given up when it brings none for a while.
  private func blocks<Result: Sendable>(
    _ request: Intertie_V1_BlocksRequest,
    _ body:
      @escaping @Sendable (StreamingClientResponse<Intertie_V1_BlockData>, Heard) async throws ->
      Result
  ) async throws -> Result {
    let heard = Heard()
    return try await withThrowingTaskGroup(of: Result?.self) { group in
      group.addTask {
        try await grid.node.ledger.blocks(request) { try await body($0, heard) }
      }
      group.addTask {
        while !Task.isCancelled, Monotonic.now < heard.time + silence {
          await Monotonic.sleep(until: min(heard.time + silence, Monotonic.now + LoadLimits.look))
        }
        return nil
      }
      defer { group.cancelAll() }
      if let result = try await group.next() ?? nil { return result }
      try Task.checkCancellation()
      throw LoadFailure(
        "\(grid.node.address.description) stopped in the middle of its blocks: none came for "
          + LoadReport.seconds(Double(silence) / 1_000_000))
    }
  }

  /// Height of the newest block that the node has, once it has all that other nodes acknowledged.
  private func tip() async throws -> UInt64 {
    let highest = items.highest
    let deadline = Monotonic.now + patience
    while true {
      let tip = try await grid.node.currentStatus().height
      if tip >= highest || isLast { return tip }
      guard Monotonic.now < deadline else {
        throw Behind(node: grid.node.address.description, height: tip, highest: highest)
      }
      await Monotonic.sleep(until: Monotonic.now + 50_000)
      try Task.checkCancellation()
    }
  }

  /// Of blocks with more entries than were acknowledged in them: whatever stands in another place
  /// too and was refused in this one is a copy; without copies the acknowledged ones must be left.
  private func thin(_ scan: inout ChainScan, _ findings: inout CheckFindings) async throws {
    guard !scan.crowds.isEmpty else { return }
    let wanted = Set(scan.crowds.flatMap { $0.entries.map(\.mark) })
    let places = try await read(to: try await tip(), [UInt64: Int]()) { places, _, body in
      for (_, signed) in try BlockBody.split(body) {
        let mark = AcknowledgedItems.mark(signed.payload)
        if wanted.contains(mark) { places[mark, default: 0] += 1 }
      }
    }
    for crowd in scan.crowds {
      var copies: Set<UInt32> = []
      for (index, mark) in crowd.entries where places[mark, default: 0] > 1 {
        findings.receipts += 1
        let position = ReceiptPosition(height: crowd.height, index: index)
        if let receipt = try await receipt(at: position), receipt.isOfCopy { copies.insert(index) }
      }
      findings.copies += copies.count
      let left = crowd.sum(without: copies)
      if left != crowd.told { scan.fault(crowd.height, crowd.told, found: left) }
    }
  }

  /// What stands there several times must be applied once at most.
  private func compare(
    _ copies: [ChainScan.Places], _ scan: inout ChainScan, _ findings: inout CheckFindings
  ) async throws {
    for places in copies.prefix(LoadLimits.copied) {
      var applied = 0
      for position in places.positions {
        findings.receipts += 1
        if let receipt = try await receipt(at: position), receipt.rejection == nil { applied += 1 }
      }
      if applied > 1, let first = places.positions.first {
        scan.fault("\(first.height)/\(first.index): applied \(applied) times")
      }
      // Of what stands in more places not all receipts were seen.
      if applied == 0, places.isApplied, places.count == places.positions.count,
        let first = places.positions.first
      {
        scan.fault("\(first.height)/\(first.index): acknowledged as applied, and it was not")
      }
    }
    if copies.count > LoadLimits.copied {
      scan.fault("\(copies.count - LoadLimits.copied) more items stand there several times")
    }
  }

  private func receipt(at position: ReceiptPosition) async throws -> Receipt? {
    let request = Intertie_V1_ReceiptRequest.with {
      $0.position = .with {
        $0.height = position.height
        $0.index = position.index
      }
    }
    do {
      return try await grid.node.ledger.receipt(request, options: LoadConnection.options)
        .result.receipt
    } catch let error as RPCError where error.code == .notFound { return nil }
  }

  private static func text(_ rejection: Rejection?) -> String {
    rejection.map { "\($0)" } ?? "applied"
  }
}

/// When something came last.
private final class Heard: Sendable {
  private let last = Atomic(Monotonic.now)

  var time: Int64 { last.load(ordering: .relaxed) }

  func note() { last.store(Monotonic.now, ordering: .relaxed) }
}

extension Receipt {
  /// Refused because the chain had it already.
  fileprivate var isOfCopy: Bool {
    rejection == .duplicate || rejection == .staleVersion || rejection == .replayed
  }
}
