import Consensus
import Domain
import SwiftProtobuf
import Wire

/// Every decoder that meets the network.
let decoders = canonicalDecoders + textDecoders + protobufDecoders

/// The one validator of the registries that are read here.
let founder = PublicKey(Digest.sha256([1]).bytes)

/// Values in canonical bytes, which have one encoding only.
private let canonicalDecoders: [Decoder] = [
  Decoder("body") { bytes in
    var writer = CanonicalWriter(capacity: bytes.count)
    for (kind, signed) in try BlockBody.split(bytes) {
      writer.write(kind.rawValue)
      writer.write(counted: signed.payload)
      writer.write(signed.signature)
    }
    require(writer.bytes == bytes, "a body has one encoding")
  },
  Decoder("header") { bytes in
    var reader = CanonicalReader(bytes)
    let header = try BlockHeader(from: &reader)
    try reader.finish()
    require(header.encoded == bytes, "a header has one encoding")
  },
  Decoder("receipt") { bytes in
    var reader = CanonicalReader(bytes)
    let receipt = try Receipt(from: &reader)
    try reader.finish()
    var writer = CanonicalWriter()
    receipt.encode(into: &writer)
    require(writer.bytes == bytes, "a receipt has one encoding")
  },
  Decoder("tariff") { bytes in
    var reader = CanonicalReader(bytes)
    let tariff = try Tariff(from: &reader)
    try reader.finish()
    var writer = CanonicalWriter()
    tariff.encode(into: &writer)
    require(writer.bytes == bytes, "a tariff has one encoding")
    try tariff.validate(intervalsPerDay: 96)
  },
  Decoder("journal") { bytes in
    let record = try JournalRecord(decoding: bytes)
    require(record.encoded == bytes, "a vote, certificate or block has one encoding")
  },
  Decoder("validators") { bytes in
    let state = StateChunk(name: "validators/state", bytes: bytes)
    var registry = try ValidatorRegistry(chain: .zero, founders: [founder], chunks: [state])
    require(registry.chunks() == [state], "a registry of validators has one encoding")
    require(!registry.sealEpoch(at: 1), "between blocks no proposal has a quorum of both sets")
  },
  Decoder("epoch") { bytes in
    // One change of the epoch, no proposal, nobody who accepted it.
    let state = StateChunk(
      name: "validators/state", bytes: [0, 0, 0, 1] + Array(repeating: 0, count: 8))
    let change = StateChunk(name: "validators/2", bytes: bytes)
    let registry = try ValidatorRegistry(
      chain: .zero, founders: [founder], chunks: [state, change])
    require(registry.chunks() == [state, change], "a change of the epoch has one encoding")
  },
  Decoder("certificate") { bytes in
    let certificate = try Certificate(decoding: bytes)
    require(certificate.encoded == bytes, "a certificate has one encoding")
    // Zero is a point of small order, under which anybody's signature can pass for valid.
    let weak = PublicKey(.zero)
    require(
      !certificate.verify(validators: [weak, weak], chain: .zero),
      "no signature is valid under a key of small order")
  },
]

/// Keys and bytes as people type them.
private let textDecoders: [Decoder] = [
  Decoder("bech32m") { bytes in
    let text = String(decoding: bytes, as: UTF8.self)
    for kind in [PublicKey.Kind.account, .meter, .node] {
      guard let key = PublicKey(text: text, as: kind) else { continue }
      require(key.text(as: kind) == text.lowercased(), "a key has one text, but for its case")
    }
  },
  Decoder("hex") { bytes in
    let text = String(decoding: bytes, as: UTF8.self)
    guard let decoded = Hex.decode(text) else { return }
    require(Hex.encode(decoded) == text.lowercased(), "hexadecimal text is what was decoded")
  },
]

/// What arrives over gRPC.
private let protobufDecoders: [Decoder] = [
  Decoder("reading") { bytes in
    let reading = try? WireReading.parse(bytes)
    let peer = (try? Intertie_V1_Reading(serializedBytes: bytes)).flatMap(Reading.init(peer:))
    let fits = bytes.count <= Limits.readingBytes
    require(reading == (fits ? peer : nil), "SwiftProtobuf reads the same")
    guard let reading else { return }
    let again = try WireReading.parse(WireReading.payload(of: reading))
    require(again == reading, "a reading survives its own encoding")
  },
  Decoder("command") { bytes in
    let command = try WireCommand.parse(bytes)
    let again = try WireCommand.parse(WireCommand.payload(of: command))
    require(again == command, "a command survives its own encoding")
  },
  Decoder("batch") { bytes in
    for message in try Intertie_V1_ReadingBatch(serializedBytes: bytes).readings {
      guard let signed = try? SignedBytes(message) else { continue }
      require(Array(message.reading) == signed.payload, "what was signed stays as it came")
      _ = try? WireReading.parse(signed.payload)
    }
  },
  Decoder("submission") { bytes in
    for message in try Intertie_V1_SubmitRequest(serializedBytes: bytes).commands {
      guard let signed = try? SignedBytes(message) else { continue }
      _ = try? WireCommand.parse(signed.payload)
    }
  },
  Decoder("acknowledgement") { bytes in
    let results = try Intertie_V1_BatchAck(serializedBytes: bytes).results
    require((results?.count ?? 0) <= Limits.readingsPerMessage, "results are no more than readings")
  },
  Decoder("proof") { bytes in
    guard let proof = try Intertie_V1_ProofResponse(serializedBytes: bytes).merkleProof else {
      return
    }
    let root = proof.root(of: .zero)
    require(root == nil || proof.path.count <= 64, "a path is no longer than the tree is high")
  },
]

extension Reading {
  /// The reading as SwiftProtobuf understood it; nil if a field is out of its range.
  fileprivate init?(peer message: Intertie_V1_Reading) {
    guard let chain = ChainID(message.chainID), let meter = MeterID(message.meter),
      WireReading.intervals.contains(message.interval), message.exportedMwh >= 0,
      message.importedMwh >= 0, let quality = message.quality.domain,
      let version = UInt16(exactly: message.version), version > 0
    else { return nil }
    self.init(
      chain: chain, meter: meter, interval: Interval(message.interval),
      exported: Energy(message.exportedMwh), imported: Energy(message.importedMwh),
      quality: quality, version: version)
  }
}
