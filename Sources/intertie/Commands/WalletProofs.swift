import ArgumentParser
import Domain
import Foundation
import GRPCCore
import Node
import Wire

extension WalletCommand {
  struct ReceiptCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "receipt",
      abstract: "Shows what became of a command, by its number.",
      discussion: """
        With --proof, a file that proves it to everybody, without a node: see `intertie verify`.
        """)
    @Argument(help: "The command's number, which it printed; `wallet history` has it, too.")
    var sequence: UInt64
    @OptionGroup var viewed: ViewedAccount
    @OptionGroup var address: NodeAddress
    @Option(help: "Writes a proof to this new file.") var proof: String?
    @Option(help: "The chain's genesis file, for the proof; without it, as the node gives it.")
    var genesis: String?
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
      let key = try viewed.publicKey()
      let sequence = sequence
      let request = Intertie_V1_ReceiptRequest.with {
        $0.command.signer = key.data
        $0.command.sequence = sequence
      }
      guard let proof else {
        let (response, acknowledged) = try await address.connect { connection in
          let response = try await connection.ledger.receipt(
            request, options: NodeConnection.options)
          let isOnItsWay = response.result.packet > 0
          return (
            response,
            isOnItsWay ? try await connection.overviewIfAny()?.own.acknowledged ?? 0 : 0
          )
        }
        if json {
          print(try response.jsonString())
        } else {
          show(response.result, acknowledged: acknowledged)
        }
        return
      }
      let source = try ProofSource(genesis: genesis)
      let file = try await address.connect { connection in
        let response = try await connection.ledger.receiptProof(
          request, options: NodeConnection.options)
        return try await source.file(.receipt(response), header: response.header, connection)
      }
      try source.write(file, to: proof)
    }

    private func show(_ result: Intertie_V1_SubmitResult, acknowledged: UInt64) {
      let reason = result.rejection.domain.map { "rejected: \($0)" } ?? "applied"
      let place = "block \(result.height), entry \(result.index); command \(sequence)"
      print("\(reason) (\(place)), \(StatusCommand.time(result.timeUs))")
      for line in Submission.effects(of: result, acknowledged: acknowledged) { print(line) }
    }
  }

  struct Proof: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Fetches and checks the proof of an account's balance.",
      discussion: """
        The account's bytes, their Merkle path, the header that attests the root, and the header's \
        finalization are checked here against the validators of the chain's genesis, or those \
        that were accepted since by a quorum of the ones before them. With --out, a file that \
        proves it to everybody, without a node: see `intertie verify`.
        """)
    @OptionGroup var viewed: ViewedAccount
    @OptionGroup var address: NodeAddress
    @Option(help: "The chain's genesis file; without it, the validators that the node names.")
    var genesis: String?
    @Option(help: "Writes the proof to this new file.") var out: String?
    @Flag(help: "Print the proof as JSON.") var json = false

    func run() async throws {
      let key = try viewed.publicKey()
      if let out { return try await write(key, to: out) }
      let start = try genesis.map { ProvenValidators(try Files.genesis($0)) }
      let (proof, trusted) = try await address.connect { connection in
        let proof = try await connection.ledger.proof(
          .with { $0.account = key.data }, options: NodeConnection.options)
        return (proof, try await connection.proven(start))
      }
      let checked: BalanceProof
      do throws(ProofFault) {
        checked = try BalanceProof(proof, of: key, trusted: trusted)
      } catch { throw CommandFailure("the proof does not hold: \(error)") }
      if json {
        print(try proof.jsonString())
        return
      }
      VerifyCommand.show(checked)
      if trusted == nil {
        print("validators as the node names them: give --genesis to trust no node")
      }
    }

    private func write(_ key: PublicKey, to path: String) async throws {
      let source = try ProofSource(genesis: genesis)
      let file = try await address.connect { connection in
        let proof = try await connection.ledger.proof(
          .with { $0.account = key.data }, options: NodeConnection.options)
        return try await source.file(.balance(proof), header: proof.header, connection)
      }
      try source.write(file, to: path)
    }
  }
}

/// Makes proof files: what a node gives, and the genesis that it is checked against.
struct ProofSource: Sendable {
  /// Nil: the node is asked for it.
  private let genesis: Genesis?

  init(genesis path: String?) throws { genesis = try path.map { try Files.genesis($0) } }

  /// The bytes of a file that holds; `header` is the proof's, in canonical bytes.
  func file(
    _ proof: Intertie_V1_ProofFile.OneOf_Proof, header: Data, _ connection: NodeConnection
  ) async throws -> [UInt8] {
    let genesis: Genesis
    if let own = self.genesis { genesis = own } else { genesis = try await connection.genesis() }
    var reader = CanonicalReader(Array(header))
    guard let epoch = try? BlockHeader(from: &reader).epoch else {
      throw CommandFailure("the node gives a proof that cannot be read")
    }
    let file = Intertie_V1_ProofFile(
      of: genesis, proof, epoch: epoch, changes: try await connection.epochChanges())
    let bytes: [UInt8] = try file.serializedBytes()
    do throws(ProofFault) { _ = try ProofFile(decoding: bytes, genesis: genesis) } catch {
      throw CommandFailure("the node's proof does not hold: \(error)")
    }
    return bytes
  }

  func write(_ file: [UInt8], to path: String) throws {
    try Files.create(path, Data(file))
    print("\(path): \(file.count) bytes. Check it with: intertie verify \(path) --genesis …")
  }
}

extension NodeConnection {
  /// The genesis that the node gives for its chain.
  func genesis() async throws -> Genesis {
    let json = try await status.genesis(.init(), options: Self.options) { response in
      var json = Data()
      for try await piece in response.messages {
        json += piece.json
        guard json.count <= Self.genesisBytes else {
          throw CommandFailure("the node gives a genesis that is larger than any")
        }
      }
      return json
    }
    guard let genesis = try? JSONDecoder().decode(Genesis.self, from: json), genesis.faults.isEmpty
    else { throw CommandFailure("the node gives no valid genesis") }
    return genesis
  }

  /// More than the genesis of the largest community.
  private static let genesisBytes = 512 << 20
}
