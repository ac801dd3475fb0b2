import Consensus
import Domain

/// Bounds of what goes between nodes: sizes, queues, rates, times.
package enum PeerLimits {
  /// Nodes in a peers file, and its bytes.
  package static let peers = 256
  package static let peersFileBytes = 64 << 10

  // Messages, bytes.
  /// Largest piece that is taken.
  package static let pieceBytes = 256 << 10
  /// A write takes small messages up to this size, and at most this much of a large one.
  package static let writeBytes = 64 << 10
  /// A vote, certificate, fetch or answer without blocks that goes ahead of all else. 104
  /// signatures take 7 KiB.
  package static let urgentBytes = 16 << 10
  /// Forwarded entries in one message, so that they never hold up a proposal for long.
  package static let entriesBytes = 256 << 10
  /// A proposal: a block at its largest, its header and vote.
  package static let proposalBytes = Limits.blockBytes + 1024
  /// An answer at its largest, as ConsensusLimits lays down.
  package static let answerBytes =
    ConsensusLimits.answerBytes + Limits.blockBytes + 256 * ConsensusLimits.answerBlocks
    + 7168 * ConsensusLimits.answerCertificates

  // What waits for one peer; PeerOutbox says what goes when it is full.
  package static let queuedUrgent = 1024
  package static let queuedProposals = 2
  package static let queuedEntriesBytes = 4 << 20
  package static let queuedAnswers = 2
  /// µs that the next answer waits for room; what is left out is asked for again.
  package static let answerPatience: Int64 = 10_000_000
  /// Bytes that may be between the outbox and the socket before a piece of a large message is
  /// handed out, and bytes that the socket may hold unsent: what a vote may have to wait for.
  package static let inFlightBytes = 128 << 10
  package static let unsentBytes: Int32 = 128 << 10
  /// One piece in so many is an answer's while proposals or entries wait as well.
  package static let answerTurn = 4

  // What one peer may send; beyond it is held, not cut. Bursts are what one second allows.
  package static let urgentMessagesPerSecond = 20_000
  package static let urgentBytesPerSecond = 16 << 20
  /// Votes, certificates and standings. A verification takes about 55 µs, so these take a fifth of
  /// a core. An honest peer of 100 validators sends two votes a view and at most two certificates
  /// of 67 signatures, 136 signatures: enough for 29 views a second if it were the first to bring
  /// every one of its certificates, of which the sieve drops those that are here already.
  package static let urgentSignaturesPerSecond = 4000
  package static let largeMessagesPerSecond = 2000
  package static let largeBytesPerSecond = 256 << 20
  /// Proposals, answers and forwarded entries: 0.44 of a core. It is not less, because a node whose
  /// clients bring 8000 readings a second hands on up to as many. What bounds the harm is what is
  /// verified at all: entries of known authors only that are not on the chain yet, none of which
  /// may be wrongly signed without costing the link; of which the pool takes a quota of each peer.
  /// An answer at its largest, 128 certificates of 67 signatures, is held for a tenth of a second.
  package static let largeSignaturesPerSecond = 8000

  // Entries of one peer's clients in the pool, those in held proposals included. A node whose peer
  // has no room offers the entry again to the next leader.
  /// Of a follower, and of a validator at least.
  package static let forwarded = 512
  /// Of one of so many validators: an equal part of `Limits.foreignEntries`, but no less than a
  /// follower's. With every peer that a file can list there are at most 163,840.
  package static func forwarded(validators: Int) -> Int {
    max(forwarded, Limits.foreignEntries / max(validators, 1))
  }

  // Connections to the peer port.
  /// Those of one key of the file: its link, a snapshot's, and one of either that it has given up
  /// and this node not yet. Every key of the file has them for itself.
  package static let connectionsPerKey = 4
  /// Those that have not shown a key, which `PeerQueue` chooses among, and how many of them each
  /// peer of the file has for itself at its address.
  package static let handshakes = 128
  package static let handshakesPerPeer = 2
  /// All together, at most.
  package static let connections = handshakes + peers * connectionsPerKey
  /// Keys that are not in the peers file and whose first knock is logged.
  package static let strangers = 64
  /// RPCs at a time on one.
  package static let streamsPerConnection = 8
  /// Bytes that may be on their way to a reader that does not keep up: HTTP/2's window.
  package static let windowBytes = 2 << 20

  // Times, µs.
  /// A connection that has not shown its key by then is closed.
  package static let handshake: Int64 = 5_000_000
  /// One that is to be closed and is still being set up is looked at again after so long, and so
  /// often.
  package static let closingPause: Int64 = 10_000
  package static let closingAttempts = 500
  /// Without traffic a peer is asked whether it lives, and has this long to answer.
  package static let keepalive: Int64 = 5_000_000
  package static let keepaliveAnswer: Int64 = 4_000_000
  /// Between two attempts to reach a peer: doubling, jittered by half.
  package static let firstPause: Int64 = 50_000
  package static let longestPause: Int64 = 5_000_000
  /// A link that stood this long was a success: the pauses begin anew.
  package static let lived: Int64 = 2_000_000
  /// For how long a peer that misbehaved is refused: doubling; and after how long without another
  /// offence that is forgotten.
  package static let firstRefusal: Int64 = 5_000_000
  package static let longestRefusal: Int64 = 60_000_000
  package static let forgiveness: Int64 = 300_000_000
  /// The peers file is read this often.
  package static let reread: Int64 = 1_000_000

  // The sieve.
  /// Views below the current one whose votes are remembered.
  package static let sieveViews: UInt64 = 64
  /// Verified certificates that are remembered until the consensus core has them.
  package static let sieveCertificates = 64
  /// A sender's own votes that cannot count, but tell where it is, are passed once in this time,
  /// µs.
  package static let signOfLife: Int64 = 50_000
}
