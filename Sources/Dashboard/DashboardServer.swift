import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// Serves a node's pages over HTTP/1.1, one request a connection.
///
/// There is nothing to be kept from whoever may read the metrics, and nothing that a request can
/// change; so there is neither TLS nor a password, and the address is to be one that only the
/// operator's machines reach. Whatever comes is bounded by `DashboardLimits`: connections, the
/// bytes of a request, and the seconds of a connection from its beginning to its end.
package final class DashboardServer: Sendable {
  package let port: Int
  private let channel: any Channel

  private init(_ channel: any Channel) {
    self.channel = channel
    port = channel.localAddress?.port ?? 0
  }

  /// Listens on an IPv4 or IPv6 address, or "localhost"; port 0 lets the system choose. Throws what
  /// NIO throws when it cannot. `connections` at a time, each for `seconds` at most.
  package static func start(
    host: String, port: Int, pages: Pages, connections: Int = DashboardLimits.connections,
    seconds: Int64 = DashboardLimits.connectionSeconds
  ) async throws -> DashboardServer {
    let visitors = Visitors(limit: connections)
    let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.backlog, value: Int32(DashboardLimits.connections))
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.maxMessagesPerRead, value: 1)
      .childChannelInitializer { channel in
        guard visitors.admit(channel) else {
          return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
        }
        return channel.eventLoop.makeCompletedFuture {
          try welcome(channel, pages, seconds: seconds)
        }
      }
    let address = host == "localhost" ? "127.0.0.1" : host
    return DashboardServer(try await bootstrap.bind(host: address, port: port).get())
  }

  /// Takes no more connections; those that are here end by themselves.
  package func close() { channel.close(promise: nil) }

  private static func welcome(
    _ channel: any Channel, _ pages: Pages, seconds: Int64
  ) throws {
    let pipeline = channel.pipeline.syncOperations
    var limits = NIOHTTPDecoderLimitConfiguration()
    limits.maxHeaderFieldSize = DashboardLimits.requestBytes
    limits.maxHeaderListSize = DashboardLimits.requestBytes
    limits.maxHeaderFieldCount = DashboardLimits.headerFields
    try pipeline.addHandler(ByteGate())
    try pipeline.configureHTTPServerPipeline(
      withPipeliningAssistance: false, withEncoderConfiguration: .init(),
      withDecoderLimitConfiguration: limits)
    try pipeline.addHandler(PageHandler(pages))
    let end = channel.eventLoop.scheduleTask(in: .seconds(seconds)) {
      channel.close(promise: nil)
    }
    channel.closeFuture.whenComplete { _ in end.cancel() }
  }
}

/// Counts connections and turns away those beyond a limit.
private final class Visitors: Sendable {
  private let count = Atomic(0)
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  func admit(_ channel: any Channel) -> Bool {
    let before = count.add(1, ordering: .relaxed).oldValue
    channel.closeFuture.whenComplete { [self] _ in count.subtract(1, ordering: .relaxed) }
    return before < limit
  }
}

/// Ends a connection that sends more than a request may have.
private final class ByteGate: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  private var left = DashboardLimits.requestBytes

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    left -= unwrapInboundIn(data).readableBytes
    guard left >= 0 else { return context.close(promise: nil) }
    context.fireChannelRead(data)
  }
}

/// Answers the first request of a connection, then ends it; what comes behind is passed over.
private final class PageHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let pages: Pages
  private var request: HTTPRequestHead?
  private var isAnswered = false

  init(_ pages: Pages) { self.pages = pages }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !isAnswered else { return }
    switch unwrapInboundIn(data) {
    case .head(let head): request = head
    case .body: return
    case .end:
      guard let request else { return }
      isAnswered = true
      send(pages.answer(method: request.method.rawValue, target: request.uri), context)
    }
  }

  private func send(_ answer: Answer, _ context: ChannelHandlerContext) {
    var headers = HTTPHeaders()
    headers.add(name: "content-type", value: answer.type)
    headers.add(name: "content-length", value: "\(answer.body.count)")
    headers.add(name: "cache-control", value: "no-store")
    headers.add(name: "connection", value: "close")
    if answer.status == 405 { headers.add(name: "allow", value: "GET, HEAD") }
    let head = HTTPResponseHead(
      version: .http1_1, status: HTTPResponseStatus(statusCode: answer.status), headers: headers)
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    if !answer.isHead {
      let body = context.channel.allocator.buffer(bytes: answer.body)
      context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
    }
    let channel = context.channel
    context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in
      channel.close(promise: nil)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }
}
