import Domain
import Foundation
import GRPCCore
import Storage
import Wire

extension SnapshotSource {
  /// A peer at the other end of `client`. Every call has a deadline, and what comes is cut where
  /// it exceeds its bounds. `offerSeconds`: how long an offer may take, if not as long as usual.
  package init(
    _ client: GRPCClient<some ClientTransport>, name: String, offerSeconds: Int64? = nil
  ) {
    let patience = offerSeconds ?? SnapshotLimits.offerSeconds
    let snapshots = Intertie_V1_Snapshots.Client(wrapping: client)
    self.init(
      name: name,
      offer: {
        do {
          return try await snapshots.offer(
            Intertie_V1_SnapshotOfferRequest(),
            options: .snapshot(seconds: patience)
          ) { response in
            var offer = OfferUnpacker()
            for try await piece in response.messages { try offer.add(piece) }
            return try offer.finish()
          }
        } catch let error as RPCError where error.code == .notFound {
          return nil
        }
      },
      headers: { from, limit in
        var request = Intertie_V1_SnapshotHeadersRequest()
        request.from = from
        request.limit = UInt32(clamping: limit)
        return try await snapshots.headers(
          request, options: .snapshot(seconds: SnapshotLimits.transferSeconds)
        ) { response in
          var headers = HeaderUnpacker(limit: limit)
          for try await piece in response.messages { try headers.add(piece.headers) }
          return headers.headers
        }
      },
      chunk: { digest, size in
        var request = Intertie_V1_SnapshotChunkRequest()
        request.digest = Data(digest.array)
        do {
          return try await snapshots.chunk(
            request, options: .snapshot(seconds: SnapshotLimits.transferSeconds)
          ) { response in
            var bytes: [UInt8] = []
            for try await piece in response.messages {
              guard bytes.count + piece.bytes.count <= size else {
                throw PeerFault("a chunk of more bytes than it offered")
              }
              bytes += piece.bytes
            }
            return bytes
          }
        } catch let error as RPCError where error.code == .notFound {
          return nil
        }
      })
  }
}

extension CallOptions {
  fileprivate static func snapshot(seconds: Int64) -> CallOptions {
    var options = CallOptions.defaults
    options.timeout = .seconds(seconds)
    options.waitForReady = false
    options.maxResponseMessageBytes = 2 * SnapshotLimits.pieceBytes
    return options
  }
}
