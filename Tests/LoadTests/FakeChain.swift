import Domain
import Foundation
import GRPCCore
import GRPCProtobuf
import Load
import Wire

/// What a `FakeNode` tells of its blocks: their number, their bytes, and that all was applied.
struct FakeChain: RegistrableRPCService {
  let node: FakeNode

  func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
    router.registerHandler(
      forMethod: Intertie_V1_Status.Method.Status.descriptor,
      deserializer: ProtobufDeserializer<Intertie_V1_StatusRequest>(),
      serializer: ProtobufSerializer<Intertie_V1_StatusResponse>()
    ) { [node] _, _ in
      StreamingServerResponse(
        single: ServerResponse(
          message: .with {
            $0.chainID = Data(Digest.sha256([1]).array)
            $0.name = "fake"
            $0.rate = 1
            $0.intervalS = 60
            $0.nextCloseUs = 60_000_000
            $0.height = UInt64(node.bodies.count)
          }))
    }
    router.registerHandler(
      forMethod: Intertie_V1_Ledger.Method.Blocks.descriptor,
      deserializer: ProtobufDeserializer<Intertie_V1_BlocksRequest>(),
      serializer: ProtobufSerializer<Intertie_V1_BlockData>()
    ) { [node] request, _ in
      StreamingServerResponse { writer in
        for try await wanted in request.messages {
          for height in wanted.fromHeight...wanted.toHeight {
            if height > node.bounds.stalled { await node.isLate.wait() }
            try await writer.write(Self.block(height, node.bodies[Int(height) - 1]))
          }
        }
        return [:]
      }
    }
    router.registerHandler(
      forMethod: Intertie_V1_Ledger.Method.Receipt.descriptor,
      deserializer: ProtobufDeserializer<Intertie_V1_ReceiptRequest>(),
      serializer: ProtobufSerializer<Intertie_V1_ReceiptResponse>()
    ) { request, _ in
      var height: UInt64 = 0
      for try await wanted in request.messages { height = wanted.position.height }
      return StreamingServerResponse(
        single: ServerResponse(
          message: .with {
            $0.result.height = height
            $0.result.rejection = Intertie_V1_Rejection(nil)
          }))
    }
  }

  private static func block(_ height: UInt64, _ body: [UInt8]) -> Intertie_V1_BlockData {
    let none = Digest.sha256([])
    let header = BlockHeader(
      chain: none, epoch: 1, height: height, view: height, parentView: height - 1, parent: none,
      time: Timestamp(seconds: 9), body: Digest.sha256(body),
      attested: Attestation(height: 0, stateRoot: none, receiptsRoot: none, outboxRoot: none))
    return .with {
      $0.header = Data(header.encoded)
      $0.body = Data(body)
    }
  }
}
