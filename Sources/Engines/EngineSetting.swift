// SPDX-License-Identifier: Apache-2.0

/// A setting that an engine runs with on a volume, and why it is safe or needed: the reason is written beside it.
struct EngineSetting {
    let name: String
    let value: String
    let reason: String
}
