import Domain
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import GRPCProtobuf
import Load
import NIOCore
import ProcessSupport
import Synchronization
import Wire

/// A node on 127.0.0.1, without TLS, that answers as a test says, batch for batch and call for
/// call. What it takes stands in a block of its own; what it has already it refuses.
final class FakeNode: Sendable {
  /// What it does with a batch of readings or a call.
  enum Answer: Sendable {
    case take
    /// Takes it, and answers when `isLate` is finished.
    case takeLate
    /// Takes it, and breaks the stream or call before it has answered.
    case takeAndBreak
    /// Breaks the stream or call.
    case onlyBreak
    /// Takes nothing: it may come again after so many milliseconds.
    case busy(milliseconds: Int64)
  }

  /// A batch or a call as it came.
  struct Arrival: Hashable, Sendable {
    /// On the `Monotonic` clock.
    var time: Int64
    var marks: [UInt64]
  }

  private struct State {
    var script: [Answer]
    var blocks: [[(kind: EntryKind, signed: SignedBytes)]] = []
    var known: Set<UInt64> = []
    var arrivals: [Arrival] = []
    var port: Int?
    var bounds = ChainBounds()
  }

  /// What it tells of its chain.
  struct ChainBounds: Sendable {
    /// The newest block that it has.
    var tip = UInt64.max
    /// After that one a stream of blocks brings no more, and does not end.
    var stalled = UInt64.max
  }

  /// For one batch or call that waits for it at a time.
  let isLate = Chime()
  private let state: Mutex<State>

  /// After the script it takes everything.
  init(_ script: [Answer]) { state = Mutex(State(script: script)) }

  var bounds: ChainBounds {
    get { state.withLock { $0.bounds } }
    set { state.withLock { $0.bounds = newValue } }
  }

  /// The bodies of the blocks that it has, from the first on.
  var bodies: [[UInt8]] {
    state.withLock { state in
      state.blocks.prefix(Int(clamping: state.bounds.tip)).map { block in
        var writer = CanonicalWriter()
        for entry in block {
          writer.write(entry.kind.rawValue)
          writer.write(counted: entry.signed.payload)
          writer.write(entry.signed.signature)
        }
        return writer.bytes
      }
    }
  }

  var arrivals: [Arrival] { state.withLock { $0.arrivals } }

  /// Returns when so many batches and calls have come.
  func arrival(_ count: Int) async throws {
    try await wait(240, every: 2, for: "an arrival") { arrivals.count >= count }
  }

  func port() async throws -> Int {
    try await wait(240, every: 2, for: "a port") { state.withLock { $0.port != nil } }
    return state.withLock { $0.port ?? 0 }
  }

  /// The check at a run's end, held against the blocks of this node.
  func scan(_ items: AcknowledgedItems, meters: [SigningKey] = [], members: [SigningKey] = [])
    throws -> (scan: ChainScan, copies: Int)
  {
    var scan = ChainScan(
      items, meters: Set(meters.map(\.publicKey)), members: Set(members.map(\.publicKey)))
    for (index, body) in bodies.enumerated() {
      try scan.add(height: UInt64(index + 1), body: body)
    }
    let copies = scan.finish()
    return (scan, copies.count)
  }

  /// Listens until `end` is finished or the task is cancelled, then breaks all connections.
  func serve(on port: Int = 0, until end: Chime) async throws {
    let connections = Connections()
    let transport = HTTP2ServerTransport.Posix(
      address: .ipv4(host: "127.0.0.1", port: port), transportSecurity: .plaintext,
      config: .defaults {
        $0.channelDebuggingCallbacks.onAcceptTCPConnection = { connections.admit($0) }
      })
    let server = GRPCServer(
      transport: transport, services: [Services(node: self), FakeChain(node: self)])
    // Never cancelled: see `GRPCServer.serve(untilCancelledWithin:refuse:)`.
    let serving = Task { try? await server.serve() }
    let bound = try await transport.listeningAddress.ipv4?.port
    state.withLock { $0.port = bound }
    await end.wait()
    await server.end { connections.refuse() }
    await connections.close()
    // Nobody hears what is said late.
    isLate.finish()
    _ = await serving.value
  }

  // MARK: Answers

  private func next(_ marks: [UInt64]) -> Answer {
    state.withLock { state in
      state.arrivals.append(Arrival(time: Monotonic.now, marks: marks))
      return state.script.isEmpty ? .take : state.script.removeFirst()
    }
  }

  /// One result for each: the block's height, or why it is in none.
  @discardableResult
  func take(_ entries: [SignedBytes], _ kind: EntryKind, known reason: Rejection)
    -> [ReadingResult]
  {
    state.withLock { state in
      let height = UInt64(state.blocks.count + 1)
      var block: [(kind: EntryKind, signed: SignedBytes)] = []
      let results = entries.map { entry in
        guard state.known.insert(AcknowledgedItems.mark(entry.payload)).inserted else {
          return ReadingResult(height: 0, reason: reason)
        }
        block.append((kind, entry))
        return ReadingResult(height: height, reason: nil)
      }
      state.blocks.append(block)
      return results
    }
  }

  /// Nil: the node is busy for so many milliseconds.
  private func answer(
    _ entries: [SignedBytes], _ kind: EntryKind, known reason: Rejection
  ) async throws -> (results: [ReadingResult]?, milliseconds: Int64) {
    let broken = RPCError(code: .unavailable, message: "broken by the test")
    switch next(entries.map { AcknowledgedItems.mark($0.payload) }) {
    case .take: return (take(entries, kind, known: reason), 0)
    case .takeLate:
      let results = take(entries, kind, known: reason)
      await isLate.wait()
      return (results, 0)
    case .takeAndBreak:
      _ = take(entries, kind, known: reason)
      throw broken
    case .onlyBreak: throw broken
    case .busy(let milliseconds): return (nil, milliseconds)
    }
  }

  fileprivate func answer(_ batch: Intertie_V1_ReadingBatch) async throws -> Intertie_V1_BatchAck {
    let entries = try batch.readings.map { try SignedBytes($0) }
    let (results, milliseconds) = try await answer(entries, .reading, known: .duplicate)
    return results.map { Intertie_V1_BatchAck(id: batch.id, results: $0) }
      ?? .busy(id: batch.id, retryMilliseconds: milliseconds)
  }

  fileprivate func answer(_ call: Intertie_V1_SubmitRequest) async throws
    -> Intertie_V1_SubmitResponse
  {
    let entries = try call.commands.map { try SignedBytes($0) }
    let (results, milliseconds) = try await answer(entries, .command, known: .replayed)
    guard let results else {
      let status = GoogleRPCStatus(
        code: .resourceExhausted, message: "busy",
        details: .retryInfo(delay: .milliseconds(milliseconds)))
      var error = RPCError(
        code: .resourceExhausted, message: "busy", metadata: status.rpcErrorMetadata)
      error.metadata.addString("\(milliseconds)", forKey: RetryPause.hint)
      throw error
    }
    return .with {
      $0.results = results.map { result in
        .with {
          $0.height = result.height
          $0.rejection = Intertie_V1_Rejection(result.reason)
        }
      }
    }
  }

  private struct Services: RegistrableRPCService {
    let node: FakeNode

    func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
      router.registerHandler(
        forMethod: Intertie_V1_Meter.Method.Stream.descriptor,
        deserializer: ProtobufDeserializer<Intertie_V1_ReadingBatch>(),
        serializer: ProtobufSerializer<Intertie_V1_BatchAck>()
      ) { [node] request, _ in
        StreamingServerResponse { writer in
          for try await batch in request.messages {
            try await writer.write(try await node.answer(batch))
          }
          return [:]
        }
      }
      router.registerHandler(
        forMethod: Intertie_V1_Ledger.Method.Submit.descriptor,
        deserializer: ProtobufDeserializer<Intertie_V1_SubmitRequest>(),
        serializer: ProtobufSerializer<Intertie_V1_SubmitResponse>()
      ) { [node] request, _ in
        var response = Intertie_V1_SubmitResponse()
        for try await call in request.messages { response = try await node.answer(call) }
        return StreamingServerResponse(single: ServerResponse(message: response))
      }
    }
  }
}

/// The connections of a server, to be broken off all at once.
private final class Connections: Sendable {
  private struct State {
    var channels: [any Channel] = []
    var isRefusing = false
  }

  private let state = Mutex(State())

  func admit(_ channel: any Channel) -> EventLoopFuture<Void> {
    let isAdmitted = state.withLock { state in
      if !state.isRefusing { state.channels.append(channel) }
      return !state.isRefusing
    }
    return isAdmitted
      ? channel.eventLoop.makeSucceededVoidFuture()
      : channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
  }

  func refuse() { state.withLock { $0.isRefusing = true } }

  func close() async {
    // One that is closed already says so.
    for channel in state.withLock({ $0.channels }) { try? await channel.close() }
  }
}
