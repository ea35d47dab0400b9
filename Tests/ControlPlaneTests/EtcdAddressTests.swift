// SPDX-License-Identifier: Apache-2.0

import ControlPlane
import Testing

@Suite struct EtcdAddressTests {
    @Test func `it names servers, a part of the keys, and whether there is TLS`() throws {
        let plain = try #require(EtcdAddress("etcd://a,b:2400/east/one"))
        #expect(plain.servers.map { "\($0.host):\($0.port)" } == ["a:2379", "b:2400"])
        #expect(plain.prefix == "/borealis/east/one/")
        #expect(!plain.isSecure)
        let secure = try #require(EtcdAddress("https://127.0.0.1:2379"))
        #expect(secure.servers.map { "\($0.host):\($0.port)" } == ["127.0.0.1:2379"])
        #expect(secure.prefix == "/borealis/region/")
        #expect(secure.isSecure)
    }

    @Test(arguments: ["", "etcd://", "http://a", "etcd://a:0", "etcd://a:x", "https://a,,b", "a:2379"])
    func `other texts are none`(text: String) { #expect(EtcdAddress(text) == nil) }
}
