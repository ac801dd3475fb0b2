import Consensus
import Domain

/// Watches a run, knowing nothing of how the core decides: only what left a node, what was
/// committed and what was delivered.
struct ClusterOracle {
  /// Identities of each epoch's validators, by place.
  private let epochs: [[UInt16]]
  private let byzantine: Range<Int>
  private var final: [UInt64: Digest] = [:]
  private var finalViews: [View: Digest] = [:]
  private var notarized: [View: Digest] = [:]
  private var nullified: Set<View> = []
  private var signed: [Slot: Signed] = [:]
  private(set) var violation: String?
  private(set) var accused: Set<UInt16> = []

  private struct View: Hashable {
    var epoch: UInt64
    var view: UInt64

    init(_ subject: Subject) {
      epoch = subject.epoch
      view = subject.view
    }

    init(epoch: UInt64, view: UInt64) {
      self.epoch = epoch
      self.view = view
    }
  }

  private struct Slot: Hashable {
    var identity: UInt16
    var view: View
  }

  private struct Signed {
    var notarize: Digest?
    var finalize: Digest?
    var isNullified = false
  }

  init(epochs: [[UInt16]], byzantine: Range<Int>) {
    self.epochs = epochs
    self.byzantine = byzantine
  }

  var nullifiedViews: Int { nullified.count }

  mutating func fail(_ text: String) { violation = violation ?? text }

  /// A vote that has left an honest node, or stands in a certificate that has.
  mutating func left(_ subject: Subject, by signer: UInt16) {
    let identity = epochs[Int(subject.epoch) - 1][Int(signer)]
    guard !byzantine.contains(Int(identity)) else { return }
    let slot = Slot(identity: identity, view: View(subject))
    var before = signed[slot, default: Signed()]
    switch subject.kind {
    case .notarize:
      if let hash = before.notarize, hash != subject.hash {
        fail("validator \(identity) signed two notarizes of view \(subject.view)")
      }
      before.notarize = subject.hash
    case .finalize:
      if let hash = before.finalize, hash != subject.hash {
        fail("validator \(identity) signed two finalizes of view \(subject.view)")
      }
      before.finalize = subject.hash
    case .nullify: before.isNullified = true
    }
    if before.isNullified && before.finalize != nil {
      fail("validator \(identity) signed nullify and finalize of view \(subject.view)")
    }
    signed[slot] = before
  }

  /// A certificate that an honest node holds.
  mutating func held(_ certificate: Certificate) {
    let subject = certificate.subject
    let count = epochs[Int(subject.epoch) - 1].count
    if Set(certificate.signers).count < count - (count - 1) / 3 {
      fail("a \(subject.kind) certificate of view \(subject.view) without a quorum")
    }
    for signer in certificate.signers { left(subject, by: signer) }
    let view = View(subject)
    switch subject.kind {
    case .notarize:
      if let other = notarized[view], other != subject.hash {
        fail("two notarized blocks in view \(subject.view)")
      }
      notarized[view] = subject.hash
    case .nullify: nullified.insert(view)
    case .finalize:
      if let other = finalViews[view], other != subject.hash {
        fail("two finalised blocks in view \(subject.view)")
      }
      finalViews[view] = subject.hash
    }
    if nullified.contains(view) && finalViews[view] != nil {
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
    for view in (header.parentView + 1)..<header.view
    where !nullified.contains(View(epoch: header.epoch, view: view)) {
      fail("the final chain leaves out view \(view), which is not nullified")
    }
    if let certificate = block.finalization {
      held(certificate)
      if notarized[View(certificate.subject)] != block.hash {
        fail("view \(header.view) is finalised and not notarized")
      }
    }
  }

  mutating func accused(_ evidence: Evidence) {
    let identity = epochs[Int(evidence.first.subject.epoch) - 1][Int(evidence.first.signer)]
    accused.insert(identity)
    if !byzantine.contains(Int(identity)) {
      fail("evidence against honest validator \(identity)")
    }
  }
}
