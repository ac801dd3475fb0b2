import Domain
import SwiftProtobuf
import TestSupport
import Testing
import Wire

@Suite struct ReadingTests {
  /// What SwiftProtobuf and the ranges of the protocol make of a payload.
  private static func reference(_ payload: [UInt8]) -> Reading? {
    guard payload.count <= 256, let message = try? Intertie_V1_Reading(serializedBytes: payload),
      let chain = Digest(message.chainID), let meter = PublicKey(message.meter),
      (0...4_223_371_679).contains(message.interval), message.exportedMwh >= 0,
      message.importedMwh >= 0, let quality = message.quality.domain,
      (1...65_535).contains(message.version)
    else { return nil }
    return Reading(
      chain: chain, meter: meter, interval: Interval(message.interval),
      exported: Energy(message.exportedMwh), imported: Energy(message.importedMwh),
      quality: quality, version: UInt16(message.version))
  }

  private static func message(_ change: (inout Intertie_V1_Reading) -> Void) throws -> [UInt8] {
    var message = Intertie_V1_Reading()
    message.chainID = Sample.chain.data
    message.meter = Sample.key.data
    message.interval = 1_900_000
    message.exportedMwh = 1
    message.importedMwh = 2
    message.quality = .actual
    message.version = 1
    change(&message)
    return try message.serializedBytes()
  }

  @Test func goldenBytes() {
    let reading = Reading(
      chain: Digest(Bytes32(1, 2, 3, 4)), meter: PublicKey(Bytes32(5, 6, 7, 8)),
      interval: Interval(1_900_000), exported: Energy(1_500_000), imported: .zero,
      quality: .corrected, version: 300)
    let expected =
      "0a20" + "0000000000000001000000000000000200000000000000030000000000000004"
      + "1220" + "0000000000000005000000000000000600000000000000070000000000000008"
      + "18e0fb73" + "20e0c65b" + "3003" + "38ac02"
    #expect(Hex.encode(WireReading.payload(of: reading)) == expected)
  }

  @Test func payloadsAreSwiftProtobufsAndRoundTrip() throws {
    var random = SplitMix64(seed: 1)
    for _ in 0..<1000 {
      let reading = Sample.reading(&random)
      let payload = WireReading.payload(of: reading)
      #expect(try WireReading.parse(payload) == reading)
      let message = try Intertie_V1_Reading(serializedBytes: payload)
      #expect(try message.serializedBytes() as [UInt8] == payload)
    }
  }

  struct Row: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var isAccepted: Bool
    var change: @Sendable (inout Intertie_V1_Reading) -> Void

    init(
      _ name: String, accepted: Bool,
      _ change: @escaping @Sendable (inout Intertie_V1_Reading) -> Void
    ) {
      testDescription = name
      isAccepted = accepted
      self.change = change
    }
  }

  @Test(arguments: [
    Row("as it should be", accepted: true) { _ in },
    Row("chain id of 31 bytes", accepted: false) { $0.chainID.removeLast() },
    Row("chain id of 33 bytes", accepted: false) { $0.chainID.append(0) },
    Row("no chain id", accepted: false) { $0.chainID = .init() },
    Row("meter of 31 bytes", accepted: false) { $0.meter.removeLast() },
    Row("meter of 33 bytes", accepted: false) { $0.meter.append(0) },
    Row("no meter", accepted: false) { $0.meter = .init() },
    Row("interval -1", accepted: false) { $0.interval = -1 },
    Row("interval 0", accepted: true) { $0.interval = 0 },
    Row("last interval", accepted: true) { $0.interval = 4_223_371_679 },
    Row("interval too far", accepted: false) { $0.interval = 4_223_371_680 },
    Row("largest number as interval", accepted: false) { $0.interval = .max },
    Row("exported -1", accepted: false) { $0.exportedMwh = -1 },
    Row("exported at its largest", accepted: true) { $0.exportedMwh = .max },
    Row("imported -1", accepted: false) { $0.importedMwh = -1 },
    Row("imported smallest", accepted: false) { $0.importedMwh = .min },
    Row("nothing exported or imported", accepted: true) {
      $0.exportedMwh = 0
      $0.importedMwh = 0
    },
    Row("no quality", accepted: false) { $0.quality = .unspecified },
    Row("corrected", accepted: true) { $0.quality = .corrected },
    Row("unknown quality", accepted: false) { $0.quality = .UNRECOGNIZED(4) },
    Row("quality 257", accepted: false) { $0.quality = .UNRECOGNIZED(257) },
    Row("negative quality", accepted: false) { $0.quality = .UNRECOGNIZED(-1) },
    Row("version 0", accepted: false) { $0.version = 0 },
    Row("version 65,535", accepted: true) { $0.version = 65_535 },
    Row("version 65,536", accepted: false) { $0.version = 65_536 },
  ])
  func ranges(_ row: Row) throws {
    let payload = try Self.message(row.change)
    if row.isAccepted {
      #expect(try WireReading.parse(payload) == Self.reference(payload))
    } else {
      #expect(throws: Rejection.malformed) { try WireReading.parse(payload) }
    }
  }

  @Test func longestPayload() throws {
    let payload = try Self.message { _ in }
    // An unknown field fills it up to 256 bytes, and one byte beyond.
    func filled(_ count: Int) -> [UInt8] {
      payload + varint(9 << 3 | 2) + varint(UInt64(count)) + Array(repeating: 0, count: count)
    }
    let room = 256 - payload.count - 3
    #expect(filled(room).count == 256)
    #expect(try WireReading.parse(filled(room)).version == 1)
    #expect(throws: Rejection.malformed) { try WireReading.parse(filled(room + 1)) }
  }

  @Test func lastValueCounts() throws {
    let payload = try Self.message { _ in }
    #expect(try WireReading.parse(payload + [0x20, 0x07]).exported == Energy(7))
    #expect(try WireReading.parse([0x20, 0x07] + payload).exported == Energy(1))
    #expect(throws: Rejection.malformed) { try WireReading.parse(payload + [0x0a, 0x01, 0x00]) }
  }

  @Test(arguments: [UInt64(2), 3, 5, 7, 11, 13])
  func agreesWithSwiftProtobuf(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    var accepted = 0
    for round in 0..<2000 {
      let payload =
        switch round % 4 {
        case 0: Sample.bytes(Int.random(in: 0...260, using: &random), &random)
        case 1:
          (0..<Int.random(in: 0...8, using: &random)).flatMap { _ in field(&random) }
            + WireReading.payload(of: Sample.reading(&random))
        default: mutated(WireReading.payload(of: Sample.reading(&random)), &random)
        }
      let reading = try? WireReading.parse(payload)
      #expect(
        reading == Self.reference(payload),
        "seed \(seed), round \(round), payload \(Hex.encode(payload))")
      if reading != nil { accepted += 1 }
    }
    // Both outcomes must come up often, or the comparison says little.
    #expect((200...1800).contains(accepted), "seed \(seed)")
  }

  @Test(arguments: 95...105)
  func nestedGroups(depth: Int) throws {
    let groups =
      Array(repeating: UInt8(0x4b), count: depth) + Array(repeating: UInt8(0x4c), count: depth)
    let payload = try Self.message {
      // Room for the groups within 256 bytes, and long varints left out.
      $0.exportedMwh = 0
      $0.importedMwh = 0
    }
    let all = groups + payload
    #expect((try? WireReading.parse(all)) == Self.reference(all))
  }
}
