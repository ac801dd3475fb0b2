import Consensus
import Domain
import Foundation
import SwiftProtobuf
import Wire

/// Valid inputs by decoder, from which libFuzzer starts. They are made by the code under test, so
/// that they stay valid when a format changes.
func seeds(for decoder: String) throws -> [[UInt8]] {
  switch decoder {
  case "body": [[], Sample.body]
  case "header": [Sample.header.encoded]
  case "receipt": Sample.receipts
  case "tariff": [written { Sample.tariff.encode(into: &$0) }]
  case "journal": Sample.journal
  case "certificate": [Sample.certificate]
  case "validators": Sample.registries.dropLast().map { $0.chunks()[0].bytes }
  case "epoch": Sample.registries.flatMap { $0.chunks().dropFirst().map(\.bytes) }
  case "bech32m":
    [PublicKey.Kind.account, .meter, .node].map { Array(Sample.key.text(as: $0).utf8) }
  case "hex": [Array("00ff".utf8), Array("DeadBeef".utf8)]
  case "reading": [WireReading.payload(of: Sample.reading)]
  case "command": Sample.commands.map { WireCommand.payload(of: $0) }
  default: try messages(for: decoder)
  }
}

/// Seeds that are whole messages of the services.
private func messages(for decoder: String) throws -> [[UInt8]] {
  switch decoder {
  case "batch":
    [
      try Intertie_V1_ReadingBatch.with {
        $0.id = 7
        $0.readings = [.init(Sample.signedReading), .init(Sample.signedReading)]
      }.serializedBytes()
    ]
  case "submission":
    try Sample.commands.map { command in
      let payload = WireCommand.payload(of: command)
      return try Intertie_V1_SubmitRequest.with {
        $0.commands = [.init(SignedBytes(payload: payload, signature: .zero))]
      }.serializedBytes()
    }
  case "acknowledgement":
    [
      try Intertie_V1_BatchAck(
        id: 7,
        results: [
          ReadingResult(height: 3, reason: nil), ReadingResult(height: 3, reason: nil),
          ReadingResult(height: 0, reason: .badSignature),
        ]
      ).serializedBytes()
    ]
  case "proof":
    try [
      Sample.proof, MerkleProof(index: 0, count: .max, path: Array(repeating: .zero, count: 64)),
    ].map { proof in try Intertie_V1_ProofResponse.with { $0.set(proof) }.serializedBytes() }
  default: []
  }
}

private func written(_ write: (inout CanonicalWriter) -> Void) -> [UInt8] {
  var writer = CanonicalWriter()
  write(&writer)
  return writer.bytes
}

/// One plausible value of each kind.
private enum Sample {
  static let key = founder
  static let chain = ChainID(Digest.sha256([2]).bytes)
  static let tariff = Tariff(
    retail: Price(300_000), feedIn: Price(100_000), intervalsPerDay: 96)

  static let reading = Reading(
    chain: chain, meter: key, interval: Interval(1_660_000), exported: Energy(250_000),
    imported: Energy(1_000))
  static let signedReading = SignedBytes(
    payload: WireReading.payload(of: reading), signature: .zero)

  static let commands = [
    CommandBody.transfer(to: key, asset: .tsl, amount: 5),
    .place(
      OrderRequest(
        side: .buy, wattHours: 1500, limit: Price(220_000),
        timeInForce: .goodTillInterval(Interval(1_660_001)))),
    .cancel(OrderID(9)),
    .replace(OrderID(9), wattHours: 100, limit: Price(1)),
    .setAgent(
      AgentSettings(
        buyPrice: Price(150_000), sellPrice: nil, low: Energy(1), high: Energy(2_000_000))),
    .setAgent(nil),
    .admitMember(key),
    .registerMeter(key, account: key, maximumPower: Power(20_000_000), isClean: true),
    .retireMeter(key),
    .registerStorage(unit: 1, owner: key, capacity: Energy(6_000_000), power: Power(0)),
    .publishTariff(tariff),
    .setUtility(isAvailable: false),
    .issue(to: key, amount: Money(1)),
    .redeem(amount: Money(1)),
    .proposeValidators([key, PublicKey(chain.bytes)]),
    .acceptValidators(chain),
    .transferAbroad(grid: chain, to: key, asset: .tsl, amount: 1, deadline: 900),
  ].map {
    Command(
      chain: chain, signer: key, sequence: 1, expires: Timestamp(seconds: 1_492_000_000), body: $0)
  }

  /// Of the last of five leaves, whose path is shorter than the others'.
  static let proof = {
    var tree = MerkleTree(leaves: Array(repeating: .zero, count: 5))
    return tree.proof(of: 4)
  }()

  static let body = written { writer in
    let entries = [
      VerifiedEntry(verified: .reading(reading), signed: signedReading),
      VerifiedEntry(
        verified: .command(commands[0]),
        signed: SignedBytes(payload: WireCommand.payload(of: commands[0]), signature: .zero)),
    ]
    for entry in entries { BlockBody.append(entry, to: &writer) }
  }

  static let header = BlockHeader(
    chain: chain, epoch: 0, height: 2, view: 2, parentView: 1, parent: chain,
    time: Timestamp(seconds: 1_492_000_000), body: Digest.sha256(body),
    attested: Attestation(height: 1, stateRoot: chain, receiptsRoot: chain, outboxRoot: chain))

  /// At genesis, with an open proposal that one validator of two has accepted, and after it.
  static let registries = {
    let genesis = ValidatorRegistry(chain: chain, validators: [key])
    var changing = genesis
    let proposed = [key, PublicKey(chain.bytes)]
    let name = ValidatorRegistry.digest(chain: chain, epoch: 2, validators: proposed)
    let command = SignedBytes(payload: [1, 2, 3], signature: .zero)
    _ = changing.apply([
      .propose(entry: 0, proposed), .accept(entry: 1, signer: key, proposal: name),
    ]) { _ in command }
    var changed = changing
    let last = ValidatorInstruction.accept(entry: 0, signer: proposed[1], proposal: name)
    _ = changed.apply([last]) { _ in command }
    _ = changed.sealEpoch(at: 9)
    return [genesis, changing, changed]
  }()

  static let receipts = [
    Receipt.applied, .rejected(.tooLate), Receipt(order: OrderID(4), filled: 10, resting: 90),
    Receipt(packet: 3),
  ].map { receipt in written { receipt.encode(into: &$0) } }

  /// What a validator signs: kind, epoch, view, view of the parent, hash.
  static let subject = written { writer in
    writer.write(UInt8(3))
    for number: UInt64 in [0, 2, 1] { writer.write(number) }
    writer.write(chain)
  }

  /// Two signers of eight, by a bitmap of one byte.
  static let certificate = written { writer in
    writer.append(subject)
    writer.write(counted: [0b101])
    for _ in 0..<2 { writer.write(Signature.zero) }
  }

  /// A vote, a certificate, a certified view, a block; each behind its kind.
  static let journal = [
    written { writer in
      writer.write(UInt8(1))
      writer.append(subject)
      writer.write(UInt16(2))
      writer.write(Signature.zero)
    },
    [2] + certificate,
    written { writer in
      writer.write(UInt8(3))
      writer.write(UInt64(2))
    },
    written { writer in
      writer.write(UInt8(4))
      header.encode(into: &writer)
      writer.write(counted: body)
    },
  ]
}
