// SPDX-License-Identifier: Apache-2.0

package import Crypto
package import Foundation

/// A secret sealed under one version of a master key. Safe to store anywhere: only the provider can open it.
package struct WrappedKey: Codable, Hashable, Sendable {
    /// The master key's id, `mk-` and sixteen hexadecimal digits.
    package var masterKey: String
    /// The version of the master key it is sealed under, from 1.
    package var version: Int
    /// AES-256-GCM: twelve bytes of nonce, the ciphertext, sixteen bytes of tag.
    package var sealed: Data

    package init(masterKey: String, version: Int, sealed: Data) {
        self.masterKey = masterKey
        self.version = version
        self.sealed = sealed
    }
}

/// Where master keys live: a local key ring by default, a key service elsewhere.
///
/// The provider never gives a master key away. It makes data keys and opens them again; `context` says what a secret is
/// for (a volume's id, say), is authenticated with it, and must be the same when it is opened. Rotation makes a new
/// version of the master key; what is sealed under an older one stays readable and is re-wrapped at leisure, so that no
/// data is ever rewritten.
package protocol KeyProvider: Sendable {
    /// A new random 256-bit data key, plain and wrapped.
    func createDataKey(context: String) throws -> (plain: SymmetricKey, wrapped: WrappedKey)
    /// Seals a secret the caller already has.
    func wrap(_ secret: SymmetricKey, context: String) throws -> WrappedKey
    /// Opens what `createDataKey` or `wrap` sealed; throws if the context differs or a byte changed.
    func unwrap(_ key: WrappedKey, context: String) throws -> SymmetricKey
    /// Makes a new version of the master key and returns its number.
    func rotate() throws -> Int
}

extension KeyProvider {
    /// The same secret sealed under the newest version of the master key.
    package func rewrap(_ key: WrappedKey, context: String) throws -> WrappedKey {
        try wrap(unwrap(key, context: context), context: context)
    }
}

/// A problem with keys that an operator can do something about: one line, with what to do.
package struct KeyringError: Error, CustomStringConvertible, Equatable {
    package var problem: String
    package var remedy: String

    package init(_ problem: String, remedy: String) {
        self.problem = problem
        self.remedy = remedy
    }

    package var description: String { "\(problem) (\(remedy))" }
}
