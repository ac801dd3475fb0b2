import Domain
import Storage
import Wire

/// What a chain says happened, read from its blocks and receipts, to be held against what clients
/// were told.
package struct ChainRecord {
  private struct Entry {
    var digest: Digest
    var receipt: Receipt
  }

  /// Where each command is that used up its sequence.
  package private(set) var commands: [CommandName: ReceiptPosition] = [:]
  /// The height at which each reading was applied.
  package private(set) var readings: [ReadingName: UInt64] = [:]
  /// What became of every reading in a block.
  private var outcomes: Set<NotedReading> = []
  private var entries: [ReceiptPosition: Entry] = [:]
  /// The highest version applied of a meter's interval.
  private var newest: [ReadingName: UInt16] = [:]
  /// What happened twice, or should not be there at all.
  package private(set) var faults: [String] = []
  package private(set) var blocks: UInt64 = 0
  /// Height of the first block whose entries are kept; above 1 for a node that joined by snapshot.
  package private(set) var first: UInt64 = 1

  /// Reads all blocks of `store`. `officials` are those who may command besides the members.
  package init(
    _ store: Store, members: [SigningKey], meters: [SigningKey], officials: Set<PublicKey> = []
  ) throws {
    let members = Self.places(of: members)
    let meters = Self.places(of: meters)
    let end = store.latestHeight
    while blocks < end {
      for block in try store.blocks(from: blocks + 1, through: end, limit: 64) {
        if block.body == nil, entries.isEmpty {
          first = block.height + 1
          blocks = block.height
          continue
        }
        guard let body = block.body, let receipts = try store.receipts(at: block.height) else {
          throw Fault("block \(block.height) has no body or no receipts")
        }
        let entries = try BlockBody.split(body)
        guard entries.count == receipts.count else {
          throw Fault("block \(block.height) has not one receipt for each entry")
        }
        for (index, ((kind, signed), receipt)) in zip(entries, receipts).enumerated() {
          let position = ReceiptPosition(height: block.height, index: UInt32(index))
          self.entries[position] = Entry(
            digest: Digest.sha256(signed.payload), receipt: receipt)
          switch kind {
          case .command:
            let command = try WireCommand.parse(signed.payload)
            if officials.contains(command.signer) { continue }
            add(command, members, receipt, position)
          case .delivery, .report: continue
          case .reading: add(try WireReading.parse(signed.payload), meters, receipt, position)
          }
        }
        blocks = block.height
      }
    }
  }

  private static func places(of keys: [SigningKey]) -> [PublicKey: Int] {
    Dictionary(uniqueKeysWithValues: keys.enumerated().map { ($1.publicKey, $0) })
  }

  private mutating func add(
    _ command: Command, _ members: [PublicKey: Int], _ receipt: Receipt,
    _ position: ReceiptPosition
  ) {
    guard let member = members[command.signer] else {
      faults.append("\(position) is a command of nobody")
      return
    }
    if receipt.rejection == .replayed { return }
    let name = CommandName(member: member, sequence: command.sequence)
    if let first = commands.updateValue(position, forKey: name) {
      faults.append("\(name) was executed twice, at \(first) and \(position)")
    }
  }

  private mutating func add(
    _ reading: Reading, _ meters: [PublicKey: Int], _ receipt: Receipt,
    _ position: ReceiptPosition
  ) {
    guard let meter = meters[reading.meter] else {
      faults.append("\(position) is a reading of no meter")
      return
    }
    var name = ReadingName(
      meter: meter, interval: reading.interval.index, version: reading.version)
    outcomes.insert(
      NotedReading(name: name, height: position.height, reason: receipt.rejection))
    guard receipt.rejection == nil else { return }
    if let first = readings.updateValue(position.height, forKey: name) {
      faults.append("\(name) was applied twice, at heights \(first) and \(position.height)")
    }
    name.version = 0
    newest[name] = max(newest[name] ?? 0, reading.version)
  }

  /// What clients were told and the chain does not bear out, as far as it is kept.
  package func contradictions(to pages: Notebook.Pages) -> [String] {
    pages.readings.filter { isKept($0.height) }.compactMap(contradiction)
      + pages.commands.filter { isKept($0.position.height) }.compactMap(contradiction)
      + pages.abandoned.filter { commands[$0] != nil }.map {
        "\($0) was given up after the node had said it does not have it, yet was executed"
      }
  }

  /// What rests on no block of its own can only be told from the whole chain.
  private func isKept(_ height: UInt64) -> Bool { first == 1 || height >= first }

  private func contradiction(to noted: NotedReading) -> String? {
    if noted.height > 0 {
      return outcomes.contains(noted) ? nil : "acknowledged, but not on the chain: \(noted)"
    }
    // Answered without a block, so it must be on the chain what the answer rests on.
    var name = noted.name
    name.version = 0
    switch noted.reason {
    case .duplicate:
      return readings[noted.name] == nil ? "called a duplicate, but lost: \(noted.name)" : nil
    case .staleVersion:
      return newest[name] ?? 0 > noted.name.version
        ? nil : "called stale, but no newer version is there: \(noted.name)"
    default: return "no such answer is expected: \(noted)"
    }
  }

  private func contradiction(to noted: NotedCommand) -> String? {
    guard let entry = entries[noted.position] else { return "lost: \(noted)" }
    guard entry.digest == noted.digest else { return "another entry stands there: \(noted)" }
    guard entry.receipt == noted.receipt else {
      return "\(noted) was acknowledged; the chain says \(entry.receipt)"
    }
    return commands[noted.name] == noted.position ? nil : "another place counts: \(noted)"
  }
}
