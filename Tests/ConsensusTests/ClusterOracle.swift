import Consensus
import Domain

/// Watches a run, knowing nothing of how the core decides: only what left a node, what was
/// committed and what was delivered.
struct ClusterOracle {
  private let quorum: Int
  private let honest: Int
  private var final: [UInt64: Digest] = [:]
  private var finalViews: [UInt64: Digest] = [:]
  private var notarized: [UInt64: Digest] = [:]
  private var nullified: Set<UInt64> = []
  private var signed: [Slot: Signed] = [:]
  private(set) var violation: String?
  private(set) var accused: Set<UInt16> = []

  private struct Slot: Hashable {
    var signer: UInt16
    var view: UInt64
  }

  private struct Signed {
    var notarize: Digest?
    var finalize: Digest?
    var isNullified = false
  }

  init(validators: Int, byzantine: Int) {
    quorum = validators - (validators - 1) / 3
    honest = validators - byzantine
  }

  var nullifiedViews: Int { nullified.count }

  mutating func fail(_ text: String) { violation = violation ?? text }

  /// A vote that has left an honest node, or stands in a certificate that has.
  mutating func left(_ subject: Subject, by signer: UInt16) {
    guard Int(signer) < honest else { return }
    let slot = Slot(signer: signer, view: subject.view)
    var before = signed[slot, default: Signed()]
    switch subject.kind {
    case .notarize:
      if let hash = before.notarize, hash != subject.hash {
        fail("validator \(signer) signed two notarizes of view \(subject.view)")
      }
      before.notarize = subject.hash
    case .finalize:
      if let hash = before.finalize, hash != subject.hash {
        fail("validator \(signer) signed two finalizes of view \(subject.view)")
      }
      before.finalize = subject.hash
    case .nullify: before.isNullified = true
    }
    if before.isNullified && before.finalize != nil {
      fail("validator \(signer) signed nullify and finalize of view \(subject.view)")
    }
    signed[slot] = before
  }

  /// A certificate that an honest node holds.
  mutating func held(_ certificate: Certificate) {
    let subject = certificate.subject
    if Set(certificate.signers).count < quorum {
      fail("a \(subject.kind) certificate of view \(subject.view) without a quorum")
    }
    for signer in certificate.signers { left(subject, by: signer) }
    switch subject.kind {
    case .notarize:
      if let other = notarized[subject.view], other != subject.hash {
        fail("two notarized blocks in view \(subject.view)")
      }
      notarized[subject.view] = subject.hash
    case .nullify: nullified.insert(subject.view)
    case .finalize:
      if let other = finalViews[subject.view], other != subject.hash {
        fail("two finalised blocks in view \(subject.view)")
      }
      finalViews[subject.view] = subject.hash
    }
    if nullified.contains(subject.view) && finalViews[subject.view] != nil {
      fail("view \(subject.view) is finalised and nullified")
    }
  }

  /// A block that an honest node takes for final, on top of `parent`.
  mutating func delivered(_ block: FinalizedBlock, on parent: Digest, height: UInt64) {
    let header = block.block.header
    if header.height != height + 1 || header.parent != parent {
      fail("block \(header.height) was delivered on top of block \(height)")
    }
    if let other = final[header.height], other != block.hash {
      fail("two final blocks at height \(header.height)")
    }
    final[header.height] = block.hash
    for view in (header.parentView + 1)..<header.view where !nullified.contains(view) {
      fail("the final chain leaves out view \(view), which is not nullified")
    }
    if let certificate = block.finalization {
      held(certificate)
      if notarized[header.view] != block.hash {
        fail("view \(header.view) is finalised and not notarized")
      }
    }
  }

  mutating func accused(_ evidence: Evidence) {
    accused.insert(evidence.first.signer)
    if Int(evidence.first.signer) < honest {
      fail("evidence against honest validator \(evidence.first.signer)")
    }
  }
}
