// swift-tools-version: 6.2
import PackageDescription

/// Our own modules build with strict concurrency (Swift 6 mode) and without a warning.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .treatAllWarnings(as: .error),
]

/// For cores whose tests plant states that no posting leads to: these tests see inside (@testable)
/// although everything is built once, in release.
let testable: [SwiftSetting] = strict + [.unsafeFlags(["-enable-testing"])]

func product(_ name: String, _ package: String) -> Target.Dependency {
  .product(name: name, package: package)
}

let crypto = product("Crypto", "swift-crypto")
let grpc: [Target.Dependency] = [
  product("GRPCCore", "grpc-swift-2"),
  product("GRPCProtobuf", "grpc-swift-protobuf"),
  product("SwiftProtobuf", "swift-protobuf"),
]
let transport = product("GRPCNIOTransportHTTP2Posix", "grpc-swift-nio-transport")
let logging = product("Logging", "swift-log")
let metrics = product("CoreMetrics", "swift-metrics")
let http: [Target.Dependency] = [
  product("NIOCore", "swift-nio"), product("NIOPosix", "swift-nio"),
  product("NIOHTTP1", "swift-nio"),
]
let pureCores: [Target.Dependency] = [
  "Domain", "Metering", "Market", "Ledger", "Fees", "Backbone", "Consensus",
]

/// Documentation that lies beside its module.
func readme(_ name: String) -> [String] {
  ["Backbone", "Consensus", "Dashboard", "Storage"].contains(name)
    ? ["README.md"] + models(name) : []
}

/// The rules in another language, for a checker.
func models(_ name: String) -> [String] { name == "Consensus" ? ["Model"] : [] }

func module(
  _ name: String, _ dependencies: [Target.Dependency], _ settings: [SwiftSetting] = strict
) -> Target {
  .target(
    name: name, dependencies: dependencies, exclude: readme(name), swiftSettings: settings)
}

/// Tests draw their random numbers from the seeded generator of TestSupport.
func tests(
  _ name: String, _ dependencies: [Target.Dependency], path: String? = nil
) -> Target {
  .testTarget(
    name: name, dependencies: dependencies + ["TestSupport"], path: path, swiftSettings: strict)
}

/// What several test targets share.
func support(_ name: String, _ dependencies: [Target.Dependency], path: String? = nil) -> Target {
  .target(
    name: name, dependencies: dependencies, path: path ?? "Tests/\(name)", exclude: [],
    swiftSettings: strict)
}

func benchmark(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(
    name: name, dependencies: dependencies, path: "Tests/Benchmarks/\(name)",
    swiftSettings: strict)
}

let package = Package(
  name: "intertie",
  products: [.executable(name: "intertie", targets: ["intertie"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-certificates.git", from: "1.21.1"),
    .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-metrics.git", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
    .package(url: "https://github.com/apple/swift-protobuf.git", from: "1.39.0"),
    .package(url: "https://github.com/groue/GRDB.swift.git", from: "7.10.0"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift.git", from: "0.2.0"),
    .package(url: "https://github.com/grpc/grpc-swift-2.git", from: "2.4.3"),
    .package(url: "https://github.com/grpc/grpc-swift-nio-transport.git", from: "2.9.2"),
    .package(url: "https://github.com/grpc/grpc-swift-protobuf.git", from: "2.4.1"),
  ],
  targets: [
    module("Domain", [crypto]),
    module("Metering", ["Domain"], testable),
    module("Market", ["Domain"]),
    module("Ledger", ["Domain"], testable),
    module("Fees", ["Domain"], testable),
    module("Backbone", ["Domain"], testable),
    module("Consensus", ["Domain"]),
    module("Wire", ["Domain"] + grpc),
    module("Storage", ["Domain", product("GRDB", "GRDB.swift")]),
    module(
      "Node",
      pureCores + grpc + [
        "Wire", "Storage", transport, crypto, product("X509", "swift-certificates"), logging,
        metrics, product("NIOCore", "swift-nio"), product("NIOPosix", "swift-nio"),
      ]),
    module("Dashboard", ["Domain", metrics] + http),
    module(
      "Load",
      ["Domain", "Wire", transport, product("Histogram", "hdrhistogram-swift")] + grpc),
    .executableTarget(
      name: "intertie",
      dependencies: grpc + [
        "Domain", "Wire", "Storage", "Node", "Dashboard", "Load", transport, crypto, logging,
        metrics,
        product("_CryptoExtras", "swift-crypto"),
        product("ArgumentParser", "swift-argument-parser"),
      ], resources: [.copy("Data")], swiftSettings: strict),

    support("TestSupport", []),
    support(
      "ProcessSupport", ["TestSupport", "Domain", "Node", "Storage", "Wire", transport] + grpc),
    support(
      "Simulation",
      pureCores + [
        "Wire", "Storage", "Node", "TestSupport", product("Histogram", "hdrhistogram-swift"),
      ],
      path: "Tests/Simulation/Simulation"),
    .executableTarget(
      name: "Simulate", dependencies: ["Simulation", "Consensus", "Node"],
      path: "Tests/Simulation/Simulate", swiftSettings: strict),

    tests("DomainTests", ["Domain", crypto]),
    tests("MeteringTests", ["Metering", "Domain"]),
    tests("MarketTests", ["Market", "Domain"]),
    tests("LedgerTests", ["Ledger", "Domain"]),
    tests("FeesTests", ["Fees", "Domain"]),
    tests("BackboneTests", ["Backbone", "Domain"]),
    tests("ConsensusTests", ["Consensus", "Domain"]),
    tests("WireTests", ["Wire", "Domain"] + grpc),
    tests("StorageTests", ["Storage", "Domain", product("GRDB", "GRDB.swift")]),
    tests(
      "NodeTests",
      [
        "Node", "Storage", "Wire", transport, crypto, product("X509", "swift-certificates"),
        logging, product("NIOEmbedded", "swift-nio"),
      ] + pureCores + grpc),
    tests(
      "DashboardTests",
      ["Dashboard", "Node", "Backbone", "Consensus", "Ledger", "Wire", "Domain", logging, metrics]),
    tests(
      "SimulationTests", ["Simulation", "Simulate"] + pureCores,
      path: "Tests/Simulation/SimulationTests"),
    tests(
      "CrashTests",
      ["ProcessSupport", "Node", "Storage", "Wire", "Domain", "Ledger", logging] + grpc),
    tests(
      "NetworkTests", ["ProcessSupport", "Node", "Storage", "Wire", "Domain", transport] + grpc),
    tests("DemoTests", ["intertie", "Wire", "Domain"]),
    tests(
      "LoadTests",
      [
        "ProcessSupport", "Load", "Node", "Wire", "Domain", transport,
        product("NIOCore", "swift-nio"), product("Histogram", "hdrhistogram-swift"),
      ] + grpc),
    tests("TidyTests", []),

    // What the test in Python asks of the coupling.
    .executableTarget(
      name: "CouplingProbe", dependencies: ["Market", "Domain"],
      path: "Tests/Interop/CouplingProbe", swiftSettings: strict),

    benchmark("MatchingBenchmark", ["Market", "Domain"]),
    benchmark("CouplingBenchmark", ["Market", "Domain", "TestSupport"]),
    benchmark(
      "LedgerBenchmark",
      ["ProcessSupport", "TestSupport", "Domain", "Ledger", "Node", "Storage", "Wire"]),
    benchmark(
      "NodeBenchmark",
      ["ProcessSupport", "Domain", "Node", "Wire", "Storage", transport, logging] + grpc),
    benchmark(
      "ConsensusBenchmark",
      ["ProcessSupport", "Domain", "Node", "Wire", logging] + grpc),
    benchmark(
      "UnionBenchmark",
      ["ProcessSupport", "TestSupport", "Domain", "Backbone", "Consensus", "Market", "Node"]
        + ["Storage", "Wire"] + grpc),
  ]
)
