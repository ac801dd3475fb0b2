import Crypto
import Domain
import Foundation
import Node
import SwiftASN1
import Testing
import X509

@Suite struct PeerCertificateTests {
  private let node = SigningKey.generate()

  @Test func aCertificateShowsItsNodesKey() throws {
    let made = try NodeCertificate(for: node)
    #expect(try NodeCertificate.key(of: made.certificate) == node.publicKey)
    // Another start, another TLS key, the same node.
    let again = try NodeCertificate(for: node)
    #expect(again.certificate != made.certificate)
    #expect(try NodeCertificate.key(of: again.certificate) == node.publicKey)
    #expect(String(decoding: made.privateKey, as: UTF8.self).contains("PRIVATE KEY"))
  }

  @Test func noChangedByteShowsAnotherNode() throws {
    let made = try NodeCertificate(for: node).certificate
    var taken = 0
    for index in made.indices {
      var changed = made
      changed[index] ^= 1
      guard let key = try? NodeCertificate.key(of: changed) else { continue }
      // X509 overlooks the count of unused bits before a signature whose last bit is zero.
      #expect(key == node.publicKey, "byte \(index)")
      taken += 1
    }
    #expect(taken <= 1)
    #expect(throws: CertificateFault.self) { try NodeCertificate.key(of: [UInt8]()) }
    #expect(throws: CertificateFault.self) { try NodeCertificate.key(of: made + [0]) }
  }

  /// Takes the extension of a node's certificate into one of another TLS key.
  private func forged(_ extensions: [Certificate.Extension]) throws -> Certificate {
    let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
    let name = try DistinguishedName { CommonName("Intertie node") }
    return try Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key.publicKey,
      notValidBefore: Date(timeIntervalSince1970: 0),
      notValidAfter: Date(timeIntervalSince1970: 4_000_000_000), issuer: name, subject: name,
      signatureAlgorithm: .ecdsaWithSHA256, extensions: try Certificate.Extensions(extensions),
      issuerPrivateKey: key)
  }

  @Test func anExtensionVouchesForOneTLSKeyOnly() throws {
    let true1 = try Certificate(derEncoded: NodeCertificate(for: node).certificate)
    let stolen = try forged(Array(true1.extensions))
    #expect(throws: CertificateFault.self) { try NodeCertificate.key(of: stolen) }
  }

  @Test func withoutTheExtensionOrWithAnUnknownCriticalOneItIsNone() throws {
    let true1 = try Certificate(derEncoded: NodeCertificate(for: node).certificate)
    let usage = true1.extensions.filter { $0.oid == .X509ExtensionID.keyUsage }
    #expect(throws: CertificateFault.self) {
      try NodeCertificate.key(of: try forged(usage))
    }
    let unknown = Certificate.Extension(oid: [1, 2, 3, 4], critical: true, value: [5, 0])
    #expect(throws: CertificateFault.self) {
      try NodeCertificate.key(of: try forged(Array(true1.extensions) + [unknown]))
    }
  }
}
