import Crypto
import Domain
import Foundation
import SwiftASN1
import X509

/// A self-signed certificate, made when a node first starts without one of its operator's. Clients
/// trust it by its file; it names only this machine.
package struct DevelopmentCertificate: Sendable {
  package var certificatePath: String
  package var keyPath: String

  /// The files in `directory`, made if they are not there. The key file is readable by its owner
  /// only.
  package static func load(in directory: String) throws -> DevelopmentCertificate {
    let files = DevelopmentCertificate(
      certificatePath: directory + "/tls-certificate.pem", keyPath: directory + "/tls-key.pem")
    let manager = FileManager.default
    if manager.fileExists(atPath: files.certificatePath),
      manager.fileExists(atPath: files.keyPath)
    {
      return files
    }
    let key = P256.Signing.PrivateKey()
    let certificate = try make(key: Certificate.PrivateKey(key))
    let pem = try certificate.serializeAsPEM().pemString + "\n"
    let created = manager.createFile(
      atPath: files.keyPath, contents: Data((key.pemRepresentation + "\n").utf8),
      attributes: [.posixPermissions: 0o600])
    guard created else { throw NodeFailure.invalid("cannot write \(files.keyPath)") }
    try Data(pem.utf8).write(to: URL(fileURLWithPath: files.certificatePath), options: .atomic)
    return files
  }

  private static func make(key: Certificate.PrivateKey) throws -> Certificate {
    // A name of its own: of two issuers of one name in a client's file only the first would count.
    let number = Hex.encode(SHA256.hash(data: key.publicKey.subjectPublicKeyInfoBytes).prefix(8))
    let name = try DistinguishedName { CommonName("Intertie development node \(number)") }
    let now = Date()
    return try Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key.publicKey,
      notValidBefore: now.addingTimeInterval(-86_400),
      notValidAfter: now.addingTimeInterval(10 * 365 * 86_400), issuer: name, subject: name,
      signatureAlgorithm: .ecdsaWithSHA256,
      extensions: Certificate.Extensions {
        Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
        Critical(KeyUsage(digitalSignature: true, keyCertSign: true))
        try ExtendedKeyUsage([.serverAuth])
        SubjectAlternativeNames([
          .dnsName("localhost"),
          .ipAddress(ASN1OctetString(contentBytes: [127, 0, 0, 1])),
          .ipAddress(ASN1OctetString(contentBytes: [UInt8](repeating: 0, count: 15) + [1])),
        ])
      }, issuerPrivateKey: key)
  }
}
