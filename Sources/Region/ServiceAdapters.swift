// SPDX-License-Identifier: Apache-2.0

internal import StorageNode
internal import VolumeDriver

/// The few facts of the services' own reports that the region's report is made of.
extension NodeStatus {
    var reportID: String { "\(node)" }
    var reportState: String { "\(state)" }
    var reportSCL: UInt64 { scl }
}

extension DriverStatus {
    var reportVDL: UInt64 { vdl }
    var reportEpoch: UInt32 { epoch }
    /// What commits wait for, if they wait.
    var reportWaiting: String? { waiting }
}
