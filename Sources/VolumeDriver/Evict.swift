// SPDX-License-Identifier: Apache-2.0

extension VolumeDriver {
    func evictIfNeeded() {}
}
