import Consensus
import Domain
import Storage
import Synchronization

/// Sends peers the executed blocks that they lack, from storage, beside the chain and beside what
/// clients read (rule 11): to each peer one request's answers at a time, as it takes them. What a
/// peer asks meanwhile it asks again.
final class HistoryServer: Sendable {
  private let reader: StoreReader
  private let network: PeerNetwork?
  private let served = Mutex<Set<PublicKey>>([])

  init(_ store: Store, network: PeerNetwork?) {
    reader = StoreReader(store, for: .peers)
    self.network = network
  }

  /// What is pruned, or cannot be read, is not sent: the peer asks another. Behind what all have
  /// pruned it has to start with an empty folder, and joins by snapshot.
  func serve(_ request: HistoryRequest) {
    let peer = request.peer
    guard let network, served.withLock({ $0.insert(peer).inserted }) else { return }
    Task {
      let answers = try? await reader.read { try HistoryAnswer.read(request, from: $0) }
      for answer in answers ?? [] {
        // The first has the newest blocks, which lead to the others: none may push it out.
        guard await network.hasRoomForAnswer(to: peer) else { break }
        network.send(.consensus(.answer(answer)), to: peer)
      }
      _ = served.withLock { $0.remove(peer) }
    }
  }
}

/// Blocks from storage with what makes them final.
package enum HistoryAnswer {
  /// What is asked for, and on to the first block that carries its finality: without it nobody
  /// could tell that the others are final. Cut into answers, the newest blocks first, since those
  /// lead to the older ones. Empty if nothing is there.
  package static func read(_ request: HistoryRequest, from store: some ChainStorage) throws
    -> [Answer]
  {
    var blocks: [(block: Block, certificate: Certificate?)] = []
    var proven = 0
    var bytes = 0
    for height in request.from..<request.from + ConsensusLimits.views {
      let isEnough =
        height > request.through || blocks.count >= ConsensusLimits.answerBlocks
        || bytes >= ConsensusLimits.answerBytes
      if isEnough && proven == blocks.count && proven > 0 { break }
      guard
        let stored = try store.blocks(from: height, through: height, limit: 1, bytes: .max).first,
        let body = stored.body
      else { break }
      var reader = CanonicalReader(stored.header)
      blocks.append((Block(header: try BlockHeader(from: &reader), body: body), nil))
      bytes += body.count
      guard !stored.finalization.isEmpty else { continue }
      let proof = try FinalityProof(decoding: stored.finalization)
      blocks += proof.blocks.map { ($0, nil) }
      blocks[blocks.count - 1].certificate = proof.certificate
      proven = blocks.count
    }
    return cut(Array(blocks[..<proven]))
  }

  private static func cut(_ blocks: [(block: Block, certificate: Certificate?)]) -> [Answer] {
    var answers: [Answer] = []
    var answer = Answer(certificates: [], blocks: [])
    var bytes = 0
    for (block, certificate) in blocks.reversed() {
      if answer.blocks.count == ConsensusLimits.answerBlocks
        || bytes >= ConsensusLimits.answerBytes
      {
        answers.append(answer)
        answer = Answer(certificates: [], blocks: [])
        bytes = 0
      }
      answer.blocks.append(block)
      if let certificate { answer.certificates.append(certificate) }
      bytes += block.body.count
    }
    if !answer.blocks.isEmpty { answers.append(answer) }
    return answers
  }
}
