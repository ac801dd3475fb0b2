import GRPCCore
import SwiftProtobuf

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The descriptors of all that the protos declare, for server reflection.
package struct DescriptorIndex: Sendable {
  package static let shared = DescriptorIndex(base64: descriptorSetBase64)

  /// Full names of all services, ascending.
  package private(set) var services: [String] = []
  /// Serialised files by name.
  private var files: [String: Data] = [:]
  /// Names of the files that a file imports.
  private var imports: [String: [String]] = [:]
  /// The file that declares a symbol, by its full name.
  private var symbols: [String: String] = [:]

  /// An index without anything if `base64` is not a descriptor set.
  init(base64: String) {
    let data = Data(base64Encoded: base64, options: .ignoreUnknownCharacters) ?? Data()
    let set = try? Google_Protobuf_FileDescriptorSet(serializedBytes: data)
    for file in set?.file ?? [] {
      files[file.name] = try? file.serializedData()
      imports[file.name] = file.dependency
      for service in file.service {
        let name = "\(file.package).\(service.name)"
        services.append(name)
        symbols[name] = file.name
        for method in service.method { symbols["\(name).\(method.name)"] = file.name }
      }
      for value in file.enumType { symbols["\(file.package).\(value.name)"] = file.name }
      for message in file.messageType { add(message, to: file.package, in: file.name) }
    }
    services.sort()
  }

  private mutating func add(
    _ message: Google_Protobuf_DescriptorProto, to scope: String, in file: String
  ) {
    let name = "\(scope).\(message.name)"
    symbols[name] = file
    for field in message.field { symbols["\(name).\(field.name)"] = file }
    for value in message.enumType { symbols["\(name).\(value.name)"] = file }
    for nested in message.nestedType { add(nested, to: name, in: file) }
  }

  /// The file `name` and all that it imports, each once, the file first; empty if it is not known.
  package func closure(of name: String) -> [Data] {
    var names = [name]
    var position = 0
    while position < names.count {
      for next in imports[names[position]] ?? [] where !names.contains(next) { names.append(next) }
      position += 1
    }
    return names.compactMap { files[$0] }
  }

  /// Answers one question of the reflection protocol.
  package func answer(_ request: Grpc_Reflection_V1_ServerReflectionRequest)
    -> Grpc_Reflection_V1_ServerReflectionResponse
  {
    var response = Grpc_Reflection_V1_ServerReflectionResponse()
    response.validHost = request.host
    response.originalRequest = request
    switch request.messageRequest {
    case .fileByFilename(let name): response.messageResponse = files(closure(of: name), name)
    case .fileContainingSymbol(let symbol):
      response.messageResponse = files(symbols[symbol].map(closure) ?? [], symbol)
    case .listServices:
      response.listServicesResponse.service = services.map { name in .with { $0.name = name } }
    case .allExtensionNumbersOfType(let name) where symbols[name] != nil:
      response.allExtensionNumbersResponse.baseTypeName = name
    case .allExtensionNumbersOfType(let name): response.errorResponse = notFound(name)
    case .fileContainingExtension(let type):
      response.errorResponse = notFound("an extension of \(type.containingType)")
    case nil:
      response.errorResponse = .with {
        $0.errorCode = Int32(RPCError.Code.invalidArgument.rawValue)
        $0.errorMessage = "the request asks for nothing"
      }
    }
    return response
  }

  private func files(_ found: [Data], _ name: String)
    -> Grpc_Reflection_V1_ServerReflectionResponse.OneOf_MessageResponse
  {
    found.isEmpty
      ? .errorResponse(notFound(name))
      : .fileDescriptorResponse(.with { $0.fileDescriptorProto = found })
  }

  private func notFound(_ name: String) -> Grpc_Reflection_V1_ErrorResponse {
    .with {
      $0.errorCode = Int32(RPCError.Code.notFound.rawValue)
      $0.errorMessage = "\(name) is not known"
    }
  }
}
