import Domain
import Foundation
import Storage
import Wire

// Between what is offered and the messages that carry it, none above `SnapshotLimits.pieceBytes`.

/// Cuts headers and their finalizations into messages' worth.
struct HeaderPacker {
  private(set) var pieces: [[Intertie_V1_SnapshotHeader]] = []
  private var last: [Intertie_V1_SnapshotHeader] = []
  private var bytes = 0

  init(_ headers: [SentHeader]) {
    for header in headers { add(header) }
    if !last.isEmpty { pieces.append(last) }
  }

  private mutating func add(_ sent: SentHeader) {
    var header = Intertie_V1_SnapshotHeader()
    header.header = Data(sent.bytes)
    var rest = sent.finalization[...]
    repeat {
      if bytes + header.header.count + 16 > SnapshotLimits.pieceBytes { cut() }
      let room = SnapshotLimits.pieceBytes - bytes - header.header.count
      header.finalization = Data(rest.prefix(room))
      rest = rest.dropFirst(room)
      bytes += header.header.count + header.finalization.count + 16
      last.append(header)
      header = Intertie_V1_SnapshotHeader()
    } while !rest.isEmpty
  }

  private mutating func cut() {
    if !last.isEmpty { pieces.append(last) }
    last = []
    bytes = 0
  }
}

/// Puts headers together again, within bounds.
struct HeaderUnpacker {
  private(set) var headers: [SentHeader] = []
  private var bytes = 0
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  mutating func add(_ parts: [Intertie_V1_SnapshotHeader]) throws(PeerFault) {
    for part in parts {
      bytes += part.header.count + part.finalization.count
      guard bytes <= SnapshotLimits.pageBytes else { throw PeerFault("headers of many bytes") }
      if !part.header.isEmpty {
        guard headers.count < limit else { throw PeerFault("more headers than were asked for") }
        headers.append(
          SentHeader(bytes: Array(part.header), finalization: Array(part.finalization)))
      } else if !headers.isEmpty, !part.finalization.isEmpty {
        headers[headers.count - 1].finalization += Array(part.finalization)
      } else {
        throw PeerFault("a part of no header")
      }
    }
  }
}

extension SnapshotOffer {
  /// Chunks of one message: with the longest names they fit.
  private static let chunksPerPiece = 1024

  var pieces: [Intertie_V1_SnapshotOfferPiece] {
    var first = Intertie_V1_SnapshotOfferPiece()
    first.height = height
    first.accountsRoot = Data(accountsRoot.array)
    first.keptFrom = keptFrom
    var pieces = [first]
    for start in stride(from: 0, to: chunks.count, by: Self.chunksPerPiece) {
      var piece = Intertie_V1_SnapshotOfferPiece()
      piece.chunks = chunks[start..<min(start + Self.chunksPerPiece, chunks.count)].map {
        Intertie_V1_SnapshotChunk($0)
      }
      pieces.append(piece)
    }
    for headers in HeaderPacker(headers).pieces {
      var piece = Intertie_V1_SnapshotOfferPiece()
      piece.headers = headers
      pieces.append(piece)
    }
    return pieces
  }
}

extension Intertie_V1_SnapshotChunk {
  fileprivate init(_ chunk: SnapshotManifest.Chunk) {
    self.init()
    name = chunk.name
    digest = Data(chunk.digest.array)
    size = UInt64(chunk.size)
  }
}

/// Puts an offer together from its pieces, within bounds.
struct OfferUnpacker {
  private var height: UInt64 = 0
  private var accountsRoot: Digest?
  private var keptFrom: UInt64 = 0
  private var chunks: [SnapshotManifest.Chunk] = []
  private var headers = HeaderUnpacker(limit: SnapshotLimits.proofHeaders)

  mutating func add(_ piece: Intertie_V1_SnapshotOfferPiece) throws(PeerFault) {
    if !piece.accountsRoot.isEmpty {
      guard accountsRoot == nil, let root = Digest(piece.accountsRoot) else {
        throw PeerFault("an offer with a broken head")
      }
      (height, accountsRoot, keptFrom) = (piece.height, root, piece.keptFrom)
    }
    guard chunks.count + piece.chunks.count <= SnapshotLimits.chunks else {
      throw PeerFault("an offer of more than \(SnapshotLimits.chunks) chunks")
    }
    for chunk in piece.chunks {
      guard let digest = Digest(chunk.digest), let size = Int(exactly: chunk.size) else {
        throw PeerFault("an offer with a broken chunk")
      }
      chunks.append(SnapshotManifest.Chunk(name: chunk.name, digest: digest, size: size))
    }
    try headers.add(piece.headers)
  }

  func finish() throws(PeerFault) -> SnapshotOffer {
    guard let accountsRoot else { throw PeerFault("an offer without a head") }
    return SnapshotOffer(
      height: height, accountsRoot: accountsRoot, keptFrom: keptFrom, chunks: chunks,
      headers: headers.headers)
  }
}
