import GRPCCore
import Wire

/// grpc.reflection.v1: lets generic clients (grpcurl, Postman) find services and messages.
struct ReflectionService: Grpc_Reflection_V1_ServerReflection.SimpleServiceProtocol {
  func serverReflectionInfo(
    request: RPCAsyncSequence<Grpc_Reflection_V1_ServerReflectionRequest, any Error>,
    response: RPCWriter<Grpc_Reflection_V1_ServerReflectionResponse>, context: ServerContext
  ) async throws {
    for try await question in request {
      try await response.write(DescriptorIndex.shared.answer(question))
    }
  }
}
