import Consensus
import Domain
import Node
import Storage

extension Simulation {
  /// Folds what a step came to into the running hash; signatures are left out.
  func follow(_ step: Step, of node: SimulatedNode, inputs: Int) {
    trace.fold(UInt64(node.index) << 32 | UInt64(inputs))
    trace.fold(UInt64(bitPattern: time))
    for record in step.batch.journal {
      trace.fold(record.view << 8 | UInt64(record.kind))
    }
    trace.fold(step.batch.journalFloor ?? 0)
    for evidence in step.batch.evidence { trace.fold(evidence.view << 8 | 0xe) }
    for check in step.checks { trace.fold(check.hash) }
    for request in step.history { trace.fold(request.from << 32 | request.through) }
    for (_, results) in step.answers {
      for result in results { trace.fold(result.position?.height ?? 0) }
    }
    trace.fold(UInt64(bitPattern: step.wake?.microseconds ?? 0))
    for decided in step.decided {
      let header = decided.block.header
      trace.fold(decided.execution.attestation.stateRoot)
      note(node, "executes", view: header.view, height: header.height, hash: decided.block.hash)
    }
    for stored in step.batch.journal {
      guard let record = try? JournalRecord(decoding: stored.bytes) else { continue }
      if case .abstention(_, let view) = record { note(node, "abstains through", view: view) }
      if case .beginning(let beginning) = record {
        note(node, "stores a beginning of", other: Int(beginning.signer))
      }
      guard case .certificate(let certificate) = record else { continue }
      let what: StaticString =
        switch certificate.subject.kind {
        case .notarize: "holds a notarization"
        case .nullify: "holds a nullification"
        case .finalize: "holds a finalization"
        }
      note(
        node, what, view: stored.view,
        hash: certificate.subject.kind == .nullify ? nil : certificate.subject.hash)
    }
  }

  /// A line for what a node is about to send.
  func note(_ outgoing: Outgoing, _ node: SimulatedNode) {
    let (message, key): (PeerMessage, PublicKey?) =
      switch outgoing {
      case .broadcast(let message): (message, nil)
      case .send(let message, let key): (message, key)
      }
    let target = key.flatMap { key in nodes.first { $0.id == key }?.index }
    guard case .consensus(let content) = message else {
      note(node, "hands entries to", other: target)
      return
    }
    switch content {
    case .proposal(let block, _):
      note(
        node, "proposes", view: block.header.view, height: block.header.height,
        hash: block.header.hash)
    case .vote(let vote):
      let what: StaticString =
        switch vote.subject.kind {
        case .notarize: "sends notarize"
        case .nullify: "sends nullify"
        case .finalize: "sends finalize"
        }
      note(node, what, view: vote.subject.view, other: target)
    case .certificate(let certificate):
      note(node, "passes a certificate to", view: certificate.subject.view, other: target)
    case .fetch(let fetch):
      note(node, "asks for history of", view: fetch.from, height: fetch.height, other: target)
    case .answer(let answer):
      note(node, "answers with blocks to", height: UInt64(answer.blocks.count), other: target)
    case .standing(let standing):
      note(node, "tells its standing to", height: standing.height, other: target)
    }
  }

  /// An honest node's own signatures need no check of ours; a Byzantine node's are real too.
  func enterSignatures(of step: Step, _ node: SimulatedNode) {
    for stored in step.batch.journal where stored.kind == 1 {
      guard let record = try? JournalRecord(decoding: stored.bytes),
        case .vote(let vote) = record
      else { continue }
      notary.enter(vote, of: node.id)
    }
  }
}
