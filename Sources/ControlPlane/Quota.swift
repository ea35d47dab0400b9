// SPDX-License-Identifier: Apache-2.0

/// The most there can be of everything in a region: what operations refuse by, and what `DescribeAccountAttributes` says.
///
/// Numbers that belong to Aurora's shape are Aurora's; those that AWS raises on request are for one machine.
enum Quota {
    static let clusters = 100
    static let instances = 200
    static let parameterGroups = 50
    static let subnetGroups = 50
    static let subnetsPerGroup = 20
    static let subscriptions = 20
    static let endpointsPerCluster = 5
    static let readersPerCluster = ObservedCluster.instancesMax - 1
    static let tagsPerResource = 50
}
