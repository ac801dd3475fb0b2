import Domain
import GRPCCore
import ProcessSupport
import Wire

/// What one node tells of its chain to whoever asks, held against what clients were told.
struct Testimony: Sendable {
  /// Hashes of the blocks from `first` on.
  private(set) var hashes: [Digest] = []
  private(set) var first: UInt64 = 1
  /// Where each command's payload stands.
  private var commands: [Digest: [ReceiptPosition]] = [:]
  /// Where each version of a meter's interval stands.
  private var readings: [ReadingName: [ReceiptPosition]] = [:]

  /// Questions under way at a time.
  private static let questions = 16

  var height: UInt64 { first + UInt64(hashes.count) - 1 }

  func hash(at height: UInt64) -> Digest? {
    height >= first && height <= self.height ? hashes[Int(height - first)] : nil
  }

  /// Reads all blocks that the node has with their bodies: all there are, unless it has joined by
  /// snapshot.
  init(_ services: Services, community: Community) async throws {
    first = try await Self.firstBlock(services)
    let meters = Dictionary(
      uniqueKeysWithValues: community.meters.enumerated().map { ($1.publicKey, $0) })
    for block in try await Self.blocks(services, from: first) {
      hashes.append(block.hash)
      for (index, (kind, signed)) in try BlockBody.split(block.body).enumerated() {
        let position = ReceiptPosition(height: height, index: UInt32(index))
        switch kind {
        case .command: commands[Digest.sha256(signed.payload), default: []].append(position)
        case .reading:
          let reading = try WireReading.parse(signed.payload)
          guard let meter = meters[reading.meter] else { throw Fault("a reading of no meter") }
          let name = ReadingName(
            meter: meter, interval: reading.interval.index, version: reading.version)
          readings[name, default: []].append(position)
        case .delivery, .report: continue
        }
      }
    }
  }

  private static func blocks(_ services: Services, from: UInt64, through: UInt64 = 0) async throws
    -> [(hash: Digest, body: [UInt8])]
  {
    let request = Intertie_V1_BlocksRequest.with {
      $0.fromHeight = from
      $0.toHeight = through
    }
    var options = services.options
    options.timeout = .seconds(120)
    return try await services.ledger.blocks(request, options: options) { response in
      var blocks: [(hash: Digest, body: [UInt8])] = []
      for try await block in response.messages {
        blocks.append((Digest.sha256(Array(block.header)), Array(block.body)))
      }
      return blocks
    }
  }

  /// Height of the lowest block from which on the node has all with their bodies. One block alone
  /// does not tell: an empty one has no body that could be missing.
  private static func firstBlock(_ services: Services) async throws -> UInt64 {
    func isWhole(from height: UInt64) async throws -> Bool {
      do {
        _ = try await blocks(services, from: height)
        return true
      } catch let error as RPCError where error.code == .notFound { return false }
    }
    if try await isWhole(from: 1) { return 1 }
    var (torn, whole) = (UInt64(1), try await services.current().height)
    while torn + 1 < whole {
      let middle = (torn + whole) / 2
      if try await isWhole(from: middle) { whole = middle } else { torn = middle }
    }
    return whole
  }

  /// What clients were told and this node does not bear out; of the readings' receipts only those
  /// whose turn it is in `share`: one number of so many.
  func contradictions(
    to pages: Notebook.Pages, _ services: Services, share: (number: Int, of: Int)
  ) async throws -> [String] {
    let notedReadings = pages.readings.enumerated().filter { index, noted in
      noted.height >= first && noted.reason == nil && index % share.of == share.number
    }.map(\.element)
    let notedCommands = pages.commands.filter { $0.position.height >= first }
    return try await ask(notedCommands) { try await contradiction(to: $0, services) }
      + ask(notedReadings) { try await contradiction(to: $0, services) }
  }

  private func ask<Noted: Sendable>(
    _ noted: [Noted], _ question: @escaping @Sendable (Noted) async throws -> String?
  ) async throws -> [String] {
    try await withThrowingTaskGroup(of: [String].self) { group in
      for first in 0..<Self.questions {
        group.addTask {
          var contradictions: [String] = []
          for index in stride(from: first, to: noted.count, by: Self.questions) {
            if let contradiction = try await question(noted[index]) {
              contradictions.append(contradiction)
            }
          }
          return contradictions
        }
      }
      return try await group.reduce([], +)
    }
  }

  /// The receipt is the one acknowledged, its entry the one sent, and no other copy counted.
  private func contradiction(to noted: NotedCommand, _ services: Services) async throws -> String? {
    guard let found = try await services.receipt(at: noted.position) else {
      return "lost: \(noted)"
    }
    if Array(found.entryDigest) != noted.digest.array { return "other bytes stand for \(noted)" }
    if found.result.receipt != noted.receipt {
      return "\(noted) was acknowledged; the node says \(found.result)"
    }
    for copy in commands[noted.digest] ?? [] where copy != noted.position {
      let other = try await services.receipt(at: copy)
      if other?.result.rejection != .replayed {
        return "\(noted.name) counts at \(noted.position) and at \(copy)"
      }
    }
    return commands[noted.digest]?.contains(noted.position) == true
      ? nil : "the block of \(noted) does not have it"
  }

  /// The reading was applied in that block, and nowhere else.
  private func contradiction(to noted: NotedReading, _ services: Services) async throws -> String? {
    var applied: [UInt64] = []
    for position in readings[noted.name] ?? [] {
      guard let found = try await services.receipt(at: position) else {
        return "no receipt at \(position)"
      }
      if found.result.rejection == .none { applied.append(position.height) }
    }
    return applied == [noted.height]
      ? nil : "\(noted) was acknowledged; the node has it applied at \(applied)"
  }
}
