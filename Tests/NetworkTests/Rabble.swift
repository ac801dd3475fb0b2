import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Node
import ProcessSupport
import Synchronization
import TestSupport
import Wire

/// Strangers at the nodes' peer ports.
struct Rabble: Sendable {
  struct Counts: Sendable, CustomStringConvertible {
    /// Connections that poured garbage until they were cut.
    var garbage = 0
    /// Their bytes.
    var bytes = 0
    /// Connections that said nothing.
    var idle = 0
    /// Calls without a certificate, or with one that no one knows: refused, and let in.
    var refused = 0
    var `let` = 0

    var description: String {
      "\(garbage) connections poured \(bytes >> 10) KiB of garbage, \(idle) stood idle, \(refused) "
        + "calls were refused, \(`let`) let in"
    }
  }

  /// Connections to each port that say nothing: several times as many as may stand there without
  /// having shown a key. Those that are closed are opened again this often.
  private static let idlers = 4 * PeerLimits.handshakes
  private static let reopening = Duration.milliseconds(500)

  private let ports: [Int]
  private let certificate: DevelopmentCertificate
  private let counts = Shared()

  private final class Shared: Sendable {
    private let state = Mutex(Counts())
    var now: Counts { state.withLock { $0 } }
    func count(_ change: (inout Counts) -> Void) { state.withLock { change(&$0) } }
  }

  init(folder: String, ports: [Int]) throws {
    self.ports = ports
    let own = folder + "/stranger"
    try FileManager.default.createDirectory(atPath: own, withIntermediateDirectories: true)
    certificate = try DevelopmentCertificate.load(in: own)
  }

  /// All of it at once for so many seconds.
  func push(seconds: Double, seed: UInt64) async throws -> Counts {
    var random = SplitMix64(seed: seed)
    let deadline = Deadline(seconds)
    await withDiscardingTaskGroup { group in
      for port in ports {
        let draws = SplitMix64(seed: random.next())
        group.addTask { await self.pour(port, draws, deadline) }
        group.addTask { await self.stand(port, deadline) }
        for hasCertificate in [false, true] {
          group.addTask { await self.call(port, hasCertificate, deadline) }
        }
      }
    }
    return counts.now
  }

  /// Connection after connection, each full of random bytes; every other one begins as TLS does.
  private func pour(_ port: Int, _ draws: SplitMix64, _ deadline: Deadline) async {
    var random = draws
    while !deadline.isOver {
      // A node that is restarted listens elsewhere.
      try? await Task.sleep(for: .milliseconds(1))
      guard let socket = Socket.connect(to: port) else { continue }
      defer { Socket.reset(socket) }
      let hello: [UInt8] = random.chance(50) ? [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3] : []
      var bytes = (hello + random.bytes(4096))[...]
      counts.count { $0.garbage += 1 }
      for _ in 0..<50 where !deadline.isOver {
        guard let count = Socket.write(socket, bytes) else { break }
        counts.count { $0.bytes += count }
        bytes = bytes.dropFirst(count)
        if bytes.isEmpty { bytes = random.bytes(4096)[...] }
        if case .failed = Socket.read(socket) { break }
        try? await Task.sleep(for: .milliseconds(1))
      }
    }
  }

  private func stand(_ port: Int, _ deadline: Deadline) async {
    var sockets: [Int32] = []
    while !deadline.isOver {
      sockets = sockets.filter { socket in
        if Socket.isOpen(socket) { return true }
        Socket.reset(socket)
        return false
      }
      let fresh = (sockets.count..<Self.idlers).compactMap { _ in Socket.connect(to: port) }
      counts.count { $0.idle += fresh.count }
      sockets += fresh
      let pause = ContinuousClock.now + Self.reopening
      while !deadline.isOver, ContinuousClock.now < pause {
        try? await Task.sleep(for: .milliseconds(50))
      }
    }
    for socket in sockets { Socket.reset(socket) }
  }

  private func call(_ port: Int, _ hasCertificate: Bool, _ deadline: Deadline) async {
    while !deadline.isOver {
      do {
        try await link(port, hasCertificate)
        counts.count { $0.let += 1 }
      } catch {
        counts.count { $0.refused += 1 }
      }
      try? await Task.sleep(for: .milliseconds(20))
    }
  }

  /// A link as a node would open it.
  private func link(_ port: Int, _ hasCertificate: Bool) async throws {
    let security: Transport.TransportSecurity
    if hasCertificate {
      security = .mTLS(
        certificateChain: [.file(path: certificate.certificatePath, format: .pem)],
        privateKey: .file(path: certificate.keyPath, format: .pem)
      ) { $0.serverCertificateVerification = .noVerification }
    } else {
      security = .tls { $0.serverCertificateVerification = .noVerification }
    }
    let transport = try Transport(
      target: .ipv4(address: "127.0.0.1", port: port), transportSecurity: security)
    try await withGRPCClient(transport: transport) { client in
      let peer = Intertie_V1_Peer.Client(wrapping: client)
      var options = CallOptions.defaults
      options.timeout = .seconds(2)
      let request = StreamingClientRequest<Intertie_V1_Frame> { writer in
        for _ in 0..<4 {
          try await writer.write(
            .with {
              $0.isLast = true
              $0.piece = Data(repeating: 7, count: 1000)
            })
        }
      }
      // The response's headers already would mean that the link stands.
      try await peer.link(request: request, options: options) { _ = try $0.accepted.get() }
    }
  }
}
