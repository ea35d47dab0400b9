// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

/// Settings shared by every Swift target: warnings are errors, imports say what they need.
let house: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]

/// Of the targets that every request through the proxy passes: exclusive access is checked at run time in debug builds only. The
/// objects belong to one event loop each, and the checks were a fifth of a request's instructions.
let requestPath: [SwiftSetting] =
    house + [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]

let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let cryptoExtras = Target.Dependency.product(name: "CryptoExtras", package: "swift-crypto")
let x509 = Target.Dependency.product(name: "X509", package: "swift-certificates")
let asn1 = Target.Dependency.product(name: "SwiftASN1", package: "swift-asn1")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "CoreMetrics", package: "swift-metrics")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioLocks = Target.Dependency.product(name: "NIOConcurrencyHelpers", package: "swift-nio")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let serviceLifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")

/// Dependencies point only upwards in this list: vocabulary, codecs, state machines, services, programs.
let package = Package(
    name: "borealis",
    products: [
        .executable(name: "borealis", targets: ["borealis"]),
        .executable(name: "simulate", targets: ["simulate"]),
        .executable(name: "codecprobe", targets: ["codecprobe"]),
        .executable(name: "fuzz", targets: ["fuzz"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    ],
    targets: [
        // Thin C helpers: CRC32C, futex, spawn, and the ring's ABI.
        .target(name: "CBorealis", cSettings: [.unsafeFlags(["-O2"])]),
        .systemLibrary(name: "CLZ4", providers: [.apt(["liblz4-dev"])]),
        // Vocabulary.
        .target(name: "VolumeModel", swiftSettings: house),
        // Codecs: bytes to values and back.
        .target(name: "LogWire", dependencies: ["CBorealis", "VolumeModel", nioCore], swiftSettings: house),
        .target(
            name: "StorageWire", dependencies: ["VolumeModel", "SegmentCore", "LogWire", "CBorealis", nioCore],
            swiftSettings: house),
        .target(name: "PostgresWire", dependencies: [nioCore, crypto], swiftSettings: requestPath),
        .target(name: "MySQLWire", dependencies: [nioCore, crypto, cryptoExtras], swiftSettings: requestPath),
        .target(name: "AWSProtocol", dependencies: [crypto], swiftSettings: house),
        // State machines, no I/O.
        .target(name: "SegmentCore", dependencies: ["VolumeModel"], swiftSettings: house),
        .target(name: "QuorumCore", dependencies: ["VolumeModel", "SegmentCore"], swiftSettings: house),
        .target(name: "LayerCore", dependencies: ["VolumeModel", "LogWire", nioCore], swiftSettings: house),
        .target(name: "NamespaceCore", dependencies: ["VolumeModel", "LogWire", nioCore], swiftSettings: house),
        .target(
            name: "ProxyCore", dependencies: ["PostgresWire", "MySQLWire", crypto, nioCore],
            swiftSettings: requestPath),
        // Sockets, files, processes.
        .target(
            name: "Proxy",
            dependencies: [
                "ProxyCore", "PostgresWire", "MySQLWire", crypto, nioCore, nioPosix, nioLocks, nioSSL, logging, metrics,
                yams,
            ], swiftSettings: requestPath),
        .target(
            name: "Keyring", dependencies: ["VolumeModel", "CBorealis", "CLZ4", crypto, nioCore], swiftSettings: house),
        .target(
            name: "LayerStore",
            dependencies: ["LayerCore", "NamespaceCore", "LogWire", "Keyring", "VolumeModel", "CBorealis", nioCore],
            swiftSettings: house),
        .target(
            name: "StorageNode",
            dependencies: [
                "SegmentCore", "LayerCore", "LayerStore", "NamespaceCore", "LogWire", "StorageWire", "Keyring",
                "VolumeModel", "CBorealis", nioCore, nioPosix, nioSSL, logging,
            ], swiftSettings: house),
        .target(
            name: "VolumeDriver",
            dependencies: [
                "QuorumCore", "SegmentCore", "NamespaceCore", "LogWire", "StorageWire", "StorageNode", "Keyring",
                "VolumeModel", "CBorealis", nioCore, nioPosix, nioSSL, logging,
            ], swiftSettings: house),
        .target(
            name: "Engines", dependencies: ["MySQLWire", "VolumeModel", "CBorealis", crypto, logging],
            swiftSettings: house),
        .target(name: "Endpoints", dependencies: [nioCore, nioPosix, logging], swiftSettings: house),
        .target(
            name: "Region",
            dependencies: [
                "Endpoints", "Engines", "StorageNode", "VolumeDriver", "NamespaceCore", "LogWire", "Keyring",
                "VolumeModel",
                "CBorealis", nioCore, nioPosix, nioSSL,
                x509, asn1, crypto, grdb, logging,
            ], swiftSettings: house),
        .target(
            name: "ControlPlane",
            dependencies: [
                "AWSProtocol", "Engines", hummingbird, serviceLifecycle, httpTypes, grdb, crypto, nioCore, nioPosix,
                nioHTTP1, nioSSL, logging,
            ], swiftSettings: house),
        // Programs.
        .executableTarget(
            name: "borealis",
            dependencies: [
                "Region", "Proxy", "ControlPlane", "Endpoints", "Engines", "Keyring", "VolumeModel", arguments, logging,
                metrics,
            ],
            swiftSettings: house),
        .target(
            name: "SimulationKit", dependencies: ["QuorumCore", "SegmentCore", "VolumeModel"], swiftSettings: house),
        // The codecs as a filter: tests hold them against botocore's.
        .executableTarget(name: "codecprobe", dependencies: ["AWSProtocol"], swiftSettings: house),
        .executableTarget(name: "simulate", dependencies: ["SimulationKit", arguments], swiftSettings: house),
        .target(
            name: "FuzzKit", dependencies: ["ProxyCore", "PostgresWire", "MySQLWire", "SimulationKit", nioCore],
            swiftSettings: house),
        .executableTarget(name: "fuzz", dependencies: ["FuzzKit", arguments], swiftSettings: house),
        // Tests.
        .testTarget(name: "LogWireTests", dependencies: ["LogWire", "VolumeModel", "CBorealis", nioCore]),
        .testTarget(name: "AWSProtocolTests", dependencies: ["AWSProtocol", crypto]),
        .testTarget(name: "ControlPlaneTests", dependencies: ["ControlPlane", "AWSProtocol", "Engines", logging]),
        .testTarget(name: "EndpointsTests", dependencies: ["Endpoints", nioCore, nioPosix, logging]),
        .testTarget(name: "SegmentCoreTests", dependencies: ["SegmentCore", "VolumeModel"]),
        .testTarget(name: "QuorumCoreTests", dependencies: ["QuorumCore", "SegmentCore", "VolumeModel"]),
        .testTarget(name: "PostgresWireTests", dependencies: ["PostgresWire", nioCore]),
        .testTarget(name: "MySQLWireTests", dependencies: ["MySQLWire", crypto, nioCore]),
        .testTarget(
            name: "ProxyCoreTests", dependencies: ["ProxyCore", "PostgresWire", "MySQLWire", "FuzzKit", nioCore]),
        .testTarget(name: "ProxyTests", dependencies: ["Proxy", "ProxyCore"]),
        .testTarget(name: "SimulationKitTests", dependencies: ["SimulationKit"]),
        .testTarget(name: "RegionTests", dependencies: ["Engines", "Region"]),
        .testTarget(
            name: "StorageNodeTests",
            dependencies: [
                "StorageNode", "StorageWire", "SegmentCore", "LogWire", "LayerCore", "LayerStore", "Keyring",
                "VolumeModel", crypto, nioCore, logging,
            ]),
        .testTarget(
            name: "LayerCoreTests",
            dependencies: [
                "LayerCore", "LayerStore", "NamespaceCore", "LogWire", "Keyring", "VolumeModel", "CBorealis", crypto,
                nioCore,
            ]),
    ]
)
