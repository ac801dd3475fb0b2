import Domain

// The registry's part of the state: `validators/state`, which changes with every proposal and
// acceptance, then one chunk for each change of the epoch, `validators/2` for epoch 2 and so on.

extension ValidatorRegistry {
  private static let stateName = "validators/state"

  /// The state in canonical bytes: the number of changes (32 bits), the proposal (no key when none
  /// is open), who accepted it; then the changes, each in its own chunk.
  package func chunks() -> [StateChunk] {
    var writer = CanonicalWriter()
    writer.write(UInt32(history.count))
    writer.write(keys: proposal ?? [])
    writer.write(acceptances)
    return [StateChunk(name: Self.stateName, bytes: writer.bytes)] + history.map(\.chunk)
  }

  /// The registry of this chain that gave these chunks. Throws `malformed` when none does. The
  /// signatures of acceptances are not looked at.
  package init(chain: ChainID, founders: [PublicKey], chunks: [StateChunk]) throws(Rejection) {
    guard let state = chunks.first, state.name == Self.stateName,
      state.digest == Digest.sha256(state.bytes)
    else { throw .malformed }
    var reader = CanonicalReader(state.bytes)
    let changes = Int(try reader.read(UInt32.self))
    let proposed = try reader.readKeys()
    let acceptances = try reader.readAcceptances()
    try reader.finish()
    guard changes <= Limits.epochChanges, chunks.count == 1 + changes else { throw .malformed }
    self.init(chain: chain, validators: founders)
    for chunk in chunks.dropFirst() { history.append(try EpochChange(chunk)) }
    proposal = proposed.isEmpty ? nil : proposed
    self.acceptances = acceptances
    do throws(InvariantViolation) { try checkInvariants() } catch { throw .malformed }
  }
}

extension EpochChange {
  private static func chunkName(_ epoch: UInt64) -> String { "validators/\(epoch)" }

  static func chunk(
    epoch: UInt64, sealedAt: UInt64, validators: [PublicKey], acceptances: [Acceptance]
  ) -> StateChunk {
    var writer = CanonicalWriter()
    writer.write(epoch)
    writer.write(sealedAt)
    writer.write(keys: validators)
    writer.write(acceptances)
    return StateChunk(name: chunkName(epoch), bytes: writer.bytes)
  }

  /// The change that gave this chunk; throws `malformed` when none does.
  init(_ chunk: StateChunk) throws(Rejection) {
    try self.init(decoding: chunk.bytes)
    guard self.chunk == chunk else { throw .malformed }
  }

  /// The change with these canonical bytes, which are its chunk's. Throws `malformed`. Nothing in
  /// it is verified.
  package init(decoding bytes: [UInt8]) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    let epoch = try reader.read(UInt64.self)
    let sealedAt = try reader.read(UInt64.self)
    let validators = try reader.readKeys()
    let acceptances = try reader.readAcceptances()
    try reader.finish()
    self.init(epoch: epoch, sealedAt: sealedAt, validators: validators, acceptances: acceptances)
  }
}

extension CanonicalWriter {
  fileprivate mutating func write(keys: [PublicKey]) {
    write(UInt32(keys.count))
    for key in keys { write(key) }
  }

  fileprivate mutating func write(_ acceptances: [Acceptance]) {
    write(UInt32(acceptances.count))
    for acceptance in acceptances {
      write(acceptance.signer)
      write(counted: acceptance.command.payload)
      write(acceptance.command.signature)
    }
  }
}

extension CanonicalReader {
  fileprivate mutating func readKeys() throws(Rejection) -> [PublicKey] {
    let count = try readCount(elementSize: 32)
    guard count <= Limits.validators else { throw .malformed }
    var keys: [PublicKey] = []
    for _ in 0..<count { keys.append(try readKey()) }
    return keys
  }

  /// They are of two sets at most.
  fileprivate mutating func readAcceptances() throws(Rejection) -> [Acceptance] {
    let count = try readCount(elementSize: 32 + 4 + 64)
    guard count <= 2 * Limits.validators else { throw .malformed }
    var acceptances: [Acceptance] = []
    for _ in 0..<count {
      let signer = try readKey()
      let payload = try readCounted()
      acceptances.append(
        Acceptance(
          signer: signer,
          command: SignedBytes(payload: payload, signature: try readSignature())))
    }
    return acceptances
  }
}
