// SPDX-License-Identifier: Apache-2.0

import PostgresWire
import ProxyCore
import Testing

@Suite struct IAMTokenTests {
    struct Keys: AccessKeyProvider {
        func secretKey(id: String, sessionToken: String?, user: String) async -> Secret? {
            guard id == "AKIDEXAMPLE", user == "jane.doe+x", sessionToken ?? "Sess/ion+tok==" == "Sess/ion+tok==" else {
                return nil
            }
            return Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
        }
    }

    /// What botocore's `generate_db_auth_token` gave for these keys at 2026-01-02 03:04:05 UTC.
    static let plain = """
        db.example.com:3306/?Action=connect&DBUser=jane.doe%2Bx&X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIDEXAMPLE%2F20260102%2Feu-west-1%2Frds-db%2Faws4_request&X-Amz-Date=20260102T030405Z\
        &X-Amz-Expires=900&X-Amz-SignedHeaders=host\
        &X-Amz-Signature=2f7c5eb4f324ba4f4e2db20e528959bf3513b082eadf91bb5a5390451c3e3dae
        """
    static let temporary = """
        db.example.com:3306/?Action=connect&DBUser=jane.doe%2Bx&X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIDEXAMPLE%2F20260102%2Feu-west-1%2Frds-db%2Faws4_request&X-Amz-Date=20260102T030405Z\
        &X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Security-Token=Sess%2Fion%2Btok%3D%3D\
        &X-Amz-Signature=710d808d3b32cad247d18d43d4aad612af47e15926b6ba7bfde0a51c03416835
        """
    static let signedAt: Int64 = 1_767_323_045

    private func refusal(
        _ text: String, user: String = "jane.doe+x", region: String? = "eu-west-1", hosts: Set<String>? = nil,
        after seconds: Int64 = 10
    ) async -> IAMToken.Refusal? {
        do throws(IAMToken.Refusal) {
            try await IAMToken(parsing: text).verify(
                user: user, region: region, hosts: hosts, now: Self.signedAt + seconds, keys: Keys())
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: [plain, temporary])
    func `a token lets its user in for fifteen minutes`(token: String) async throws {
        #expect(try IAMToken(parsing: token).signedAt == Self.signedAt)
        #expect(await refusal(token) == nil)
        #expect(await refusal(token, region: nil, after: 899) == nil)
        #expect(await refusal(token, after: 900) == .expired)
        #expect(await refusal(token, after: -200) == nil)
        #expect(await refusal(token, after: -301) == .expired)
    }

    @Test func `nobody else, and nowhere else`() async {
        #expect(await refusal(Self.plain, user: "root") == .misdirected)
        #expect(await refusal(Self.plain, region: "us-east-1") == .misdirected)
        #expect(await refusal(Self.plain, hosts: ["db.example.com:3306", "db.example.com"]) == nil)
        #expect(await refusal(Self.plain, hosts: ["other.example.com:3306"]) == .misdirected)
        #expect(await refusal(Self.plain.replacing("AKIDEXAMPLE", with: "AKIDOTHER")) == .unknownKey)
    }

    @Test(arguments: [
        ("db.example.com", "db.example.org"), ("3306", "3307"), ("Expires=900", "Expires=899"), ("030405Z", "030406Z"),
        ("ae", "af"),
    ])
    func `a change of anything breaks the signature`(from: String, to: String) async {
        #expect(await refusal(Self.plain.replacing(from, with: to)) == .badSignature)
    }

    @Test func `what is no token is told apart, however it is cut`() async {
        for length in 0..<Self.plain.count {
            let cut = String(Self.plain.prefix(length))
            #expect(await refusal(cut) != nil)
        }
        #expect(await refusal("a password/with slash") == .malformed)
        #expect(await refusal(Self.plain + "&DBUser=root") == .malformed)
        #expect(await refusal(Self.plain.replacing("rds-db", with: "s3")) == .misdirected)
        #expect(await refusal(String(repeating: "x", count: 40_000)) == .malformed)
    }
}
