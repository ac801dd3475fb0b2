import Domain
import SwiftProtobuf

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

// What is signed travels as opaque bytes with their signature.

extension SignedBytes {
  /// Throws `malformed` if the reading is too long or the signature has not 64 bytes.
  package init(_ message: Intertie_V1_SignedReading) throws(Rejection) {
    try self.init(message.reading, message.signature, atMost: Limits.readingBytes)
  }

  /// Throws `malformed` if the command is too long or the signature has not 64 bytes.
  package init(_ message: Intertie_V1_SignedCommand) throws(Rejection) {
    try self.init(message.command, message.signature, atMost: Limits.commandBytes)
  }

  private init(_ payload: Data, _ signature: Data, atMost limit: Int) throws(Rejection) {
    guard payload.count <= limit, let signature = Signature(signature) else { throw .malformed }
    self.init(payload: Array(payload), signature: signature)
  }
}

extension Intertie_V1_SignedReading {
  package init(_ signed: SignedBytes) {
    self.init()
    reading = Data(signed.payload)
    signature = signed.signature.data
  }

  /// Serialises and signs; `key` is the meter's.
  package init(_ reading: Reading, key: SigningKey) {
    let payload = WireReading.payload(of: reading)
    self.init(SignedBytes(payload: payload, signature: key.sign(payload, for: .reading)))
  }
}

extension Intertie_V1_SignedCommand {
  package init(_ signed: SignedBytes) {
    self.init()
    command = Data(signed.payload)
    signature = signed.signature.data
  }

  /// Serialises and signs; `key` is the signer's.
  package init(_ command: Command, key: SigningKey) {
    let payload = WireCommand.payload(of: command)
    self.init(SignedBytes(payload: payload, signature: key.sign(payload, for: .command)))
  }
}
