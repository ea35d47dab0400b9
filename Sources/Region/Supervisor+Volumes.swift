// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Logging
internal import VolumeModel

/// Giving back the space of volumes whose clusters are gone.
///
/// That a volume is removed stands in the metadata, in the transaction that forgets its cluster. One thread tells every storage
/// process, again and again, until all have answered that nothing of it is left on any of their nodes; then the metadata
/// forget it as well. So a process that was down, or a supervisor that ended on the way, only make it later.
extension Supervisor {
    private static let volumeInterval: Duration = .seconds(1)
    /// Unlinking what a large volume has takes a while.
    private static let removalSeconds = 120

    func watchVolumes() {
        while !isEnding {
            do {
                for volume in try setup.metadata.removedVolumes() where removeFromNodes(volume) {
                    CrashPoint.pass("volume-told")
                    try setup.metadata.erase(volume)
                    CrashPoint.pass("volume-erased")
                    try setup.saveRoles()
                    logger.notice(
                        "no node has anything of a removed volume any more", metadata: ["volume": "\(volume)"])
                }
            } catch {
                logger.error("cannot remove a volume", metadata: ["error": "\(error)"])
            }
            let end = ContinuousClock.now + Self.volumeInterval
            while ContinuousClock.now < end && !isEnding { usleep(50_000) }
        }
    }

    /// Whether every storage process has answered that it is gone.
    private func removeFromNodes(_ volume: VolumeID) -> Bool {
        var request = AdminRequest(.removeVolume)
        request.removedVolume = "\(volume)"
        var isGone = true
        for keeper in keepers where keeper.role.hasPrefix("storage") {
            do {
                guard keeper.pid != nil else { throw RegionError("it is down", remedy: "it is asked when it is back") }
                _ = try AdminClient(path: directory.socket(keeper.role)).send(
                    request, timeoutSeconds: Self.removalSeconds)
            } catch {
                isGone = false
                logger.debug(
                    "a storage process still has a removed volume",
                    metadata: ["process": "\(keeper.role)", "volume": "\(volume)", "error": "\(error)"])
            }
        }
        return isGone
    }
}
