import Domain
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Node
import ProcessSupport
import Wire

/// Signed readings through a node process of its own, over gRPC with TLS: from signed bytes to the
/// acknowledgement of a durable receipt.
struct ReadingsBenchmark {
  var executable: String
  private static let meters = 8192
  private static let batch = 1024

  func run(readings count: Int) async throws {
    let (validator, lead) = (SigningKey.generate(), SigningKey.generate())
    let meters = (0..<Self.meters).map { _ in SigningKey.generate() }
    let genesis = BenchmarkChain.genesis(
      validator: validator, lead: lead, accounts: [GenesisAccount(id: lead.publicKey)],
      meters: meters.map {
        GenesisMeter(
          id: $0.publicKey, account: lead.publicKey, maximumPower: Power(20_000_000), isClean: true)
      })
    let batches = sign(count, meters: meters, genesis: genesis)
    try await withFolder { folder in
      try await withNode(folder: folder, genesis: genesis, validator: validator) { port, process in
        // The first interval ends one second after the chain's start.
        try await Task.sleep(for: .seconds(1.2))
        // The machine drifts: the yardstick is taken on both sides of what it measures.
        let before = Yardstick.verificationMicroseconds()
        let (start, startCPU) = (now(), Yardstick.cpuSeconds(of: process))
        try await stream(batches, port: port, certificate: folder + "/data/tls-certificate.pem")
        let (wall, processor) = (now() - start, Yardstick.cpuSeconds(of: process) - startCPU)
        let perReading = processor / Double(count) * 1e6
        let after = Yardstick.verificationMicroseconds()
        print(
          "bare Ed25519 verification: \(format(before)) µs of one core before the readings, "
            + "\(format(after)) after them")
        print(
          "\(count) signed readings over gRPC with TLS: "
            + "\(format(Double(count) / wall, 0)) a second, "
            + "\(format(perReading)) µs of node CPU each = "
            + "\(format(perReading / ((before + after) / 2), 2)) bare verifications")
      }
    }
  }

  /// Each meter's further readings are later versions of the same interval's, so that each is
  /// applied; the batches that are under way together are of different meters.
  private func sign(_ count: Int, meters: [SigningKey], genesis: Genesis)
    -> [Intertie_V1_ReadingBatch]
  {
    let interval = genesis.calendar.firstInterval
    let chain = genesis.chainID
    return (0..<count / Self.batch).map { number in
      var batch = Intertie_V1_ReadingBatch()
      batch.id = UInt64(number)
      batch.readings = (0..<Self.batch).map { index in
        let key = meters[(number * Self.batch + index) % meters.count]
        return Intertie_V1_SignedReading(
          Reading(
            chain: chain, meter: key.publicKey, interval: interval,
            exported: Energy(Int64(index) * 100), imported: Energy(Int64(number)),
            version: UInt16(number * Self.batch / meters.count + 1)), key: key)
      }
      return batch
    }
  }

  private func stream(_ batches: [Intertie_V1_ReadingBatch], port: Int, certificate: String)
    async throws
  {
    let transport = try HTTP2ClientTransport.Posix(
      target: .ipv4(address: "127.0.0.1", port: port),
      transportSecurity: .tls {
        $0.trustRoots = .certificates([.file(path: certificate, format: .pem)])
      },
      config: .defaults { $0.http2.targetWindowSize = 4 << 20 })
    try await withGRPCClient(transport: transport) { client in
      let meter = Intertie_V1_Meter.Client(wrapping: client)
      try await meter.stream { writer in
        for batch in batches { try await writer.write(batch) }
      } onResponse: { response in
        for try await ack in response.messages {
          guard !ack.isBusy, ack.runs.allSatisfy({ $0.reason == .none && $0.height > 0 }) else {
            throw NodeFailure.invalid("batch \(ack.id) was not applied: \(ack.runs)")
          }
        }
      }
    }
  }

  private func withNode(
    folder: String, genesis: Genesis, validator: SigningKey,
    _ body: (Int, Int32) async throws -> Void
  ) async throws {
    try JSONEncoder().encode(genesis).write(to: URL(fileURLWithPath: folder + "/genesis.json"))
    let make = Process()
    make.executableURL = URL(fileURLWithPath: executable)
    make.arguments = ["keys", "import", folder + "/node.key"]
    make.environment = ["INTERTIE_PASSPHRASE": "benchmark"]
    let input = Pipe()
    make.standardInput = input
    make.standardOutput = FileHandle.nullDevice
    try make.run()
    input.fileHandleForWriting.write(Data((Hex.encode(validator.seed) + "\n").utf8))
    try input.fileHandleForWriting.close()
    make.waitUntilExit()
    let node = Process()
    node.executableURL = URL(fileURLWithPath: executable)
    node.arguments = [
      "node", "--genesis", folder + "/genesis.json", "--data", folder + "/data", "--key",
      folder + "/node.key", "--listen", "127.0.0.1:0", "--port-file", folder + "/port",
      "--log-level", "error",
    ]
    node.environment = ["INTERTIE_PASSPHRASE": "benchmark"]
    try node.run()
    defer {
      node.terminate()
      node.waitUntilExit()
    }
    for _ in 0..<200 {
      if let text = try? String(contentsOfFile: folder + "/port", encoding: .utf8),
        let port = Int(text.trimmingCharacters(in: .whitespacesAndNewlines))
      {
        try await body(port, node.processIdentifier)
        return
      }
      try await Task.sleep(for: .milliseconds(50))
    }
    throw NodeFailure.stopped("the node did not start")
  }
}
