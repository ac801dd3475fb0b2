import Domain
import NIOCore
import NIOPosix
import Node
import Synchronization
import Testing

/// Passes bytes on between its clients and one port, until it is told to hold them back.
private final class Relay: Sendable {
  private typealias Connection = NIOAsyncChannel<ByteBuffer, ByteBuffer>

  private let isHolding = Mutex(false)

  func hold(_ isHolding: Bool) { self.isHolding.withLock { $0 = isHolding } }

  func running(to port: Int, _ body: @escaping @Sendable (Int) async throws -> Void) async throws {
    let server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .bind(host: "127.0.0.1", port: 0) { channel in
        channel.eventLoop.makeCompletedFuture {
          try Connection(wrappingChannelSynchronously: channel)
        }
      }
    try await withThrowingTaskGroup(of: Void.self) { group in
      defer { group.cancelAll() }
      group.addTask {
        try await server.executeThenClose { connections in
          try await withThrowingDiscardingTaskGroup { group in
            for try await connection in connections {
              group.addTask { try? await self.relay(connection, to: port) }
            }
          }
        }
      }
      group.addTask { try await body(server.channel.localAddress?.port ?? 0) }
      try await group.next()
    }
  }

  private func relay(_ near: Connection, to port: Int) async throws {
    let far = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .connect(host: "127.0.0.1", port: port) { channel in
        channel.eventLoop.makeCompletedFuture {
          try Connection(wrappingChannelSynchronously: channel)
        }
      }
    try await near.executeThenClose { nearIn, nearOut in
      try await far.executeThenClose { farIn, farOut in
        try await withThrowingTaskGroup(of: Void.self) { group in
          defer { group.cancelAll() }
          group.addTask { try await self.pass(nearIn, farOut) }
          group.addTask { try await self.pass(farIn, nearOut) }
          try await group.next()
        }
      }
    }
  }

  private func pass(
    _ source: NIOAsyncChannelInboundStream<ByteBuffer>,
    _ sink: NIOAsyncChannelOutboundWriter<ByteBuffer>
  ) async throws {
    for try await bytes in source {
      while isHolding.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(5)) }
      try await sink.write(bytes)
    }
  }
}

@Suite struct PeerStallTests {
  /// As when a machine stops or a cable is pulled: nothing is closed, nothing comes.
  @Test func aPeerThatFallsSilentIsGivenUpAndFoundAgain() async throws {
    let chain = PeerChain(2)
    try await withFolder { folder in
      let a = try PeerNode(chain.keys[0], chain, in: folder, keepalive: .seconds(1))
      let b = try PeerNode(chain.keys[1], chain, in: folder, keepalive: .seconds(1))
      try await a.running { portA in
        try await b.running { portB in
          let relay = Relay()
          try await relay.running(to: portB) { port in
            try a.write([(b.key, port)])
            try b.write([(a.key, portA)])
            try await eventually("linked") {
              try a.network.connected == [b.id] && b.status(of: a.id).incoming != nil
            }
            relay.hold(true)
            try await eventually("both ends give it up") {
              try a.network.connected.isEmpty && b.status(of: a.id).incoming == nil
            }
            // b's own link to a does not pass here.
            try await eventually("b's own link stands") { b.network.connected == [a.id] }
            a.network.send(chain.fetch(8), to: b.id)
            relay.hold(false)
            try await eventually("the message waited for the next link") {
              b.ears.fetches(from: a.id) == [8]
            }
          }
        }
      }
    }
  }
}
