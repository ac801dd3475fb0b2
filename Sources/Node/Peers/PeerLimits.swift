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
  package static let urgentSignaturesPerSecond = 10_000
  package static let largeMessagesPerSecond = 2000
  package static let largeBytesPerSecond = 256 << 20
  package static let largeSignaturesPerSecond = 20_000

  // Connections to the peer port.
  /// All together, those of one key, and those that have not shown a key yet.
  package static let connections = 1024
  package static let connectionsPerKey = 8
  package static let handshakes = 128
  /// RPCs at a time on one.
  package static let streamsPerConnection = 8
  /// Bytes that may be on their way to a reader that does not keep up: HTTP/2's window.
  package static let windowBytes = 2 << 20

  // Times, µs.
  /// A connection that has not shown its key by then is closed.
  package static let handshake: Int64 = 5_000_000
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
