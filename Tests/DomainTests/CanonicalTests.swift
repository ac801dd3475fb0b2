import Domain
import TestSupport
import Testing

/// Encodings that the tests take apart, each from a seed.
private enum Sample {
  static func digest(_ random: inout SplitMix64) -> Digest { Digest(random.bytes(32))! }

  static func header(_ random: inout SplitMix64) -> BlockHeader {
    BlockHeader(
      chain: digest(&random), epoch: random.next(), height: random.next(), view: random.next(),
      parentView: random.next(), parent: digest(&random),
      time: Timestamp(microseconds: random.int(.min ... .max)), body: digest(&random),
      attested: Attestation(
        height: random.next(), stateRoot: digest(&random), receiptsRoot: digest(&random),
        outboxRoot: digest(&random)))
  }

  static func receipt(_ random: inout SplitMix64) -> Receipt {
    Receipt(
      rejection: random.below(2) == 0
        ? nil : Rejection.allCases[random.below(Rejection.allCases.count)],
      order: random.below(2) == 0 ? nil : OrderID(random.next() | 1),
      filled: random.int(.min ... .max), resting: random.int(.min ... .max),
      packet: random.below(2) == 0 ? nil : random.next() | 1)
  }

  static func tariff(_ random: inout SplitMix64) -> Tariff {
    Tariff(
      retail: (0..<random.below(97)).map { _ in Price(random.int(.min ... .max)) },
      feedIn: (0..<random.below(97)).map { _ in Price(random.int(.min ... .max)) })
  }

  static func body(_ random: inout SplitMix64) -> (entries: [VerifiedEntry], bytes: [UInt8]) {
    let entries = (0..<random.below(5)).map { _ in entry(&random) }
    var writer = CanonicalWriter()
    for entry in entries { BlockBody.append(entry, to: &writer) }
    return (entries, writer.bytes)
  }

  private static func entry(_ random: inout SplitMix64) -> VerifiedEntry {
    let key = PublicKey(random.bytes(32))!
    let chain = digest(&random)
    let reading = random.below(2) == 0
    let content: EntryContent =
      reading
      ? .reading(
        Reading(chain: chain, meter: key, interval: Interval(4), exported: .zero, imported: .zero))
      : .command(
        Command(
          chain: chain, signer: key, sequence: 1, expires: Timestamp(seconds: 1),
          body: .setUtility(isAvailable: true)))
    let signed = SignedBytes(
      payload: random.bytes(random.below(Limits.readingBytes + 1)),
      signature: Signature(random.bytes(64))!)
    return VerifiedEntry(verified: content, signed: signed)
  }
}

/// What can be decoded: reads all of the bytes and gives them back as they are written again.
private enum Decoding: CaseIterable, Sendable {
  case header, receipt, tariff, body

  func sample(_ random: inout SplitMix64) -> [UInt8] {
    var writer = CanonicalWriter()
    switch self {
    case .header: Sample.header(&random).encode(into: &writer)
    case .receipt: Sample.receipt(&random).encode(into: &writer)
    case .tariff: Sample.tariff(&random).encode(into: &writer)
    case .body: return Sample.body(&random).bytes
    }
    return writer.bytes
  }

  func recoded(_ bytes: [UInt8]) throws(Rejection) -> [UInt8] {
    var reader = CanonicalReader(bytes)
    var writer = CanonicalWriter()
    switch self {
    case .header: try BlockHeader(from: &reader).encode(into: &writer)
    case .receipt: try Receipt(from: &reader).encode(into: &writer)
    case .tariff: try Tariff(from: &reader).encode(into: &writer)
    case .body:
      for (kind, signed) in try BlockBody.split(bytes) {
        writer.write(kind.rawValue)
        writer.write(counted: signed.payload)
        writer.write(signed.signature)
      }
      return writer.bytes
    }
    try reader.finish()
    return writer.bytes
  }
}

@Suite struct CanonicalTests {
  @Test func everyFieldComesBack() throws {
    var writer = CanonicalWriter(capacity: 9)
    writer.write(UInt8(0xab))
    writer.write(UInt16(0x0102))
    writer.write(Int64(-2))
    writer.write(Int128.min)
    writer.write(true)
    writer.write(false)
    writer.write(Energy(.min))
    writer.write(Timestamp(microseconds: -7))
    writer.write(Interval(-9))
    writer.write(AccountIndex(77))
    writer.write(Digest.sha256([1]))
    writer.write(PublicKey(Bytes32(1, 2, 3, 4)))
    writer.write(Signature(r: Bytes32(9, 8, 7, 6), s: Bytes32(5, 4, 3, 2)))
    writer.write("grüße")
    writer.write(counted: [])
    writer.append([1, 2])
    #expect(writer.bytes.prefix(3) == [0xab, 0x01, 0x02])
    #expect(Array(writer.bytes[3..<11]) == Array(repeating: 0xff, count: 7) + [0xfe])
    var reader = CanonicalReader(writer.bytes)
    #expect(try reader.read(UInt8.self) == 0xab)
    #expect(try reader.read(UInt16.self) == 0x0102)
    #expect(try reader.read(Int64.self) == -2)
    #expect(try reader.read(Int128.self) == .min)
    #expect(try reader.readBool())
    #expect(try reader.readBool() == false)
    #expect(try reader.read(Energy.self) == Energy(.min))
    #expect(try reader.readTimestamp() == Timestamp(microseconds: -7))
    #expect(try reader.readInterval() == Interval(-9))
    #expect(try reader.readAccount() == AccountIndex(77))
    #expect(try reader.readDigest() == Digest.sha256([1]))
    #expect(try reader.readKey() == PublicKey(Bytes32(1, 2, 3, 4)))
    #expect(
      try reader.readSignature() == Signature(r: Bytes32(9, 8, 7, 6), s: Bytes32(5, 4, 3, 2)))
    #expect(try reader.readText() == "grüße")
    #expect(try reader.readCounted() == [])
    #expect(reader.remaining == 2)
    #expect(throws: Rejection.malformed) { try reader.finish() }
    #expect(try reader.readRaw(2) == [1, 2])
    try reader.finish()
  }

  @Test func whatWasNotWrittenIsMalformed() throws {
    func refused(_ bytes: [UInt8], _ body: (inout CanonicalReader) throws -> Void) {
      var reader = CanonicalReader(bytes)
      #expect(throws: Rejection.malformed) { try body(&reader) }
    }
    refused([]) { _ = try $0.read(UInt8.self) }
    refused([1, 2, 3, 4, 5, 6, 7]) { _ = try $0.read(Int64.self) }
    refused([2]) { _ = try $0.readBool() }
    refused([0, 0, 0, 3, 1, 2]) { _ = try $0.readCounted() }
    refused([255, 255, 255, 255, 1]) { _ = try $0.readCounted() }
    refused([0, 0, 0, 2, 0xc3, 0x28]) { _ = try $0.readText() }
    refused([1, 2]) { _ = try $0.readRaw(3) }
    refused([1, 2]) { _ = try $0.readRaw(-1) }
    refused([1, 2]) { _ = try $0.readRaw(.max) }
    refused([0, 0, 0, 3] + Array(repeating: 0, count: 23)) { _ = try $0.readCount(elementSize: 8) }
    refused([255, 255, 255, 255, 0]) { _ = try $0.readCount(elementSize: 0) }
    var reader = CanonicalReader([0, 0, 0, 3] + Array(repeating: 0, count: 24))
    #expect(try reader.readCount(elementSize: 8) == 3)
  }

  @Test(arguments: 0..<200 as Range<UInt64>)
  func valuesComeBack(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let header = Sample.header(&random)
    var reader = CanonicalReader(header.encoded)
    #expect(try BlockHeader(from: &reader) == header, "seed \(seed)")
    try reader.finish()
    #expect(header.hash == Digest.sha256(header.encoded), "seed \(seed)")
    let receipt = Sample.receipt(&random)
    var writer = CanonicalWriter()
    receipt.encode(into: &writer)
    #expect(writer.bytes.count == Receipt.encodedSize, "seed \(seed)")
    reader = CanonicalReader(writer.bytes)
    #expect(try Receipt(from: &reader) == receipt, "seed \(seed)")
    let tariff = Sample.tariff(&random)
    writer = CanonicalWriter()
    tariff.encode(into: &writer)
    reader = CanonicalReader(writer.bytes)
    #expect(try Tariff(from: &reader) == tariff, "seed \(seed)")
    let body = Sample.body(&random)
    let split = try BlockBody.split(body.bytes)
    #expect(split.map(\.0) == body.entries.map(\.content.kind), "seed \(seed)")
    #expect(split.map(\.1) == body.entries.map(\.signed), "seed \(seed)")
    #expect(body.bytes.count == body.entries.reduce(0) { $0 + $1.encodedSize }, "seed \(seed)")
  }

  /// Cut short, every fixed-size value is malformed; a body is, except between two entries.
  @Test(arguments: Decoding.allCases)
  fileprivate func cutAndExtendedInputIsMalformed(_ decoding: Decoding) throws {
    var random = SplitMix64(seed: 3)
    for _ in 0..<20 {
      let bytes = decoding.sample(&random)
      #expect(try decoding.recoded(bytes) == bytes)
      #expect(throws: Rejection.malformed) { try decoding.recoded(bytes + [0]) }
      for count in 0..<bytes.count {
        let cut = Array(bytes.prefix(count))
        if decoding == .body {
          do throws(Rejection) { #expect(try decoding.recoded(cut) == cut) } catch {
            #expect(error == .malformed)
          }
        } else {
          #expect(throws: Rejection.malformed) { try decoding.recoded(cut) }
        }
      }
    }
  }

  /// Whatever decodes is the one encoding of its value; everything else is malformed.
  @Test(arguments: Decoding.allCases)
  fileprivate func fuzz(_ decoding: Decoding) throws {
    var accepted = 0
    for seed in 0..<3000 as Range<UInt64> {
      var random = SplitMix64(seed: seed)
      var bytes = random.below(4) == 0 ? random.bytes(random.below(600)) : decoding.sample(&random)
      for _ in 0..<random.below(4) where !bytes.isEmpty {
        let place = random.below(min(bytes.count, random.below(3) == 0 ? bytes.count : 16))
        switch random.below(3) {
        case 0: bytes[place] = UInt8(random.below(256))
        case 1: bytes.remove(at: place)
        default: bytes.insert(UInt8(random.below(256)), at: place)
        }
      }
      do throws(Rejection) {
        #expect(try decoding.recoded(bytes) == bytes, "seed \(seed)")
        accepted += 1
      } catch { #expect(error == .malformed, "seed \(seed)") }
    }
    #expect((100..<3000).contains(accepted))
  }

  @Test func aBodyHasLimits() throws {
    func entry(_ kind: UInt8, payload: Int) -> [UInt8] {
      var writer = CanonicalWriter()
      writer.write(kind)
      writer.write(counted: Array(repeating: 7, count: payload))
      writer.write(Signature.zero)
      return writer.bytes
    }
    #expect(try BlockBody.split([]).isEmpty)
    #expect(try BlockBody.split(entry(1, payload: Limits.readingBytes)).count == 1)
    #expect(try BlockBody.split(entry(2, payload: Limits.commandBytes)).count == 1)
    #expect(try BlockBody.split(entry(3, payload: Limits.deliveryBytes)).count == 1)
    #expect(try BlockBody.split(entry(4, payload: Limits.reportBytes)).count == 1)
    var many: [UInt8] = []
    for _ in 0..<Limits.blockEntries { many += entry(1, payload: 0) }
    #expect(try BlockBody.split(many).count == Limits.blockEntries)
    for bad in [
      entry(1, payload: Limits.readingBytes + 1), entry(2, payload: Limits.commandBytes + 1),
      entry(0, payload: 1), entry(5, payload: 1), entry(4, payload: Limits.reportBytes + 1),
      entry(3, payload: Limits.deliveryBytes + 1), many + entry(1, payload: 0),
      Array(repeating: 0, count: Limits.blockBytes + 1),
    ] {
      #expect(throws: Rejection.malformed) { try BlockBody.split(bad) }
    }
    var large: [UInt8] = []
    while large.count <= Limits.blockBytes { large += entry(2, payload: Limits.commandBytes) }
    #expect(throws: Rejection.malformed) { try BlockBody.split(large) }
  }

  @Test func aReceiptLeafIsItsDocumentedBytes() {
    let receipt = Receipt(
      rejection: .arrears, order: OrderID(5), filled: 6, resting: 7, packet: 8)
    let digest = Digest.sha256([9])
    let data: [UInt8] =
      [0, 0, 0, 3] + digest.array + [11] + [0, 0, 0, 0, 0, 0, 0, 5] + [0, 0, 0, 0, 0, 0, 0, 6]
      + [0, 0, 0, 0, 0, 0, 0, 7] + [0, 0, 0, 0, 0, 0, 0, 8]
    #expect(receipt.leaf(at: 3, of: digest) == Digest.sha256([0] + data))
    #expect(Receipt.rejected(.arrears).rejection == .arrears)
    #expect(Receipt.applied.rejection == nil)
  }

  /// Reasons are on the wire and in hashes.
  @Test func reasonsNeverChange() {
    #expect(Rejection.allCases.map(\.rawValue) == Array(1...19))
    let receipt: [UInt8] = [20] + Array(repeating: 0, count: Receipt.encodedSize - 1)
    var reader = CanonicalReader(receipt)
    #expect(throws: Rejection.malformed) { try Receipt(from: &reader) }
  }
}
