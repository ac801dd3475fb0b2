import Consensus
import Domain
import Testing

/// The registry's part of a snapshot.
@Suite struct ValidatorChunkTests {
  private static let present = (0...3).map { key($0).publicKey }
  private static let next = (1...4).map { key($0).publicKey }

  /// One change behind it, and a proposal that two have accepted.
  private static func registry() -> ValidatorRegistry {
    var registry = ValidatorRegistry(chain: chain, validators: present)
    let name = ValidatorRegistry.digest(chain: chain, epoch: 2, validators: next)
    _ = registry.apply([.propose(entry: 0, next)])
    for number in [4, 2, 3, 1] {
      _ = registry.apply([
        .accept(entry: number, signer: key(number).publicKey, proposal: name)
      ])
    }
    _ = registry.sealEpoch(at: 77)
    let back = ValidatorRegistry.digest(chain: chain, epoch: 3, validators: present)
    _ = registry.apply([
      .propose(entry: 0, present),
      .accept(entry: 1, signer: key(4).publicKey, proposal: back),
      .accept(entry: 2, signer: key(0).publicKey, proposal: back),
    ])
    return registry
  }

  private static func write(
    _ acceptances: [(PublicKey, UInt8)], to writer: inout CanonicalWriter, length: Int = 1
  ) {
    writer.write(UInt32(acceptances.count))
    for (signer, byte) in acceptances {
      writer.write(signer)
      writer.write(counted: Array(repeating: byte, count: length))
      writer.write(Signature.zero)
    }
  }

  private static func write(_ keys: [PublicKey], to writer: inout CanonicalWriter) {
    writer.write(UInt32(keys.count))
    for key in keys { writer.write(key) }
  }

  private static func state(
    changes: UInt32 = 0, _ proposal: [PublicKey] = [], _ acceptances: [PublicKey] = [],
    length: Int = 1
  ) -> StateChunk {
    var writer = CanonicalWriter()
    writer.write(changes)
    write(proposal, to: &writer)
    write(acceptances.map { ($0, 1) }, to: &writer, length: length)
    return StateChunk(name: "validators/state", bytes: writer.bytes)
  }

  private static func change(
    name: String = "validators/2", epoch: UInt64 = 2, sealedAt: UInt64 = 77,
    _ validators: [PublicKey] = next, _ signers: [PublicKey] = Array(present.prefix(3)),
    length: Int = 1
  ) -> StateChunk {
    var writer = CanonicalWriter()
    writer.write(epoch)
    writer.write(sealedAt)
    write(validators, to: &writer)
    write(signers.map { ($0, 1) }, to: &writer, length: length)
    return StateChunk(name: name, bytes: writer.bytes)
  }

  private static func read(_ chunks: [StateChunk]) throws(Rejection) -> ValidatorRegistry {
    try ValidatorRegistry(chain: chain, founders: present, chunks: chunks)
  }

  @Test func readsBackEqual() throws {
    let registry = Self.registry()
    let chunks = registry.chunks()
    #expect(chunks.map(\.name) == ["validators/state", "validators/2"])
    var state = CanonicalWriter()
    state.write(UInt32(1))
    Self.write(Self.present, to: &state)
    Self.write([(key(4).publicKey, 1), (key(0).publicKey, 2)], to: &state)
    #expect(chunks[0].bytes == state.bytes)
    var change = CanonicalWriter()
    change.write(UInt64(2))
    change.write(UInt64(77))
    Self.write(Self.next, to: &change)
    // Of those who accepted, the members of the set before, in their order.
    Self.write([2, 3, 1].map { (key($0).publicKey, UInt8($0)) }, to: &change)
    #expect(chunks[1].bytes == change.bytes)
    #expect(chunks.allSatisfy { $0.digest == Digest.sha256($0.bytes) })
    #expect(try Self.read(chunks) == registry)
  }

  @Test func aRestoredRegistryGoesOnTheSameWay() throws {
    var original = Self.registry()
    var restored = try Self.read(original.chunks())
    let name = ValidatorRegistry.digest(chain: chain, epoch: 3, validators: Self.present)
    for number in [2, 3] {
      let step = ValidatorInstruction.accept(
        entry: 0, signer: key(number).publicKey, proposal: name)
      let receipts = (original.apply([step]), restored.apply([step]))
      #expect(receipts.0 == receipts.1)
      let seals = (original.sealEpoch(at: 99), restored.sealEpoch(at: 99))
      #expect(seals.0 == seals.1)
      #expect(seals.0 == (number == 3))
    }
    #expect(original.epoch == 3)
    #expect(original.chunks() == restored.chunks())
  }

  private static let broken: [[StateChunk]] = {
    let some = present
    let open = next
    let stranger = key(9).publicKey
    let weak = PublicKey(.zero)
    let many = (0...100).map { key($0).publicKey }
    func state(_ bytes: [UInt8]) -> StateChunk {
      StateChunk(name: "validators/state", bytes: bytes)
    }
    let one = Self.state(changes: 1)
    var lying = Self.state()
    lying.digest = .zero
    var lyingChange = Self.change()
    lyingChange.digest = .zero
    return [
      [], [lying], [StateChunk(name: "validators", bytes: Self.state().bytes)],
      [state([])], [state(Self.state().bytes + [0])],
      [state(Array(Self.state().bytes.dropLast()))],
      [state([0, 0, 0, 0, 255, 255, 255, 255])],
      // Proposals out of the rules, and acceptances that no proposal has.
      [Self.state(some)], [Self.state([open[0], open[0]])], [Self.state([weak])],
      [Self.state(many)], [Self.state([], [some[0]])], [Self.state(open, [stranger])],
      [Self.state(open, [some[1], some[1]])],
      [Self.state(open, [some[1]], length: Limits.acceptanceBytes + 1)],
      // A quorum of both has accepted: the epoch would be another.
      [Self.state(open, Array(open.prefix(3)))],
      // Changes too few, too many, out of order, or not as they happen.
      [one], [Self.state(), Self.change()], [one, Self.change(), Self.change()],
      [one, Self.change(name: "validators/3")], [one, Self.change(name: "validators/3", epoch: 3)],
      [one, Self.change(epoch: 3)], [one, lyingChange], [one, Self.change(sealedAt: 0)],
      [one, Self.change(some)], [one, Self.change([])], [one, Self.change(many)],
      [one, Self.change([weak])], [one, Self.change(next, [])],
      [one, Self.change(next, Array(some.prefix(2)))],
      [one, Self.change(next, [some[0], some[1], some[1]])],
      [one, Self.change(next, [some[0], some[1], stranger])],
      [one, Self.change(length: Limits.acceptanceBytes + 1)],
      [
        Self.state(changes: 2), Self.change(),
        Self.change(name: "validators/3", epoch: 3, sealedAt: 77, some, Array(open.prefix(3))),
      ],
      [Self.state(changes: .max), Self.change()],
    ]
  }()

  @Test func theRowsBelowAreBrokenInOnePlaceEach() throws {
    #expect(try Self.read([Self.state()]).epoch == 1)
    #expect(try Self.read([Self.state(changes: 1), Self.change()]).validators == Self.next)
    let longest = Self.change(length: Limits.acceptanceBytes)
    #expect(try Self.read([Self.state(changes: 1), longest]).epoch == 2)
    let two = try Self.read([Self.state(Self.next, Array(Self.next.prefix(2)))])
    #expect(two.proposal == Self.next)
  }

  @Test(arguments: broken.indices)
  func whatNoRegistryGivesIsMalformed(_ row: Int) {
    #expect(throws: Rejection.malformed) { try Self.read(Self.broken[row]) }
  }

  /// Any byte that is changed is refused, or gives a registry with one encoding that goes on.
  @Test(arguments: 0..<4 as Range<UInt64>)
  func aChangedByteNeverTraps(_ seed: UInt64) throws {
    var random = SplitMix64(seed)
    let chunks = Self.registry().chunks()
    var refused = 0
    for place in chunks.indices {
      for offset in chunks[place].bytes.indices {
        var bytes = chunks[place].bytes
        bytes[offset] ^= UInt8(random.int(1...255))
        var changed = chunks
        changed[place] = StateChunk(name: chunks[place].name, bytes: bytes)
        guard var registry = try? Self.read(changed) else {
          refused += 1
          continue
        }
        let comment = Comment(rawValue: "seed \(seed), chunk \(place), byte \(offset)")
        #expect(registry.chunks() == changed, comment)
        _ = registry.apply([.propose(entry: 0, [key(7).publicKey])])
        _ = registry.sealEpoch(at: 1000)
        _ = registry.chunks()
      }
    }
    #expect(refused > 100, "seed \(seed)")
  }
}
