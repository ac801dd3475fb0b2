import NIOCore
import NIOEmbedded
import NIOHTTP2
import Node
import TestSupport
import Testing

/// What HTTP/2 is given, and what it keeps of it.
@Suite struct FrameAlignerTests {
  private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

  private static func frame(
    _ type: UInt8, flags: UInt8 = 0, stream: UInt8 = 1, _ payload: [UInt8]
  ) -> [UInt8] {
    let length = UInt32(payload.count)
    return [
      UInt8(truncatingIfNeeded: length >> 16), UInt8(truncatingIfNeeded: length >> 8),
      UInt8(truncatingIfNeeded: length), type, flags, 0, 0, 0, stream,
    ] + payload
  }

  /// A server's pipeline with one stream open.
  private static func server(isAligned: Bool) throws -> EmbeddedChannel {
    let channel = EmbeddedChannel()
    try channel.pipeline.syncOperations.addHandler(
      NIOHTTP2Handler(mode: .server, headerBlockValidation: .disabled))
    if isAligned { try FrameAligner.install(.server, on: channel) }
    channel.pipeline.fireChannelActive()
    let settings = frame(4, stream: 0, []) + frame(4, flags: 1, stream: 0, [])
    // Indexed headers of RFC 7541, Appendix A: POST, http, /.
    let headers = frame(1, flags: 4, [0x83, 0x86, 0x84])
    try channel.writeInbound(ByteBuffer(bytes: preface + settings + headers))
    return channel
  }

  /// The most memory that a piece of DATA keeps, and how many bytes of DATA came.
  private static func drain(_ channel: EmbeddedChannel) throws -> (kept: Int, bytes: Int) {
    var (kept, bytes) = (0, 0)
    while let frame = try channel.readInbound(as: HTTP2Frame.self) {
      guard case .data(let data) = frame.payload, case .byteBuffer(let buffer) = data.data else {
        continue
      }
      kept = max(kept, buffer.storageCapacity)
      bytes += buffer.readableBytes
    }
    return (kept, bytes)
  }

  /// Writes that end behind a header, each time, as those of TLS may.
  @Test(arguments: [true, false]) func whatEndsWithHeadersKeepsLittle(isAligned: Bool) throws {
    let channel = try Self.server(isAligned: isAligned)
    let frame = Self.frame(0, [UInt8](repeating: 7, count: 1 << 14))
    try channel.writeInbound(ByteBuffer(bytes: frame.prefix(9)))
    let count = 3
    for _ in 0..<count {
      try channel.writeInbound(ByteBuffer(bytes: frame.dropFirst(9) + frame.prefix(9)))
    }
    let (kept, bytes) = try Self.drain(channel)
    #expect(bytes == count << 14)
    if isAligned {
      #expect(kept <= 1 << 15)
    } else {
      // Once this fails, swift-nio-http2 has mended it, and FrameAligner is superfluous.
      #expect(kept > 1 << 15)
    }
    _ = try? channel.finish()
  }

  /// Frames that come together, more than a window of them, make none of those behind keep more.
  @Test func whatFollowsMuchKeepsLittle() throws {
    let channel = try Self.server(isAligned: true)
    let frames = (0..<16).flatMap { _ in Self.frame(0, [UInt8](repeating: 7, count: 4000)) }
    try channel.writeInbound(ByteBuffer(bytes: frames))
    // None is read before all are there.
    for _ in 0..<8 { try channel.writeInbound(ByteBuffer(bytes: Self.frame(0, [7]))) }
    let (kept, bytes) = try Self.drain(channel)
    #expect(bytes == 16 * 4000 + 8)
    #expect(kept <= 1 << 15)
    _ = try? channel.finish()
  }

  /// Whatever frames come, and wherever they are cut: nothing is lost, and each read ends with a
  /// frame or within DATA that is not padded, and is no longer than the largest frame.
  @Test(arguments: [FrameAligner.Side.server, .client])
  func nothingIsLostWhereverItIsCut(side: FrameAligner.Side) throws {
    let seed = UInt64.random(in: 1...(.max))
    var random = SplitMix64(seed: seed)
    for turn in 0..<200 {
      // A server begins with a frame.
      var bytes = side == .server ? Self.preface : []
      // Where a read may end.
      var ends = Set(bytes.indices.map { $0 + 1 })
      for _ in 0..<Int.random(in: 1...12, using: &random) {
        let type = UInt8.random(in: 0...2, using: &random)
        let flags: UInt8 = Bool.random(using: &random) ? 8 : 0
        let sizes = [0, 1, 9, .random(in: 0...300, using: &random), 1 << 14, 1 << 14 + 1]
        let size = sizes.randomElement(using: &random) ?? 0
        let payload = bytes.count + 9
        bytes += Self.frame(type, flags: flags, [UInt8](repeating: type, count: size))
        ends.insert(bytes.count)
        if (type == 0 && flags == 0) || size > 1 << 14, size > 0 {
          ends.formUnion(payload + 1...bytes.count)
        }
      }
      let channel = EmbeddedChannel(handler: FrameAligner(side))
      var (sent, given) = (0, [UInt8]())
      while sent < bytes.count {
        let most = Bool.random(using: &random) ? 20 : 1 << 15
        let next = min(sent + .random(in: 1...most, using: &random), bytes.count)
        try channel.writeInbound(ByteBuffer(bytes: bytes[sent..<next]))
        sent = next
        while let read = try channel.readInbound(as: ByteBuffer.self) {
          given += read.readableBytesView
          #expect(read.readableBytes <= 9 + 1 << 14)
          #expect(ends.contains(given.count), "seed \(seed), turn \(turn)")
        }
      }
      #expect(given == bytes, "seed \(seed), turn \(turn)")
      _ = try? channel.finish()
    }
  }
}
