import NIOCore
import NIOSSL

/// Gives HTTP/2 what arrives in pieces of a full frame at most, each of which ends with a frame or
/// within the payload of a DATA frame; what is behind waits for the rest of its frame.
///
/// swift-nio-http2 (1.46, `HTTP2FrameDecoder`) writes what arrives behind what it holds, and begins
/// anew at the start of its buffer where the bytes so far ended in one of these two places. A
/// client whose writes end behind the header of a frame again and again, as those of TLS do, whose
/// records hold a full frame's payload but not its header too, makes the buffer grow by all that it
/// sends. And each piece of a message that waits for its rest keeps a buffer as large as the
/// largest before it: eight streams of batches held 300 MiB. Here it is 32 KiB, which many tiny
/// frames that come one by one still keep each.
package final class FrameAligner: ChannelInboundHandler {
  package typealias InboundIn = ByteBuffer
  package typealias InboundOut = ByteBuffer

  private enum Frame {
    /// RFC 9113, 3.4: what a client sends before its first frame.
    static let prefaceBytes = 24
    /// RFC 9113, 4.1: 24 bits of length, 8 of type, 8 of flags, 32 of the stream.
    static let headerBytes = 9
    static let data: UInt8 = 0
    static let padded: UInt8 = 8
    /// What a peer may send before it is told otherwise; gRPC tells it nothing else.
    static let largestPayload = 1 << 14
    static let largestBytes = headerBytes + largestPayload
  }

  /// The start of a frame that waits for its rest.
  private var held = ByteBuffer()
  /// Bytes of the frame under way, or of the preface, that are still to come.
  private var rest: Int

  package enum Side: Sendable { case server, client }

  /// `side`: the one that it is on.
  package init(_ side: Side) { rest = side == .server ? Frame.prefaceBytes : 0 }

  /// Puts one between TLS, if there is any, and HTTP/2.
  package static func install(_ side: Side, on channel: any Channel) throws {
    let pipeline = channel.pipeline.syncOperations
    let tls: (any ChannelHandler)? =
      switch side {
      case .server: try? pipeline.handler(type: NIOSSLServerHandler.self)
      case .client: try? pipeline.handler(type: NIOSSLClientHandler.self)
      }
    try pipeline.addHandler(FrameAligner(side), position: tls.map { .after($0) } ?? .first)
  }

  package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var bytes = unwrapInboundIn(data)
    if held.readableBytes > 0 {
      held.writeBuffer(&bytes)
      bytes = held
      held = ByteBuffer()
    }
    while let piece = bytes.readSlice(length: pieceBytes(of: bytes)), piece.readableBytes > 0 {
      context.fireChannelRead(wrapInboundOut(piece))
    }
    // A copy: what waits is short, and must not keep all that has been handed on.
    if bytes.readableBytes > 0 { held = ByteBuffer(bytes: bytes.readableBytesView) }
  }

  /// How many of these bytes are the next piece; 0 when they have to wait.
  private func pieceBytes(of bytes: ByteBuffer) -> Int {
    var end = min(rest, bytes.readableBytes, Frame.largestBytes)
    rest -= end
    while rest == 0, let next = frame(in: bytes, at: end) {
      // A larger one is refused behind its header, whatever else comes of it.
      let whole = min(next.bytes, Frame.largestBytes)
      guard end == 0 || end + whole <= Frame.largestBytes else { break }
      let here = min(whole, bytes.readableBytes - end)
      if here < next.bytes, !next.mayBeSplit || here <= Frame.headerBytes { break }
      rest = next.bytes - here
      end += here
    }
    return end
  }

  /// The size of the frame whose header begins at that place, and whether its payload may come in
  /// pieces; nil when the header is not complete.
  private func frame(in bytes: ByteBuffer, at place: Int) -> (bytes: Int, mayBeSplit: Bool)? {
    let start = bytes.readerIndex + place
    guard bytes.readableBytes - place >= Frame.headerBytes,
      let word: UInt32 = bytes.getInteger(at: start),
      let flags: UInt8 = bytes.getInteger(at: start + 4)
    else { return nil }
    let payload = Int(word >> 8)
    let isPlainData = UInt8(truncatingIfNeeded: word) == Frame.data && flags & Frame.padded == 0
    // One that is too large is for HTTP/2 to refuse.
    return (Frame.headerBytes + payload, isPlainData || payload > Frame.largestPayload)
  }
}
