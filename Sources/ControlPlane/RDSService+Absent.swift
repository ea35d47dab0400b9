// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol

/// Lists of what a region has none of. Clients look there while they are about something else (Terraform asks for global
/// clusters whenever it reads a cluster), so the truth is an empty list; making one is refused.
extension RDSService {
    /// An operation that lists, the member that names one, the fault when that is not found, and the answer's list.
    private struct Listing {
        let operation: String
        let identifier: String?
        let fault: String?
        let list: String
    }

    private static let absent = [
        Listing(
            operation: "DescribeGlobalClusters", identifier: "GlobalClusterIdentifier",
            fault: "GlobalClusterNotFoundFault", list: "GlobalClusters"),
        Listing(
            operation: "DescribePendingMaintenanceActions", identifier: nil, fault: nil,
            list: "PendingMaintenanceActions"),
        Listing(
            operation: "DescribeBlueGreenDeployments", identifier: "BlueGreenDeploymentIdentifier",
            fault: "BlueGreenDeploymentNotFoundFault", list: "BlueGreenDeployments"),
        Listing(
            operation: "DescribeDBClusterSnapshots", identifier: "DBClusterSnapshotIdentifier",
            fault: "DBClusterSnapshotNotFoundFault", list: "DBClusterSnapshots"),
        Listing(
            operation: "DescribeDBClusterAutomatedBackups", identifier: "DbClusterResourceId",
            fault: "DBClusterAutomatedBackupNotFoundFault", list: "DBClusterAutomatedBackups"),
    ]

    static let absentHandlers = Dictionary(
        uniqueKeysWithValues: absent.map { listing in
            let handler: Handler = { service, input in
                if let identifier = listing.identifier, let fault = listing.fault, let name = input.string(identifier),
                    !name.isEmpty
                {
                    throw service.fault(fault, "\(name.prefix(200)) not found.")
                }
                _ = try Page(input)
                return .structure([listing.list: .list([])])
            }
            return (listing.operation, handler)
        })
}
