import Domain
import Foundation
import GRPCCore
import SwiftProtobuf
import Testing
import Wire

@Suite struct GeneratedTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// The generated code is what the protos give, with the plugins of this package's versions.
  @Test func isUpToDate() throws {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [
      "bash", Self.root.appending(path: "Protos/generate.sh").path, "--check", "--no-build",
    ]
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(text)")
  }

  @Test func descriptorsNameEveryService() {
    #expect(
      DescriptorIndex.shared.services == [
        "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "intertie.v1.Backbone",
        "intertie.v1.Lanes", "intertie.v1.Ledger", "intertie.v1.Market", "intertie.v1.Meter",
        "intertie.v1.Peer",
        "intertie.v1.Snapshots", "intertie.v1.Status",
      ])
  }

  private func answer(_ request: Grpc_Reflection_V1_ServerReflectionRequest.OneOf_MessageRequest)
    -> Grpc_Reflection_V1_ServerReflectionResponse
  {
    DescriptorIndex.shared.answer(
      .with {
        $0.host = "a host"
        $0.messageRequest = request
      })
  }

  @Test(arguments: [
    "intertie.v1.Ledger", "intertie.v1.Ledger.Submit", "intertie.v1.ProofResponse",
    "intertie.v1.ProofResponse.leaf", "intertie.v1.HistoryKind",
  ])
  func reflectionFindsSymbols(_ symbol: String) throws {
    let response = answer(.fileContainingSymbol(symbol))
    #expect(response.validHost == "a host")
    #expect(response.originalRequest.fileContainingSymbol == symbol)
    let files = try response.fileDescriptorResponse.fileDescriptorProto.map {
      try Google_Protobuf_FileDescriptorProto(serializedBytes: $0)
    }
    #expect(
      files.map(\.name) == [
        "intertie/v1/ledger.proto", "intertie/v1/command.proto", "intertie/v1/meter.proto",
        "intertie/v1/rejection.proto", "intertie/v1/status.proto",
        "intertie/v1/backbone_command.proto",
      ])
  }

  @Test func reflectionAnswersTheRest() {
    #expect(answer(.listServices("")).listServicesResponse.service.count == 10)
    let file = answer(.fileByFilename("grpc/health/v1/health.proto"))
    #expect(file.fileDescriptorResponse.fileDescriptorProto.count == 1)
    let nested = answer(.fileContainingSymbol("grpc.health.v1.HealthCheckResponse.ServingStatus"))
    #expect(nested.fileDescriptorResponse.fileDescriptorProto.count == 1)
    let numbers = answer(.allExtensionNumbersOfType("intertie.v1.Reading"))
    #expect(numbers.allExtensionNumbersResponse.baseTypeName == "intertie.v1.Reading")
    for unknown: Grpc_Reflection_V1_ServerReflectionRequest.OneOf_MessageRequest in [
      .fileByFilename("no.proto"), .fileContainingSymbol("no.Symbol"),
      .allExtensionNumbersOfType("no.Type"), .fileContainingExtension(.init()),
    ] {
      #expect(answer(unknown).errorResponse.errorCode == 5)
    }
    let empty = DescriptorIndex.shared.answer(.init())
    #expect(empty.errorResponse.errorCode == 3)
  }

  /// Meters must be able to use protobuf-c, which has no proto3 `optional`.
  @Test func meterMessagesHaveNoOptionalFields() throws {
    let files = try answer(.fileByFilename("intertie/v1/meter.proto")).fileDescriptorResponse
      .fileDescriptorProto.map { try Google_Protobuf_FileDescriptorProto(serializedBytes: $0) }
    #expect(files.map(\.name).contains("intertie/v1/meter.proto"))
    for file in files {
      for field in file.messageType.flatMap(\.field) {
        #expect(!field.proto3Optional, "\(file.name): \(field.name)")
      }
    }
  }

  /// Every field, method, value and message of the protos says what it is.
  @Test func everyDeclarationHasAComment() throws {
    let folder = Self.root.appending(path: "Protos").resolvingSymlinksInPath()
    let names = try #require(FileManager.default.enumerator(atPath: folder.path))
      .compactMap { $0 as? String }.filter { $0.hasSuffix(".proto") }
    #expect(names.count == 13)
    for name in names {
      let text = try String(contentsOf: folder.appending(path: name), encoding: .utf8)
      var previous = ""
      for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
        let trimmed = line.trimmingCharacters(in: .whitespaces)
        let isDeclaration =
          trimmed.contains(/^[A-Za-z].* = \d+;$/) || trimmed.hasPrefix("rpc ")
          || trimmed.hasPrefix("message ") || trimmed.hasPrefix("enum ")
          || trimmed.hasPrefix("service ")
        if isDeclaration {
          #expect(previous.hasPrefix("//"), "\(name): \(trimmed)")
        }
        previous = trimmed
      }
    }
  }
}
