import ArgumentParser
import Domain
import Foundation
import Node

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Checks a proof of a balance or a receipt, offline, trusting no node.",
    discussion: """
      The file is what `wallet proof --out` or `wallet receipt --proof` wrote. Checked are the \
      leaf, its Merkle path, the header that attests the root, the signatures that made this \
      header final, and who was entitled to sign: the validators of the genesis, or those that a \
      quorum of the ones before them has accepted since. Exit code 1 if any of it does not hold.
      """)
  @Argument(help: "The file.") var file: String
  @Option(help: "The chain's genesis file; without it, chain and founders are the file's word.")
  var genesis: String?

  func run() throws {
    let genesis = try genesis.map { try Files.genesis($0) }
    let bytes = Array(try Files.read(file, what: "proof"))
    let proof: ProofFile
    do throws(ProofFault) { proof = try ProofFile(decoding: bytes, genesis: genesis) } catch {
      throw CommandFailure("NOT proven: \(error)")
    }
    switch proof.content {
    case .balance(let balance): Self.show(balance)
    case .receipt(let receipt): Self.show(receipt)
    }
    print("chain       \(proof.validators.chain), epoch \(proof.header.epoch)")
    guard genesis == nil else {
      print("trusted     the genesis, and no node")
      return
    }
    print(
      "trusted     that this chain, and these validators of its first epoch, are the right ones:")
    for founder in proof.validators.validators(of: 1) ?? [] {
      print("            \(founder.text(as: .node))")
    }
    print("            the file says so; give --genesis to check it")
  }

  static func show(_ proof: BalanceProof) {
    let account = proof.account
    print("account     \(account.id.text(as: .account))")
    print("WATT        \(Amounts.text(micro: account.watt.raw)) kWh")
    print(
      "money       \(Amounts.text(micro: account.money.raw)) ¤ free, "
        + "\(Amounts.text(micro: account.heldMoney.raw)) ¤ held")
    if account.arrears > .zero {
      print("arrears     \(Amounts.text(micro: account.arrears.raw)) ¤")
    }
    print("TSL         \(Amounts.text(micro: account.tsl.raw))")
    print("ECT         \(Amounts.text(micro: account.ect.raw))")
    print(
      "proven at height \(proof.height), finalised by block \(proof.header.height) of "
        + StatusCommand.time(proof.header.time.microseconds))
    print("state root \(proof.header.attested.stateRoot)")
  }

  /// What was asked for, in short; the file has all of it.
  private static func text(of body: CommandBody) -> String {
    switch body {
    case .transfer(let to, let asset, let amount):
      "transfer of \(Amounts.text(micro: amount)) \(asset) to \(to.text(as: .account))"
    case .transferAbroad(let grid, let to, let asset, let amount, _):
      "transfer of \(Amounts.text(micro: amount)) \(asset) to \(to.text(as: .account)) on grid "
        + "\(grid)"
    case .redeem(let amount): "redemption of \(Amounts.text(micro: amount.raw)) ¤"
    default: String("\(body)".prefix { $0 != "(" })
    }
  }

  private static func show(_ proof: ReceiptProof) {
    switch proof.entry {
    case .command(let command):
      print("command     \(command.sequence) of \(command.signer.text(as: .account))")
      print("            \(text(of: command.body))")
    case .reading(let reading):
      print("reading     \(reading.meter.text(as: .meter)), interval \(reading.interval.index)")
      print(
        "            exported \(Amounts.text(micro: reading.exported.raw)) kWh, imported "
          + "\(Amounts.text(micro: reading.imported.raw)) kWh, version \(reading.version)")
    case .delivery, .report, nil: break
    }
    print("entry       \(proof.entryDigest)")
    let receipt = proof.receipt
    print("receipt     \(receipt.rejection.map { "rejected: \($0)" } ?? "applied")")
    if let order = receipt.order {
      print(
        "order       \(order.raw): \(Amounts.text(micro: receipt.filled * 1000)) kWh traded, "
          + "\(Amounts.text(micro: receipt.resting * 1000)) kWh resting")
    }
    if let packet = receipt.packet { print("under way   in packet \(packet) to the backbone") }
    print(
      "proven as entry \(proof.position.index) of block \(proof.position.height), finalised by "
        + "block \(proof.header.height) of \(StatusCommand.time(proof.header.time.microseconds))")
  }
}
