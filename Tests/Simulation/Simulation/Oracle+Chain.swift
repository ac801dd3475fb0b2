import Consensus
import Domain
import Node
import Storage

/// A final block as the first honest node that executed it had it.
struct ChainBlock {
  var header: BlockHeader
  var hash: Digest
  var stateRoot: Digest
  var receiptsRoot: Digest
  var entries: [Digest]
  var receipts: [Receipt]
}

/// The chain's blocks, or the newest of them.
struct ChainMemory {
  /// By height, ascending, without a gap.
  private(set) var blocks: [ChainBlock] = []
  /// Height of the first that is here; one more than the newest when none is.
  private(set) var first: UInt64 = 1

  /// Height of the newest block; 0 before the first.
  var height: UInt64 { first + UInt64(blocks.count) - 1 }
  var last: ChainBlock? { blocks.last }

  /// Nil for one that is not there, or forgotten.
  subscript(height: UInt64) -> ChainBlock? {
    height >= first && height <= self.height ? blocks[Int(height - first)] : nil
  }

  mutating func append(_ block: ChainBlock) { blocks.append(block) }

  mutating func forget(below height: UInt64) {
    guard height > first, height <= self.height else { return }
    blocks.removeFirst(Int(height - first))
    first = height
  }
}

/// What a client was told.
struct Acknowledgement {
  var entry: Digest
  var result: EntryResult
  /// Height of the node that told it.
  var height: UInt64
  var name: String
}

extension Oracle {
  /// A block was executed and is durable at an honest node.
  mutating func execute(_ decided: Decided, by node: SimulatedNode, name: String) {
    let header = decided.block.header
    guard header.height == node.floor.height + 1 else {
      return fail("\(name) executes block \(header.height) after \(node.floor.height)")
    }
    if header.height <= chain.height {
      compare(decided, name: name)
      return
    }
    guard header.height == chain.height + 1 else {
      return fail("\(name) executes block \(header.height), and nobody \(chain.height + 1)")
    }
    checkPlace(header, name: name)
    if let finality = decided.block.finality { held(finality.certificate, name: name) }
    let execution = decided.execution
    let entries = decided.block.entries
    chain.append(
      ChainBlock(
        header: header, hash: decided.block.hash, stateRoot: execution.attestation.stateRoot,
        receiptsRoot: execution.attestation.receiptsRoot, entries: entries.map(\.identity),
        receipts: execution.receipts))
    checkEntries(decided, name: name)
    if let fault = books.take(decided) { fail("block \(header.height): \(fault)") }
  }

  /// 1: agreement at each height. 10: equal roots at equal heights.
  private mutating func compare(_ decided: Decided, name: String) {
    let height = decided.block.header.height
    guard let block = chain[height] else {
      return fail("\(name) executes block \(height) long after all others")
    }
    if decided.block.hash != block.hash {
      fail("\(name) has another block at height \(height)")
    }
    if decided.execution.attestation.stateRoot != block.stateRoot
      || decided.execution.attestation.receiptsRoot != block.receiptsRoot
      || decided.execution.receipts != block.receipts
    {
      fail("\(name) comes to other roots or receipts at height \(height)")
    }
  }

  /// 1 and 2: the block continues the chain, and every view that it leaves out is nullified.
  private mutating func checkPlace(_ header: BlockHeader, name: String) {
    let parent = chain.last
    let (hash, view) = (parent?.hash ?? community.chain, parent?.header.view ?? 0)
    guard header.parent == hash, header.parentView == view, header.view > view else {
      return fail("\(name) has a block \(header.height) that does not continue the chain")
    }
    if let parent, header.time <= parent.header.time {
      fail("block \(header.height) is not later than its parent")
    }
    for between in (view + 1)..<header.view
    where !nullified.contains(ViewName(header.epoch, between)) {
      fail("block \(header.height) leaves out view \(between), which is not nullified")
    }
    let attested = header.attested.height
    guard attested < header.height else {
      return fail("block \(header.height) attests block \(attested)")
    }
    if let known = chain[attested], known.stateRoot != header.attested.stateRoot {
      fail("block \(header.height) attests another state root of block \(attested)")
    }
  }

  /// Each signed entry is applied at most once; what expired is in no block; what is there is
  /// well signed and for this chain.
  private mutating func checkEntries(_ decided: Decided, name: String) {
    let header = decided.block.header
    for (index, entry) in decided.block.entries.enumerated() {
      let receipt = decided.execution.receipts[index]
      let position = ReceiptPosition(height: header.height, index: UInt32(index))
      if case .command(let command) = entry.content, command.expires < header.time {
        fail("block \(header.height) has a command that had expired")
      }
      guard receipt.rejection == nil, !isLong else { continue }
      if let before = applied[entry.identity] {
        fail("an entry is applied in block \(before.height) and in block \(header.height)")
      }
      applied[entry.identity] = position
    }
  }

  /// 5: what is final was notarized. Views above the one that sealed their epoch are void.
  private mutating func checkNotarizations() {
    for block in chain.blocks {
      let view = ViewName(block.header.epoch, block.header.view)
      guard let hash = unproven[view] else { continue }
      if hash != block.hash { fail("view \(view.view) is final with another block") }
      if notarized[view] != hash { fail("view \(view.view) is final and not notarized") }
    }
  }

  /// All honest nodes have block `height` behind them: what is older than that by more than headers
  /// reach back is checked, and forgotten.
  mutating func forget(below height: UInt64) {
    guard height > Self.reach, chain.first < height - Self.reach else { return }
    checkNotarizations()
    guard let oldest = chain[height - Self.reach] else { return }
    chain.forget(below: height - Self.reach)
    let (epoch, view) = (oldest.header.epoch, oldest.header.view)
    func isKept(_ name: ViewName) -> Bool { name.epoch > epoch || name.view >= view }
    ballots = ballots.filter { isKept($0.key.view) }
    notarized = notarized.filter { isKept($0.key) }
    finalized = finalized.filter { isKept($0.key) }
    unproven = unproven.filter { isKept($0.key) }
    nullified = nullified.filter(isKept)
  }

  /// Blocks; no header attests an older one, and no node starts further back than it was.
  private static let reach: UInt64 = 512

  // MARK: clients

  /// A client was told a result.
  mutating func acknowledged(
    _ entry: VerifiedEntry, _ result: EntryResult, by node: SimulatedNode, name: String
  ) {
    let item = Acknowledgement(
      entry: entry.identity, result: result, height: node.floor.height, name: name)
    if !isLong { acknowledged.append(item) }
    guard settings.checksDurability, let position = result.position else { return }
    guard position.height <= node.floor.height else {
      return fail("\(name) acknowledges block \(position.height) before it is durable")
    }
    verify(item)
  }

  /// What was acknowledged is at that place with that receipt; what was refused is in no block that
  /// comes after. The same bytes may have been applied before, when they were sent once already.
  private mutating func verify(_ item: Acknowledgement) {
    guard let position = item.result.position else {
      if let applied = applied[item.entry], applied.height > item.height {
        fail(
          "\(item.name) refused an entry (\(item.result.receipt)), and block \(applied.height) "
            + "applies it")
      }
      return
    }
    guard let block = chain[position.height] else {
      return fail("\(item.name) acknowledged block \(position.height), which is not there")
    }
    guard Int(position.index) < block.entries.count,
      block.entries[Int(position.index)] == item.entry,
      block.receipts[Int(position.index)] == item.result.receipt,
      block.header.time == item.result.time
    else {
      return fail("what \(item.name) acknowledged is not in block \(position.height)")
    }
  }

  /// The end: every acknowledgement holds, and every honest node has the whole chain on its disk.
  mutating func finish(_ nodes: [SimulatedNode]) {
    guard violation == nil else { return }
    for item in acknowledged { verify(item) }
    checkNotarizations()
    for node in nodes {
      let stored = node.disk.change { $0.rows.dropFirst(Int(chain.first) - 1).map(\.block.head) }
      for (head, block) in zip(stored, chain.blocks)
      where head.hash != block.hash || head.stateRoot != block.stateRoot {
        fail("node \(node.index) has another block \(head.height) on its disk")
      }
    }
  }
}
