import Crypto
import Domain
import Foundation
import NIOSSL
import SwiftASN1
import X509

/// How a node shows its key in TLS, after the libp2p TLS specification
/// (github.com/libp2p/specs, tls/tls.md): the TLS key is a fresh P-256 key, in a self-signed
/// certificate with an extension that holds the node's Ed25519 key and its signature of the TLS
/// key. So the node's key itself is used in no handshake, and no authority is needed: whoever
/// connects knows which key to expect.
///
/// The extension's value is SEQUENCE { key OCTET STRING (32), signature OCTET STRING (64) }; the
/// signature is over "intertie/tls/v1" and the certificate's DER SubjectPublicKeyInfo. Dates are
/// not looked at: the key lives as long as the process, and a clock that is wrong must cut nobody
/// off.
package struct NodeCertificate: Sendable {
  /// DER.
  package let certificate: [UInt8]
  /// PEM; in memory only.
  package let privateKey: [UInt8]

  /// Under 2.25, where identifiers need no registration: 63 bits of a random UUID, since arcs are
  /// 64-bit here.
  private static let extensionID: ASN1ObjectIdentifier = [2, 25, 3_512_396_995_511_332_300]
  private static let largestCertificate = 4096

  /// A new TLS key, vouched for by the node's.
  package init(for node: SigningKey) throws(NodeFailure) {
    do {
      let key = P256.Signing.PrivateKey()
      let issuer = Certificate.PrivateKey(key)
      let name = try DistinguishedName { CommonName("Intertie node") }
      let bound = Self.signedBytes(of: issuer.publicKey)
      let value = SignedNodeKey(
        key: node.publicKey.array, signature: node.sign(bound, for: .tls).array)
      var serializer = DER.Serializer()
      try serializer.serialize(value)
      let vouching = Certificate.Extension(
        oid: Self.extensionID, critical: true, value: serializer.serializedBytes[...])
      let now = Date()
      let made = try Certificate(
        version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: issuer.publicKey,
        notValidBefore: now.addingTimeInterval(-86_400),
        notValidAfter: now.addingTimeInterval(100 * 365 * 86_400), issuer: name, subject: name,
        signatureAlgorithm: .ecdsaWithSHA256,
        extensions: Certificate.Extensions {
          Critical(KeyUsage(digitalSignature: true))
          vouching
        }, issuerPrivateKey: issuer)
      certificate = try made.serializeAsPEM().derBytes
      privateKey = Array(key.pemRepresentation.utf8)
    } catch {
      throw .invalid("cannot make the node's certificate: \(error)")
    }
  }

  /// For what a test shows to be refused.
  package init(certificate: [UInt8], privateKey: [UInt8]) {
    self.certificate = certificate
    self.privateKey = privateKey
  }

  private static func signedBytes(of key: Certificate.PublicKey) -> [UInt8] {
    Array(key.subjectPublicKeyInfoBytes)
  }

  /// The node's key behind what a peer shows in the handshake. Throws what is wrong with it.
  static func key(of chain: [NIOSSLCertificate]) throws(CertificateFault) -> PublicKey {
    guard chain.count == 1 else { throw CertificateFault("\(chain.count) certificates, not one") }
    guard let bytes = try? chain[0].toDERBytes() else {
      throw CertificateFault("a certificate that cannot be read")
    }
    return try key(of: bytes)
  }

  package static func key(of bytes: [UInt8]) throws(CertificateFault) -> PublicKey {
    guard bytes.count <= largestCertificate, let certificate = try? Certificate(derEncoded: bytes)
    else { throw CertificateFault("a malformed certificate") }
    return try key(of: certificate)
  }

  /// Of a certificate that TLS has shown to be its bearer's.
  package static func key(of certificate: Certificate) throws(CertificateFault) -> PublicKey {
    guard certificate.version == .v3, certificate.issuer == certificate.subject,
      P256.Signing.PublicKey(certificate.publicKey) != nil,
      certificate.publicKey.isValidSignature(certificate.signature, for: certificate)
    else { throw CertificateFault("a certificate that is not signed by its own P-256 key") }
    let known = [extensionID, .X509ExtensionID.keyUsage]
    guard certificate.extensions.allSatisfy({ !$0.critical || known.contains($0.oid) }) else {
      throw CertificateFault("a certificate with an unknown critical extension")
    }
    guard let vouching = certificate.extensions[oid: extensionID],
      let value = try? SignedNodeKey(derEncoded: vouching.value),
      let key = PublicKey(value.key), let signature = Domain.Signature(value.signature)
    else { throw CertificateFault("a certificate without a node's key") }
    guard key.verifies(signature, of: signedBytes(of: certificate.publicKey), for: .tls) else {
      throw CertificateFault("a certificate that its node's key has not signed")
    }
    return key
  }
}

/// Why a certificate is not a node's.
package struct CertificateFault: Error, Hashable, CustomStringConvertible {
  package var description: String

  init(_ description: String) { self.description = description }
}

/// The extension's value.
private struct SignedNodeKey: DERImplicitlyTaggable {
  static var defaultIdentifier: ASN1Identifier { .sequence }

  var key: [UInt8]
  var signature: [UInt8]

  init(key: [UInt8], signature: [UInt8]) {
    self.key = key
    self.signature = signature
  }

  init(derEncoded node: ASN1Node, withIdentifier identifier: ASN1Identifier) throws {
    self = try DER.sequence(node, identifier: identifier) { nodes in
      let key = try ASN1OctetString(derEncoded: &nodes)
      let signature = try ASN1OctetString(derEncoded: &nodes)
      return SignedNodeKey(key: Array(key.bytes), signature: Array(signature.bytes))
    }
  }

  func serialize(into coder: inout DER.Serializer, withIdentifier identifier: ASN1Identifier)
    throws
  {
    try coder.appendConstructedNode(identifier: identifier) { coder in
      try coder.serialize(ASN1OctetString(contentBytes: key[...]))
      try coder.serialize(ASN1OctetString(contentBytes: signature[...]))
    }
  }
}
