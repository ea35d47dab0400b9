// SPDX-License-Identifier: Apache-2.0
// Written by scripts/derive-shapes rds: do not edit.

extension ServiceModel {
    static let rdsTable = """
        service rds
        protocol query
        version 2014-10-31
        signing rds
        namespace http://rds.amazonaws.com/doc/2014-10-31/
        operation AddRoleToDBCluster AddRoleToDBClusterMessage - -
        operation AddRoleToDBInstance AddRoleToDBInstanceMessage - -
        operation AddSourceIdentifierToSubscription AddSourceIdentifierToSubscriptionMessage
         AddSourceIdentifierToSubscriptionResult AddSourceIdentifierToSubscriptionResult
        operation AddTagsToResource AddTagsToResourceMessage - -
        operation ApplyPendingMaintenanceAction ApplyPendingMaintenanceActionMessage
         ApplyPendingMaintenanceActionResult ApplyPendingMaintenanceActionResult
        operation AuthorizeDBSecurityGroupIngress AuthorizeDBSecurityGroupIngressMessage
         AuthorizeDBSecurityGroupIngressResult AuthorizeDBSecurityGroupIngressResult
        operation BacktrackDBCluster BacktrackDBClusterMessage DBClusterBacktrack BacktrackDBClusterResult
        operation CancelExportTask CancelExportTaskMessage ExportTask CancelExportTaskResult
        operation CopyDBClusterParameterGroup CopyDBClusterParameterGroupMessage
         CopyDBClusterParameterGroupResult CopyDBClusterParameterGroupResult
        operation CopyDBClusterSnapshot CopyDBClusterSnapshotMessage CopyDBClusterSnapshotResult
         CopyDBClusterSnapshotResult
        operation CopyDBParameterGroup CopyDBParameterGroupMessage CopyDBParameterGroupResult
         CopyDBParameterGroupResult
        operation CopyDBSnapshot CopyDBSnapshotMessage CopyDBSnapshotResult CopyDBSnapshotResult
        operation CopyOptionGroup CopyOptionGroupMessage CopyOptionGroupResult CopyOptionGroupResult
        operation CreateBlueGreenDeployment CreateBlueGreenDeploymentRequest
         CreateBlueGreenDeploymentResponse CreateBlueGreenDeploymentResult
        operation CreateCustomDBEngineVersion CreateCustomDBEngineVersionMessage DBEngineVersion
         CreateCustomDBEngineVersionResult
        operation CreateDBCluster CreateDBClusterMessage CreateDBClusterResult CreateDBClusterResult
        operation CreateDBClusterEndpoint CreateDBClusterEndpointMessage DBClusterEndpoint
         CreateDBClusterEndpointResult
        operation CreateDBClusterParameterGroup CreateDBClusterParameterGroupMessage
         CreateDBClusterParameterGroupResult CreateDBClusterParameterGroupResult
        operation CreateDBClusterSnapshot CreateDBClusterSnapshotMessage CreateDBClusterSnapshotResult
         CreateDBClusterSnapshotResult
        operation CreateDBInstance CreateDBInstanceMessage CreateDBInstanceResult CreateDBInstanceResult
        operation CreateDBInstanceReadReplica CreateDBInstanceReadReplicaMessage
         CreateDBInstanceReadReplicaResult CreateDBInstanceReadReplicaResult
        operation CreateDBParameterGroup CreateDBParameterGroupMessage CreateDBParameterGroupResult
         CreateDBParameterGroupResult
        operation CreateDBProxy CreateDBProxyRequest CreateDBProxyResponse CreateDBProxyResult
        operation CreateDBProxyEndpoint CreateDBProxyEndpointRequest CreateDBProxyEndpointResponse
         CreateDBProxyEndpointResult
        operation CreateDBSecurityGroup CreateDBSecurityGroupMessage CreateDBSecurityGroupResult
         CreateDBSecurityGroupResult
        operation CreateDBShardGroup CreateDBShardGroupMessage DBShardGroup CreateDBShardGroupResult
        operation CreateDBSnapshot CreateDBSnapshotMessage CreateDBSnapshotResult CreateDBSnapshotResult
        operation CreateDBSubnetGroup CreateDBSubnetGroupMessage CreateDBSubnetGroupResult
         CreateDBSubnetGroupResult
        operation CreateEventSubscription CreateEventSubscriptionMessage CreateEventSubscriptionResult
         CreateEventSubscriptionResult
        operation CreateGlobalCluster CreateGlobalClusterMessage CreateGlobalClusterResult
         CreateGlobalClusterResult
        operation CreateIntegration CreateIntegrationMessage Integration CreateIntegrationResult
        operation CreateOptionGroup CreateOptionGroupMessage CreateOptionGroupResult CreateOptionGroupResult
        operation CreateTenantDatabase CreateTenantDatabaseMessage CreateTenantDatabaseResult
         CreateTenantDatabaseResult
        operation DeleteBlueGreenDeployment DeleteBlueGreenDeploymentRequest
         DeleteBlueGreenDeploymentResponse DeleteBlueGreenDeploymentResult
        operation DeleteCustomDBEngineVersion DeleteCustomDBEngineVersionMessage DBEngineVersion
         DeleteCustomDBEngineVersionResult
        operation DeleteDBCluster DeleteDBClusterMessage DeleteDBClusterResult DeleteDBClusterResult
        operation DeleteDBClusterAutomatedBackup DeleteDBClusterAutomatedBackupMessage
         DeleteDBClusterAutomatedBackupResult DeleteDBClusterAutomatedBackupResult
        operation DeleteDBClusterEndpoint DeleteDBClusterEndpointMessage DBClusterEndpoint
         DeleteDBClusterEndpointResult
        operation DeleteDBClusterParameterGroup DeleteDBClusterParameterGroupMessage - -
        operation DeleteDBClusterSnapshot DeleteDBClusterSnapshotMessage DeleteDBClusterSnapshotResult
         DeleteDBClusterSnapshotResult
        operation DeleteDBInstance DeleteDBInstanceMessage DeleteDBInstanceResult DeleteDBInstanceResult
        operation DeleteDBInstanceAutomatedBackup DeleteDBInstanceAutomatedBackupMessage
         DeleteDBInstanceAutomatedBackupResult DeleteDBInstanceAutomatedBackupResult
        operation DeleteDBParameterGroup DeleteDBParameterGroupMessage - -
        operation DeleteDBProxy DeleteDBProxyRequest DeleteDBProxyResponse DeleteDBProxyResult
        operation DeleteDBProxyEndpoint DeleteDBProxyEndpointRequest DeleteDBProxyEndpointResponse
         DeleteDBProxyEndpointResult
        operation DeleteDBSecurityGroup DeleteDBSecurityGroupMessage - -
        operation DeleteDBShardGroup DeleteDBShardGroupMessage DBShardGroup DeleteDBShardGroupResult
        operation DeleteDBSnapshot DeleteDBSnapshotMessage DeleteDBSnapshotResult DeleteDBSnapshotResult
        operation DeleteDBSubnetGroup DeleteDBSubnetGroupMessage - -
        operation DeleteEventSubscription DeleteEventSubscriptionMessage DeleteEventSubscriptionResult
         DeleteEventSubscriptionResult
        operation DeleteGlobalCluster DeleteGlobalClusterMessage DeleteGlobalClusterResult
         DeleteGlobalClusterResult
        operation DeleteIntegration DeleteIntegrationMessage Integration DeleteIntegrationResult
        operation DeleteOptionGroup DeleteOptionGroupMessage - -
        operation DeleteTenantDatabase DeleteTenantDatabaseMessage DeleteTenantDatabaseResult
         DeleteTenantDatabaseResult
        operation DeregisterDBProxyTargets DeregisterDBProxyTargetsRequest DeregisterDBProxyTargetsResponse
         DeregisterDBProxyTargetsResult
        operation DescribeAccountAttributes DescribeAccountAttributesMessage AccountAttributesMessage
         DescribeAccountAttributesResult
        operation DescribeBlueGreenDeployments DescribeBlueGreenDeploymentsRequest
         DescribeBlueGreenDeploymentsResponse DescribeBlueGreenDeploymentsResult
        operation DescribeCertificates DescribeCertificatesMessage CertificateMessage
         DescribeCertificatesResult
        operation DescribeDBClusterAutomatedBackups DescribeDBClusterAutomatedBackupsMessage
         DBClusterAutomatedBackupMessage DescribeDBClusterAutomatedBackupsResult
        operation DescribeDBClusterBacktracks DescribeDBClusterBacktracksMessage DBClusterBacktrackMessage
         DescribeDBClusterBacktracksResult
        operation DescribeDBClusterEndpoints DescribeDBClusterEndpointsMessage DBClusterEndpointMessage
         DescribeDBClusterEndpointsResult
        operation DescribeDBClusterParameterGroups DescribeDBClusterParameterGroupsMessage
         DBClusterParameterGroupsMessage DescribeDBClusterParameterGroupsResult
        operation DescribeDBClusterParameters DescribeDBClusterParametersMessage
         DBClusterParameterGroupDetails DescribeDBClusterParametersResult
        operation DescribeDBClusterSnapshotAttributes DescribeDBClusterSnapshotAttributesMessage
         DescribeDBClusterSnapshotAttributesResult DescribeDBClusterSnapshotAttributesResult
        operation DescribeDBClusterSnapshots DescribeDBClusterSnapshotsMessage DBClusterSnapshotMessage
         DescribeDBClusterSnapshotsResult
        operation DescribeDBClusters DescribeDBClustersMessage DBClusterMessage DescribeDBClustersResult
        operation DescribeDBEngineVersions DescribeDBEngineVersionsMessage DBEngineVersionMessage
         DescribeDBEngineVersionsResult
        operation DescribeDBInstanceAutomatedBackups DescribeDBInstanceAutomatedBackupsMessage
         DBInstanceAutomatedBackupMessage DescribeDBInstanceAutomatedBackupsResult
        operation DescribeDBInstances DescribeDBInstancesMessage DBInstanceMessage DescribeDBInstancesResult
        operation DescribeDBLogFiles DescribeDBLogFilesMessage DescribeDBLogFilesResponse
         DescribeDBLogFilesResult
        operation DescribeDBMajorEngineVersions DescribeDBMajorEngineVersionsRequest
         DescribeDBMajorEngineVersionsResponse DescribeDBMajorEngineVersionsResult
        operation DescribeDBParameterGroups DescribeDBParameterGroupsMessage DBParameterGroupsMessage
         DescribeDBParameterGroupsResult
        operation DescribeDBParameters DescribeDBParametersMessage DBParameterGroupDetails
         DescribeDBParametersResult
        operation DescribeDBProxies DescribeDBProxiesRequest DescribeDBProxiesResponse
         DescribeDBProxiesResult
        operation DescribeDBProxyEndpoints DescribeDBProxyEndpointsRequest DescribeDBProxyEndpointsResponse
         DescribeDBProxyEndpointsResult
        operation DescribeDBProxyTargetGroups DescribeDBProxyTargetGroupsRequest
         DescribeDBProxyTargetGroupsResponse DescribeDBProxyTargetGroupsResult
        operation DescribeDBProxyTargets DescribeDBProxyTargetsRequest DescribeDBProxyTargetsResponse
         DescribeDBProxyTargetsResult
        operation DescribeDBRecommendations DescribeDBRecommendationsMessage DBRecommendationsMessage
         DescribeDBRecommendationsResult
        operation DescribeDBSecurityGroups DescribeDBSecurityGroupsMessage DBSecurityGroupMessage
         DescribeDBSecurityGroupsResult
        operation DescribeDBShardGroups DescribeDBShardGroupsMessage DescribeDBShardGroupsResponse
         DescribeDBShardGroupsResult
        operation DescribeDBSnapshotAttributes DescribeDBSnapshotAttributesMessage
         DescribeDBSnapshotAttributesResult DescribeDBSnapshotAttributesResult
        operation DescribeDBSnapshotTenantDatabases DescribeDBSnapshotTenantDatabasesMessage
         DBSnapshotTenantDatabasesMessage DescribeDBSnapshotTenantDatabasesResult
        operation DescribeDBSnapshots DescribeDBSnapshotsMessage DBSnapshotMessage DescribeDBSnapshotsResult
        operation DescribeDBSubnetGroups DescribeDBSubnetGroupsMessage DBSubnetGroupMessage
         DescribeDBSubnetGroupsResult
        operation DescribeEngineDefaultClusterParameters DescribeEngineDefaultClusterParametersMessage
         DescribeEngineDefaultClusterParametersResult DescribeEngineDefaultClusterParametersResult
        operation DescribeEngineDefaultParameters DescribeEngineDefaultParametersMessage
         DescribeEngineDefaultParametersResult DescribeEngineDefaultParametersResult
        operation DescribeEventCategories DescribeEventCategoriesMessage EventCategoriesMessage
         DescribeEventCategoriesResult
        operation DescribeEventSubscriptions DescribeEventSubscriptionsMessage EventSubscriptionsMessage
         DescribeEventSubscriptionsResult
        operation DescribeEvents DescribeEventsMessage EventsMessage DescribeEventsResult
        operation DescribeExportTasks DescribeExportTasksMessage ExportTasksMessage
         DescribeExportTasksResult
        operation DescribeGlobalClusters DescribeGlobalClustersMessage GlobalClustersMessage
         DescribeGlobalClustersResult
        operation DescribeIntegrations DescribeIntegrationsMessage DescribeIntegrationsResponse
         DescribeIntegrationsResult
        operation DescribeOptionGroupOptions DescribeOptionGroupOptionsMessage OptionGroupOptionsMessage
         DescribeOptionGroupOptionsResult
        operation DescribeOptionGroups DescribeOptionGroupsMessage OptionGroups DescribeOptionGroupsResult
        operation DescribeOrderableDBInstanceOptions DescribeOrderableDBInstanceOptionsMessage
         OrderableDBInstanceOptionsMessage DescribeOrderableDBInstanceOptionsResult
        operation DescribePendingMaintenanceActions DescribePendingMaintenanceActionsMessage
         PendingMaintenanceActionsMessage DescribePendingMaintenanceActionsResult
        operation DescribeReservedDBInstances DescribeReservedDBInstancesMessage ReservedDBInstanceMessage
         DescribeReservedDBInstancesResult
        operation DescribeReservedDBInstancesOfferings DescribeReservedDBInstancesOfferingsMessage
         ReservedDBInstancesOfferingMessage DescribeReservedDBInstancesOfferingsResult
        operation DescribeServerlessV2PlatformVersions DescribeServerlessV2PlatformVersionsMessage
         ServerlessV2PlatformVersionsMessage DescribeServerlessV2PlatformVersionsResult
        operation DescribeSourceRegions DescribeSourceRegionsMessage SourceRegionMessage
         DescribeSourceRegionsResult
        operation DescribeTenantDatabases DescribeTenantDatabasesMessage TenantDatabasesMessage
         DescribeTenantDatabasesResult
        operation DescribeValidDBInstanceModifications DescribeValidDBInstanceModificationsMessage
         DescribeValidDBInstanceModificationsResult DescribeValidDBInstanceModificationsResult
        operation DisableHttpEndpoint DisableHttpEndpointRequest DisableHttpEndpointResponse
         DisableHttpEndpointResult
        operation DownloadDBLogFilePortion DownloadDBLogFilePortionMessage DownloadDBLogFilePortionDetails
         DownloadDBLogFilePortionResult
        operation EnableHttpEndpoint EnableHttpEndpointRequest EnableHttpEndpointResponse
         EnableHttpEndpointResult
        operation FailoverDBCluster FailoverDBClusterMessage FailoverDBClusterResult FailoverDBClusterResult
        operation FailoverGlobalCluster FailoverGlobalClusterMessage FailoverGlobalClusterResult
         FailoverGlobalClusterResult
        operation ListTagsForResource ListTagsForResourceMessage TagListMessage ListTagsForResourceResult
        operation ModifyActivityStream ModifyActivityStreamRequest ModifyActivityStreamResponse
         ModifyActivityStreamResult
        operation ModifyCertificates ModifyCertificatesMessage ModifyCertificatesResult
         ModifyCertificatesResult
        operation ModifyCurrentDBClusterCapacity ModifyCurrentDBClusterCapacityMessage DBClusterCapacityInfo
         ModifyCurrentDBClusterCapacityResult
        operation ModifyCustomDBEngineVersion ModifyCustomDBEngineVersionMessage DBEngineVersion
         ModifyCustomDBEngineVersionResult
        operation ModifyDBCluster ModifyDBClusterMessage ModifyDBClusterResult ModifyDBClusterResult
        operation ModifyDBClusterEndpoint ModifyDBClusterEndpointMessage DBClusterEndpoint
         ModifyDBClusterEndpointResult
        operation ModifyDBClusterParameterGroup ModifyDBClusterParameterGroupMessage
         DBClusterParameterGroupNameMessage ModifyDBClusterParameterGroupResult
        operation ModifyDBClusterSnapshotAttribute ModifyDBClusterSnapshotAttributeMessage
         ModifyDBClusterSnapshotAttributeResult ModifyDBClusterSnapshotAttributeResult
        operation ModifyDBInstance ModifyDBInstanceMessage ModifyDBInstanceResult ModifyDBInstanceResult
        operation ModifyDBParameterGroup ModifyDBParameterGroupMessage DBParameterGroupNameMessage
         ModifyDBParameterGroupResult
        operation ModifyDBProxy ModifyDBProxyRequest ModifyDBProxyResponse ModifyDBProxyResult
        operation ModifyDBProxyEndpoint ModifyDBProxyEndpointRequest ModifyDBProxyEndpointResponse
         ModifyDBProxyEndpointResult
        operation ModifyDBProxyTargetGroup ModifyDBProxyTargetGroupRequest ModifyDBProxyTargetGroupResponse
         ModifyDBProxyTargetGroupResult
        operation ModifyDBRecommendation ModifyDBRecommendationMessage DBRecommendationMessage
         ModifyDBRecommendationResult
        operation ModifyDBShardGroup ModifyDBShardGroupMessage DBShardGroup ModifyDBShardGroupResult
        operation ModifyDBSnapshot ModifyDBSnapshotMessage ModifyDBSnapshotResult ModifyDBSnapshotResult
        operation ModifyDBSnapshotAttribute ModifyDBSnapshotAttributeMessage ModifyDBSnapshotAttributeResult
         ModifyDBSnapshotAttributeResult
        operation ModifyDBSubnetGroup ModifyDBSubnetGroupMessage ModifyDBSubnetGroupResult
         ModifyDBSubnetGroupResult
        operation ModifyEventSubscription ModifyEventSubscriptionMessage ModifyEventSubscriptionResult
         ModifyEventSubscriptionResult
        operation ModifyGlobalCluster ModifyGlobalClusterMessage ModifyGlobalClusterResult
         ModifyGlobalClusterResult
        operation ModifyIntegration ModifyIntegrationMessage Integration ModifyIntegrationResult
        operation ModifyOptionGroup ModifyOptionGroupMessage ModifyOptionGroupResult ModifyOptionGroupResult
        operation ModifyTenantDatabase ModifyTenantDatabaseMessage ModifyTenantDatabaseResult
         ModifyTenantDatabaseResult
        operation PromoteReadReplica PromoteReadReplicaMessage PromoteReadReplicaResult
         PromoteReadReplicaResult
        operation PromoteReadReplicaDBCluster PromoteReadReplicaDBClusterMessage
         PromoteReadReplicaDBClusterResult PromoteReadReplicaDBClusterResult
        operation PurchaseReservedDBInstancesOffering PurchaseReservedDBInstancesOfferingMessage
         PurchaseReservedDBInstancesOfferingResult PurchaseReservedDBInstancesOfferingResult
        operation RebootDBCluster RebootDBClusterMessage RebootDBClusterResult RebootDBClusterResult
        operation RebootDBInstance RebootDBInstanceMessage RebootDBInstanceResult RebootDBInstanceResult
        operation RebootDBShardGroup RebootDBShardGroupMessage DBShardGroup RebootDBShardGroupResult
        operation RegisterDBProxyTargets RegisterDBProxyTargetsRequest RegisterDBProxyTargetsResponse
         RegisterDBProxyTargetsResult
        operation RemoveFromGlobalCluster RemoveFromGlobalClusterMessage RemoveFromGlobalClusterResult
         RemoveFromGlobalClusterResult
        operation RemoveRoleFromDBCluster RemoveRoleFromDBClusterMessage - -
        operation RemoveRoleFromDBInstance RemoveRoleFromDBInstanceMessage - -
        operation RemoveSourceIdentifierFromSubscription RemoveSourceIdentifierFromSubscriptionMessage
         RemoveSourceIdentifierFromSubscriptionResult RemoveSourceIdentifierFromSubscriptionResult
        operation RemoveTagsFromResource RemoveTagsFromResourceMessage - -
        operation ResetDBClusterParameterGroup ResetDBClusterParameterGroupMessage
         DBClusterParameterGroupNameMessage ResetDBClusterParameterGroupResult
        operation ResetDBParameterGroup ResetDBParameterGroupMessage DBParameterGroupNameMessage
         ResetDBParameterGroupResult
        operation RestoreDBClusterFromS3 RestoreDBClusterFromS3Message RestoreDBClusterFromS3Result
         RestoreDBClusterFromS3Result
        operation RestoreDBClusterFromSnapshot RestoreDBClusterFromSnapshotMessage
         RestoreDBClusterFromSnapshotResult RestoreDBClusterFromSnapshotResult
        operation RestoreDBClusterToPointInTime RestoreDBClusterToPointInTimeMessage
         RestoreDBClusterToPointInTimeResult RestoreDBClusterToPointInTimeResult
        operation RestoreDBInstanceFromDBSnapshot RestoreDBInstanceFromDBSnapshotMessage
         RestoreDBInstanceFromDBSnapshotResult RestoreDBInstanceFromDBSnapshotResult
        operation RestoreDBInstanceFromS3 RestoreDBInstanceFromS3Message RestoreDBInstanceFromS3Result
         RestoreDBInstanceFromS3Result
        operation RestoreDBInstanceToPointInTime RestoreDBInstanceToPointInTimeMessage
         RestoreDBInstanceToPointInTimeResult RestoreDBInstanceToPointInTimeResult
        operation RevokeDBSecurityGroupIngress RevokeDBSecurityGroupIngressMessage
         RevokeDBSecurityGroupIngressResult RevokeDBSecurityGroupIngressResult
        operation StartActivityStream StartActivityStreamRequest StartActivityStreamResponse
         StartActivityStreamResult
        operation StartDBCluster StartDBClusterMessage StartDBClusterResult StartDBClusterResult
        operation StartDBInstance StartDBInstanceMessage StartDBInstanceResult StartDBInstanceResult
        operation StartDBInstanceAutomatedBackupsReplication
         StartDBInstanceAutomatedBackupsReplicationMessage StartDBInstanceAutomatedBackupsReplicationResult
         StartDBInstanceAutomatedBackupsReplicationResult
        operation StartExportTask StartExportTaskMessage ExportTask StartExportTaskResult
        operation StopActivityStream StopActivityStreamRequest StopActivityStreamResponse
         StopActivityStreamResult
        operation StopDBCluster StopDBClusterMessage StopDBClusterResult StopDBClusterResult
        operation StopDBInstance StopDBInstanceMessage StopDBInstanceResult StopDBInstanceResult
        operation StopDBInstanceAutomatedBackupsReplication StopDBInstanceAutomatedBackupsReplicationMessage
         StopDBInstanceAutomatedBackupsReplicationResult StopDBInstanceAutomatedBackupsReplicationResult
        operation SwitchoverBlueGreenDeployment SwitchoverBlueGreenDeploymentRequest
         SwitchoverBlueGreenDeploymentResponse SwitchoverBlueGreenDeploymentResult
        operation SwitchoverGlobalCluster SwitchoverGlobalClusterMessage SwitchoverGlobalClusterResult
         SwitchoverGlobalClusterResult
        operation SwitchoverReadReplica SwitchoverReadReplicaMessage SwitchoverReadReplicaResult
         SwitchoverReadReplicaResult
        structure AddRoleToDBClusterMessage DBClusterIdentifier:s! RoleArn:s! FeatureName:s
        structure AddRoleToDBInstanceMessage DBInstanceIdentifier:s! RoleArn:s! FeatureName:s!
        structure AddSourceIdentifierToSubscriptionMessage SubscriptionName:s! SourceIdentifier:s!
        structure AddSourceIdentifierToSubscriptionResult EventSubscription:EventSubscription
        structure AddTagsToResourceMessage ResourceName:s! Tags:TagList!
        structure ApplyPendingMaintenanceActionMessage ResourceIdentifier:s! ApplyAction:s! OptInType:s!
        structure ApplyPendingMaintenanceActionResult
         ResourcePendingMaintenanceActions:ResourcePendingMaintenanceActions
        structure AuthorizeDBSecurityGroupIngressMessage DBSecurityGroupName:s! CIDRIP:s
         EC2SecurityGroupName:s EC2SecurityGroupId:s EC2SecurityGroupOwnerId:s
        structure AuthorizeDBSecurityGroupIngressResult DBSecurityGroup:DBSecurityGroup
        structure BacktrackDBClusterMessage DBClusterIdentifier:s! BacktrackTo:t! Force:b
         UseEarliestTimeOnPointInTimeUnavailable:b
        structure DBClusterBacktrack DBClusterIdentifier:s BacktrackIdentifier:s BacktrackTo:t
         BacktrackedFrom:t BacktrackRequestCreationTime:t Status:s
        structure CancelExportTaskMessage ExportTaskIdentifier:s!
        structure ExportTask ExportTaskIdentifier:s SourceArn:s ExportOnly:StringList SnapshotTime:t
         TaskStartTime:t TaskEndTime:t S3Bucket:s S3Prefix:s IamRoleArn:s KmsKeyId:s Status:s
         PercentProgress:i TotalExtractedDataInGB:i FailureCause:s WarningMessage:s SourceType:s
        structure CopyDBClusterParameterGroupMessage SourceDBClusterParameterGroupIdentifier:s!
         TargetDBClusterParameterGroupIdentifier:s! TargetDBClusterParameterGroupDescription:s! Tags:TagList
        structure CopyDBClusterParameterGroupResult DBClusterParameterGroup:DBClusterParameterGroup
        structure CopyDBClusterSnapshotMessage SourceDBClusterSnapshotIdentifier:s!
         TargetDBClusterSnapshotIdentifier:s! KmsKeyId:s PreSignedUrl:s CopyTags:b Tags:TagList
         SourceRegion:s
        structure CopyDBClusterSnapshotResult DBClusterSnapshot:DBClusterSnapshot
        structure CopyDBParameterGroupMessage SourceDBParameterGroupIdentifier:s!
         TargetDBParameterGroupIdentifier:s! TargetDBParameterGroupDescription:s! Tags:TagList
        structure CopyDBParameterGroupResult DBParameterGroup:DBParameterGroup
        structure CopyDBSnapshotMessage SourceDBSnapshotIdentifier:s! TargetDBSnapshotIdentifier:s!
         KmsKeyId:s Tags:TagList CopyTags:b PreSignedUrl:s OptionGroupName:s TargetCustomAvailabilityZone:s
         SnapshotTarget:s CopyOptionGroup:b SnapshotAvailabilityZone:s SourceRegion:s
        structure CopyDBSnapshotResult DBSnapshot:DBSnapshot
        structure CopyOptionGroupMessage SourceOptionGroupIdentifier:s! TargetOptionGroupIdentifier:s!
         TargetOptionGroupDescription:s! Tags:TagList
        structure CopyOptionGroupResult OptionGroup:OptionGroup
        structure CreateBlueGreenDeploymentRequest BlueGreenDeploymentName:s! Source:s!
         TargetEngineVersion:s TargetDBParameterGroupName:s TargetDBClusterParameterGroupName:s Tags:TagList
         TargetDBInstanceClass:s UpgradeTargetStorageConfig:b TargetIops:i TargetStorageType:s
         TargetAllocatedStorage:i TargetStorageThroughput:i
        structure CreateBlueGreenDeploymentResponse BlueGreenDeployment:BlueGreenDeployment
        structure CreateCustomDBEngineVersionMessage Engine:s! EngineVersion:s!
         DatabaseInstallationFilesS3BucketName:s DatabaseInstallationFilesS3Prefix:s
         DatabaseInstallationFiles:StringList ImageId:s KMSKeyId:s SourceCustomDbEngineVersionIdentifier:s
         UseAwsProvidedLatestImage:b Description:s Manifest:s Tags:TagList
        structure DBEngineVersion Engine:s MajorEngineVersion:s EngineVersion:s
         DatabaseInstallationFilesS3BucketName:s DatabaseInstallationFilesS3Prefix:s
         DatabaseInstallationFiles:StringList CustomDBEngineVersionManifest:s DBParameterGroupFamily:s
         DBEngineDescription:s DBEngineVersionArn:s DBEngineVersionDescription:s
         DefaultCharacterSet:CharacterSet FailureReason:s Image:CustomDBEngineVersionAMI DBEngineMediaType:s
         KMSKeyId:s CreateTime:t SupportedCharacterSets:SupportedCharacterSetsList
         SupportedNcharCharacterSets:SupportedCharacterSetsList ValidUpgradeTarget:ValidUpgradeTargetList
         SupportedTimezones:SupportedTimezonesList ExportableLogTypes:LogTypeList
         SupportsLogExportsToCloudwatchLogs:b SupportsReadReplica:b SupportedEngineModes:EngineModeList
         SupportedFeatureNames:FeatureNameList Status:s SupportsParallelQuery:b SupportsGlobalDatabases:b
         TagList:TagList SupportsBabelfish:b SupportsLimitlessDatabase:b
         SupportsCertificateRotationWithoutRestart:b
         SupportedCACertificateIdentifiers:CACertificateIdentifiersList SupportsLocalWriteForwarding:b
         SupportsIntegrations:b ServerlessV2FeaturesSupport:ServerlessV2FeaturesSupport
        structure CreateDBClusterMessage AvailabilityZones:AvailabilityZones BackupRetentionPeriod:i
         CharacterSetName:s DatabaseName:s DBClusterIdentifier:s! DBClusterParameterGroupName:s
         VpcSecurityGroupIds:VpcSecurityGroupIdList DBSubnetGroupName:s Engine:s! EngineVersion:s Port:i
         MasterUsername:s MasterUserPassword:s OptionGroupName:s PreferredBackupWindow:s
         PreferredMaintenanceWindow:s ReplicationSourceIdentifier:s Tags:TagList StorageEncrypted:b
         KmsKeyId:s PreSignedUrl:s EnableIAMDatabaseAuthentication:b BacktrackWindow:l
         EnableCloudwatchLogsExports:LogTypeList EngineMode:s ScalingConfiguration:ScalingConfiguration
         RdsCustomClusterConfiguration:RdsCustomClusterConfiguration DBClusterInstanceClass:s
         AllocatedStorage:i StorageType:s Iops:i PubliclyAccessible:b AutoMinorVersionUpgrade:b
         DeletionProtection:b GlobalClusterIdentifier:s EnableHttpEndpoint:b CopyTagsToSnapshot:b Domain:s
         DomainIAMRoleName:s EnableGlobalWriteForwarding:b NetworkType:s
         ServerlessV2ScalingConfiguration:ServerlessV2ScalingConfiguration MonitoringInterval:i
         MonitoringRoleArn:s DatabaseInsightsMode:s EnablePerformanceInsights:b
         PerformanceInsightsKMSKeyId:s PerformanceInsightsRetentionPeriod:i EnableLimitlessDatabase:b
         ClusterScalabilityType:s DBSystemId:s ManageMasterUserPassword:b EnableLocalWriteForwarding:b
         MasterUserSecretKmsKeyId:s CACertificateIdentifier:s EngineLifecycleSupport:s
         TagSpecifications:TagSpecificationList MasterUserAuthenticationType:s WithExpressConfiguration:b
         SourceRegion:s
        structure CreateDBClusterResult DBCluster:DBCluster
        structure CreateDBClusterEndpointMessage DBClusterIdentifier:s! DBClusterEndpointIdentifier:s!
         EndpointType:s! StaticMembers:StringList ExcludedMembers:StringList Tags:TagList
        structure DBClusterEndpoint DBClusterEndpointIdentifier:s DBClusterIdentifier:s
         DBClusterEndpointResourceIdentifier:s Endpoint:s Status:s EndpointType:s CustomEndpointType:s
         StaticMembers:StringList ExcludedMembers:StringList DBClusterEndpointArn:s
        structure CreateDBClusterParameterGroupMessage DBClusterParameterGroupName:s!
         DBParameterGroupFamily:s! Description:s! Tags:TagList
        structure CreateDBClusterParameterGroupResult DBClusterParameterGroup:DBClusterParameterGroup
        structure CreateDBClusterSnapshotMessage DBClusterSnapshotIdentifier:s! DBClusterIdentifier:s!
         Tags:TagList
        structure CreateDBClusterSnapshotResult DBClusterSnapshot:DBClusterSnapshot
        structure CreateDBInstanceMessage DBName:s DBInstanceIdentifier:s! AllocatedStorage:i
         DBInstanceClass:s! Engine:s! MasterUsername:s MasterUserPassword:s
         DBSecurityGroups:DBSecurityGroupNameList VpcSecurityGroupIds:VpcSecurityGroupIdList
         AvailabilityZone:s DBSubnetGroupName:s PreferredMaintenanceWindow:s DBParameterGroupName:s
         BackupRetentionPeriod:i PreferredBackupWindow:s Port:i MultiAZ:b EngineVersion:s
         AutoMinorVersionUpgrade:b LicenseModel:s Iops:i StorageThroughput:i OptionGroupName:s
         CharacterSetName:s NcharCharacterSetName:s PubliclyAccessible:b Tags:TagList DBClusterIdentifier:s
         StorageType:s TdeCredentialArn:s TdeCredentialPassword:s StorageEncrypted:b KmsKeyId:s Domain:s
         DomainFqdn:s DomainOu:s DomainAuthSecretArn:s DomainDnsIps:StringList CopyTagsToSnapshot:b
         MonitoringInterval:i MonitoringRoleArn:s DomainIAMRoleName:s PromotionTier:i Timezone:s
         EnableIAMDatabaseAuthentication:b DatabaseInsightsMode:s EnablePerformanceInsights:b
         PerformanceInsightsKMSKeyId:s PerformanceInsightsRetentionPeriod:i
         EnableCloudwatchLogsExports:LogTypeList ProcessorFeatures:ProcessorFeatureList DeletionProtection:b
         MaxAllocatedStorage:i EnableCustomerOwnedIp:b NetworkType:s BackupTarget:s
         CustomIamInstanceProfile:s DBSystemId:s CACertificateIdentifier:s ManageMasterUserPassword:b
         MasterUserSecretKmsKeyId:s MultiTenant:b DedicatedLogVolume:b EngineLifecycleSupport:s
         AdditionalStorageVolumes:AdditionalStorageVolumesList TagSpecifications:TagSpecificationList
         MasterUserAuthenticationType:s
        structure CreateDBInstanceResult DBInstance:DBInstance
        structure CreateDBInstanceReadReplicaMessage DBInstanceIdentifier:s! SourceDBInstanceIdentifier:s
         DBInstanceClass:s AvailabilityZone:s Port:i MultiAZ:b AutoMinorVersionUpgrade:b Iops:i
         StorageThroughput:i OptionGroupName:s DBParameterGroupName:s PubliclyAccessible:b Tags:TagList
         DBSubnetGroupName:s VpcSecurityGroupIds:VpcSecurityGroupIdList StorageType:s CopyTagsToSnapshot:b
         MonitoringInterval:i MonitoringRoleArn:s KmsKeyId:s PreSignedUrl:s
         EnableIAMDatabaseAuthentication:b DatabaseInsightsMode:s EnablePerformanceInsights:b
         PerformanceInsightsKMSKeyId:s PerformanceInsightsRetentionPeriod:i
         EnableCloudwatchLogsExports:LogTypeList ProcessorFeatures:ProcessorFeatureList
         UseDefaultProcessorFeatures:b DeletionProtection:b Domain:s DomainIAMRoleName:s DomainFqdn:s
         DomainOu:s DomainAuthSecretArn:s DomainDnsIps:StringList ReplicaMode:s EnableCustomerOwnedIp:b
         NetworkType:s MaxAllocatedStorage:i BackupTarget:s CustomIamInstanceProfile:s AllocatedStorage:i
         SourceDBClusterIdentifier:s DedicatedLogVolume:b UpgradeStorageConfig:b CACertificateIdentifier:s
         AdditionalStorageVolumes:AdditionalStorageVolumesList TagSpecifications:TagSpecificationList
         SourceRegion:s
        structure CreateDBInstanceReadReplicaResult DBInstance:DBInstance
        structure CreateDBParameterGroupMessage DBParameterGroupName:s! DBParameterGroupFamily:s!
         Description:s! Tags:TagList
        structure CreateDBParameterGroupResult DBParameterGroup:DBParameterGroup
        structure CreateDBProxyRequest DBProxyName:s! EngineFamily:s! DefaultAuthScheme:s
         Auth:UserAuthConfigList RoleArn:s! VpcSubnetIds:StringList! VpcSecurityGroupIds:StringList
         RequireTLS:b IdleClientTimeout:i DebugLogging:b Tags:TagList EndpointNetworkType:s
         TargetConnectionNetworkType:s
        structure CreateDBProxyResponse DBProxy:DBProxy
        structure CreateDBProxyEndpointRequest DBProxyName:s! DBProxyEndpointName:s!
         VpcSubnetIds:StringList! VpcSecurityGroupIds:StringList TargetRole:s Tags:TagList
         EndpointNetworkType:s
        structure CreateDBProxyEndpointResponse DBProxyEndpoint:DBProxyEndpoint
        structure CreateDBSecurityGroupMessage DBSecurityGroupName:s! DBSecurityGroupDescription:s!
         Tags:TagList
        structure CreateDBSecurityGroupResult DBSecurityGroup:DBSecurityGroup
        structure CreateDBShardGroupMessage DBShardGroupIdentifier:s! DBClusterIdentifier:s!
         ComputeRedundancy:i MaxACU:d! MinACU:d PubliclyAccessible:b Tags:TagList
        structure DBShardGroup DBShardGroupResourceId:s DBShardGroupIdentifier:s DBClusterIdentifier:s
         MaxACU:d MinACU:d ComputeRedundancy:i Status:s PubliclyAccessible:b Endpoint:s DBShardGroupArn:s
         TagList:TagList
        structure CreateDBSnapshotMessage DBSnapshotIdentifier:s! DBInstanceIdentifier:s! Tags:TagList
        structure CreateDBSnapshotResult DBSnapshot:DBSnapshot
        structure CreateDBSubnetGroupMessage DBSubnetGroupName:s! DBSubnetGroupDescription:s!
         SubnetIds:SubnetIdentifierList! Tags:TagList
        structure CreateDBSubnetGroupResult DBSubnetGroup:DBSubnetGroup
        structure CreateEventSubscriptionMessage SubscriptionName:s! SnsTopicArn:s! SourceType:s
         EventCategories:EventCategoriesList SourceIds:SourceIdsList Enabled:b Tags:TagList
        structure CreateEventSubscriptionResult EventSubscription:EventSubscription
        structure CreateGlobalClusterMessage GlobalClusterIdentifier:s! SourceDBClusterIdentifier:s Engine:s
         EngineVersion:s EngineLifecycleSupport:s DeletionProtection:b DatabaseName:s StorageEncrypted:b
         Tags:TagList
        structure CreateGlobalClusterResult GlobalCluster:GlobalCluster
        structure CreateIntegrationMessage SourceArn:s! TargetArn:s! IntegrationName:s! KMSKeyId:s
         AdditionalEncryptionContext:EncryptionContextMap Tags:TagList DataFilter:s Description:s
        structure Integration SourceArn:s TargetArn:s IntegrationName:s IntegrationArn:s KMSKeyId:s
         AdditionalEncryptionContext:EncryptionContextMap Status:s Tags:TagList DataFilter:s Description:s
         CreateTime:t Errors:IntegrationErrorList
        structure CreateOptionGroupMessage OptionGroupName:s! EngineName:s! MajorEngineVersion:s!
         OptionGroupDescription:s! Tags:TagList
        structure CreateOptionGroupResult OptionGroup:OptionGroup
        structure CreateTenantDatabaseMessage DBInstanceIdentifier:s! TenantDBName:s! MasterUsername:s!
         MasterUserPassword:s CharacterSetName:s NcharCharacterSetName:s ManageMasterUserPassword:b
         MasterUserSecretKmsKeyId:s Tags:TagList
        structure CreateTenantDatabaseResult TenantDatabase:TenantDatabase
        structure DeleteBlueGreenDeploymentRequest BlueGreenDeploymentIdentifier:s! DeleteTarget:b
        structure DeleteBlueGreenDeploymentResponse BlueGreenDeployment:BlueGreenDeployment
        structure DeleteCustomDBEngineVersionMessage Engine:s! EngineVersion:s!
        structure DeleteDBClusterMessage DBClusterIdentifier:s! SkipFinalSnapshot:b
         FinalDBSnapshotIdentifier:s DeleteAutomatedBackups:b
        structure DeleteDBClusterResult DBCluster:DBCluster
        structure DeleteDBClusterAutomatedBackupMessage DbClusterResourceId:s!
        structure DeleteDBClusterAutomatedBackupResult DBClusterAutomatedBackup:DBClusterAutomatedBackup
        structure DeleteDBClusterEndpointMessage DBClusterEndpointIdentifier:s!
        structure DeleteDBClusterParameterGroupMessage DBClusterParameterGroupName:s!
        structure DeleteDBClusterSnapshotMessage DBClusterSnapshotIdentifier:s!
        structure DeleteDBClusterSnapshotResult DBClusterSnapshot:DBClusterSnapshot
        structure DeleteDBInstanceMessage DBInstanceIdentifier:s! SkipFinalSnapshot:b
         FinalDBSnapshotIdentifier:s DeleteAutomatedBackups:b
        structure DeleteDBInstanceResult DBInstance:DBInstance
        structure DeleteDBInstanceAutomatedBackupMessage DbiResourceId:s DBInstanceAutomatedBackupsArn:s
        structure DeleteDBInstanceAutomatedBackupResult DBInstanceAutomatedBackup:DBInstanceAutomatedBackup
        structure DeleteDBParameterGroupMessage DBParameterGroupName:s!
        structure DeleteDBProxyRequest DBProxyName:s!
        structure DeleteDBProxyResponse DBProxy:DBProxy
        structure DeleteDBProxyEndpointRequest DBProxyEndpointName:s!
        structure DeleteDBProxyEndpointResponse DBProxyEndpoint:DBProxyEndpoint
        structure DeleteDBSecurityGroupMessage DBSecurityGroupName:s!
        structure DeleteDBShardGroupMessage DBShardGroupIdentifier:s!
        structure DeleteDBSnapshotMessage DBSnapshotIdentifier:s!
        structure DeleteDBSnapshotResult DBSnapshot:DBSnapshot
        structure DeleteDBSubnetGroupMessage DBSubnetGroupName:s!
        structure DeleteEventSubscriptionMessage SubscriptionName:s!
        structure DeleteEventSubscriptionResult EventSubscription:EventSubscription
        structure DeleteGlobalClusterMessage GlobalClusterIdentifier:s!
        structure DeleteGlobalClusterResult GlobalCluster:GlobalCluster
        structure DeleteIntegrationMessage IntegrationIdentifier:s!
        structure DeleteOptionGroupMessage OptionGroupName:s!
        structure DeleteTenantDatabaseMessage DBInstanceIdentifier:s! TenantDBName:s! SkipFinalSnapshot:b
         FinalDBSnapshotIdentifier:s
        structure DeleteTenantDatabaseResult TenantDatabase:TenantDatabase
        structure DeregisterDBProxyTargetsRequest DBProxyName:s! TargetGroupName:s
         DBInstanceIdentifiers:StringList DBClusterIdentifiers:StringList
        structure DeregisterDBProxyTargetsResponse
        structure DescribeAccountAttributesMessage
        structure AccountAttributesMessage AccountQuotas:AccountQuotaList
        structure DescribeBlueGreenDeploymentsRequest BlueGreenDeploymentIdentifier:s Filters:FilterList
         Marker:s MaxRecords:i
        structure DescribeBlueGreenDeploymentsResponse BlueGreenDeployments:BlueGreenDeploymentList Marker:s
        structure DescribeCertificatesMessage CertificateIdentifier:s Filters:FilterList MaxRecords:i
         Marker:s
        structure CertificateMessage DefaultCertificateForNewLaunches:s Certificates:CertificateList
         Marker:s
        structure DescribeDBClusterAutomatedBackupsMessage DbClusterResourceId:s DBClusterIdentifier:s
         Filters:FilterList MaxRecords:i Marker:s
        structure DBClusterAutomatedBackupMessage Marker:s
         DBClusterAutomatedBackups:DBClusterAutomatedBackupList
        structure DescribeDBClusterBacktracksMessage DBClusterIdentifier:s! BacktrackIdentifier:s
         Filters:FilterList MaxRecords:i Marker:s
        structure DBClusterBacktrackMessage Marker:s DBClusterBacktracks:DBClusterBacktrackList
        structure DescribeDBClusterEndpointsMessage DBClusterIdentifier:s DBClusterEndpointIdentifier:s
         Filters:FilterList MaxRecords:i Marker:s
        structure DBClusterEndpointMessage Marker:s DBClusterEndpoints:DBClusterEndpointList
        structure DescribeDBClusterParameterGroupsMessage DBClusterParameterGroupName:s Filters:FilterList
         MaxRecords:i Marker:s
        structure DBClusterParameterGroupsMessage Marker:s
         DBClusterParameterGroups:DBClusterParameterGroupList
        structure DescribeDBClusterParametersMessage DBClusterParameterGroupName:s! Source:s
         Filters:FilterList MaxRecords:i Marker:s
        structure DBClusterParameterGroupDetails Parameters:ParametersList Marker:s
        structure DescribeDBClusterSnapshotAttributesMessage DBClusterSnapshotIdentifier:s!
        structure DescribeDBClusterSnapshotAttributesResult
         DBClusterSnapshotAttributesResult:DBClusterSnapshotAttributesResult
        structure DescribeDBClusterSnapshotsMessage DBClusterIdentifier:s DBClusterSnapshotIdentifier:s
         SnapshotType:s Filters:FilterList MaxRecords:i Marker:s IncludeShared:b IncludePublic:b
         DbClusterResourceId:s
        structure DBClusterSnapshotMessage Marker:s DBClusterSnapshots:DBClusterSnapshotList
        structure DescribeDBClustersMessage DBClusterIdentifier:s Filters:FilterList MaxRecords:i Marker:s
         IncludeShared:b
        structure DBClusterMessage Marker:s DBClusters:DBClusterList
        structure DescribeDBEngineVersionsMessage Engine:s EngineVersion:s DBParameterGroupFamily:s
         Filters:FilterList MaxRecords:i Marker:s DefaultOnly:b ListSupportedCharacterSets:b
         ListSupportedTimezones:b IncludeAll:b
        structure DBEngineVersionMessage Marker:s DBEngineVersions:DBEngineVersionList
        structure DescribeDBInstanceAutomatedBackupsMessage DbiResourceId:s DBInstanceIdentifier:s
         Filters:FilterList MaxRecords:i Marker:s DBInstanceAutomatedBackupsArn:s
        structure DBInstanceAutomatedBackupMessage Marker:s
         DBInstanceAutomatedBackups:DBInstanceAutomatedBackupList
        structure DescribeDBInstancesMessage DBInstanceIdentifier:s Filters:FilterList MaxRecords:i Marker:s
        structure DBInstanceMessage Marker:s DBInstances:DBInstanceList
        structure DescribeDBLogFilesMessage DBInstanceIdentifier:s! FilenameContains:s FileLastWritten:l
         FileSize:l Filters:FilterList MaxRecords:i Marker:s
        structure DescribeDBLogFilesResponse DescribeDBLogFiles:DescribeDBLogFilesList Marker:s
        structure DescribeDBMajorEngineVersionsRequest Engine:s MajorEngineVersion:s Marker:s MaxRecords:i
        structure DescribeDBMajorEngineVersionsResponse DBMajorEngineVersions:DBMajorEngineVersionsList
         Marker:s
        structure DescribeDBParameterGroupsMessage DBParameterGroupName:s Filters:FilterList MaxRecords:i
         Marker:s
        structure DBParameterGroupsMessage Marker:s DBParameterGroups:DBParameterGroupList
        structure DescribeDBParametersMessage DBParameterGroupName:s! Source:s Filters:FilterList
         MaxRecords:i Marker:s
        structure DBParameterGroupDetails Parameters:ParametersList Marker:s
        structure DescribeDBProxiesRequest DBProxyName:s Filters:FilterList Marker:s MaxRecords:i
        structure DescribeDBProxiesResponse DBProxies:DBProxyList Marker:s
        structure DescribeDBProxyEndpointsRequest DBProxyName:s DBProxyEndpointName:s Filters:FilterList
         Marker:s MaxRecords:i
        structure DescribeDBProxyEndpointsResponse DBProxyEndpoints:DBProxyEndpointList Marker:s
        structure DescribeDBProxyTargetGroupsRequest DBProxyName:s! TargetGroupName:s Filters:FilterList
         Marker:s MaxRecords:i
        structure DescribeDBProxyTargetGroupsResponse TargetGroups:TargetGroupList Marker:s
        structure DescribeDBProxyTargetsRequest DBProxyName:s! TargetGroupName:s Filters:FilterList Marker:s
         MaxRecords:i
        structure DescribeDBProxyTargetsResponse Targets:TargetList Marker:s
        structure DescribeDBRecommendationsMessage LastUpdatedAfter:t LastUpdatedBefore:t Locale:s
         Filters:FilterList MaxRecords:i Marker:s
        structure DBRecommendationsMessage DBRecommendations:DBRecommendationList Marker:s
        structure DescribeDBSecurityGroupsMessage DBSecurityGroupName:s Filters:FilterList MaxRecords:i
         Marker:s
        structure DBSecurityGroupMessage Marker:s DBSecurityGroups:DBSecurityGroups
        structure DescribeDBShardGroupsMessage DBShardGroupIdentifier:s Filters:FilterList Marker:s
         MaxRecords:i
        structure DescribeDBShardGroupsResponse DBShardGroups:DBShardGroupsList Marker:s
        structure DescribeDBSnapshotAttributesMessage DBSnapshotIdentifier:s!
        structure DescribeDBSnapshotAttributesResult DBSnapshotAttributesResult:DBSnapshotAttributesResult
        structure DescribeDBSnapshotTenantDatabasesMessage DBInstanceIdentifier:s DBSnapshotIdentifier:s
         SnapshotType:s Filters:FilterList MaxRecords:i Marker:s DbiResourceId:s
        structure DBSnapshotTenantDatabasesMessage Marker:s
         DBSnapshotTenantDatabases:DBSnapshotTenantDatabasesList
        structure DescribeDBSnapshotsMessage DBInstanceIdentifier:s DBSnapshotIdentifier:s SnapshotType:s
         Filters:FilterList MaxRecords:i Marker:s IncludeShared:b IncludePublic:b DbiResourceId:s
        structure DBSnapshotMessage Marker:s DBSnapshots:DBSnapshotList
        structure DescribeDBSubnetGroupsMessage DBSubnetGroupName:s Filters:FilterList MaxRecords:i Marker:s
        structure DBSubnetGroupMessage Marker:s DBSubnetGroups:DBSubnetGroups
        structure DescribeEngineDefaultClusterParametersMessage DBParameterGroupFamily:s! Filters:FilterList
         MaxRecords:i Marker:s
        structure DescribeEngineDefaultClusterParametersResult EngineDefaults:EngineDefaults
        structure DescribeEngineDefaultParametersMessage DBParameterGroupFamily:s! Filters:FilterList
         MaxRecords:i Marker:s
        structure DescribeEngineDefaultParametersResult EngineDefaults:EngineDefaults
        structure DescribeEventCategoriesMessage SourceType:s Filters:FilterList
        structure EventCategoriesMessage EventCategoriesMapList:EventCategoriesMapList
        structure DescribeEventSubscriptionsMessage SubscriptionName:s Filters:FilterList MaxRecords:i
         Marker:s
        structure EventSubscriptionsMessage Marker:s EventSubscriptionsList:EventSubscriptionsList
        structure DescribeEventsMessage SourceIdentifier:s SourceType:s StartTime:t EndTime:t Duration:i
         EventCategories:EventCategoriesList Filters:FilterList MaxRecords:i Marker:s
        structure EventsMessage Marker:s Events:EventList
        structure DescribeExportTasksMessage ExportTaskIdentifier:s SourceArn:s Filters:FilterList Marker:s
         MaxRecords:i SourceType:s
        structure ExportTasksMessage Marker:s ExportTasks:ExportTasksList
        structure DescribeGlobalClustersMessage GlobalClusterIdentifier:s Filters:FilterList MaxRecords:i
         Marker:s
        structure GlobalClustersMessage Marker:s GlobalClusters:GlobalClusterList
        structure DescribeIntegrationsMessage IntegrationIdentifier:s Filters:FilterList MaxRecords:i
         Marker:s
        structure DescribeIntegrationsResponse Marker:s Integrations:IntegrationList
        structure DescribeOptionGroupOptionsMessage EngineName:s! MajorEngineVersion:s Filters:FilterList
         MaxRecords:i Marker:s
        structure OptionGroupOptionsMessage OptionGroupOptions:OptionGroupOptionsList Marker:s
        structure DescribeOptionGroupsMessage OptionGroupName:s Filters:FilterList Marker:s MaxRecords:i
         EngineName:s MajorEngineVersion:s
        structure OptionGroups OptionGroupsList:OptionGroupsList Marker:s
        structure DescribeOrderableDBInstanceOptionsMessage Engine:s! EngineVersion:s DBInstanceClass:s
         LicenseModel:s AvailabilityZoneGroup:s Vpc:b Filters:FilterList MaxRecords:i Marker:s
        structure OrderableDBInstanceOptionsMessage
         OrderableDBInstanceOptions:OrderableDBInstanceOptionsList Marker:s
        structure DescribePendingMaintenanceActionsMessage ResourceIdentifier:s Filters:FilterList Marker:s
         MaxRecords:i
        structure PendingMaintenanceActionsMessage PendingMaintenanceActions:PendingMaintenanceActions
         Marker:s
        structure DescribeReservedDBInstancesMessage ReservedDBInstanceId:s ReservedDBInstancesOfferingId:s
         DBInstanceClass:s Duration:s ProductDescription:s OfferingType:s MultiAZ:b LeaseId:s
         Filters:FilterList MaxRecords:i Marker:s
        structure ReservedDBInstanceMessage Marker:s ReservedDBInstances:ReservedDBInstanceList
        structure DescribeReservedDBInstancesOfferingsMessage ReservedDBInstancesOfferingId:s
         DBInstanceClass:s Duration:s ProductDescription:s OfferingType:s MultiAZ:b Filters:FilterList
         MaxRecords:i Marker:s
        structure ReservedDBInstancesOfferingMessage Marker:s
         ReservedDBInstancesOfferings:ReservedDBInstancesOfferingList
        structure DescribeServerlessV2PlatformVersionsMessage ServerlessV2PlatformVersion:s Engine:s
         Filters:FilterList DefaultOnly:b IncludeAll:b MaxRecords:i Marker:s
        structure ServerlessV2PlatformVersionsMessage Marker:s
         ServerlessV2PlatformVersions:ServerlessV2PlatformVersionList
        structure DescribeSourceRegionsMessage RegionName:s MaxRecords:i Marker:s Filters:FilterList
        structure SourceRegionMessage Marker:s SourceRegions:SourceRegionList
        structure DescribeTenantDatabasesMessage DBInstanceIdentifier:s TenantDBName:s Filters:FilterList
         Marker:s MaxRecords:i
        structure TenantDatabasesMessage Marker:s TenantDatabases:TenantDatabasesList
        structure DescribeValidDBInstanceModificationsMessage DBInstanceIdentifier:s!
        structure DescribeValidDBInstanceModificationsResult
         ValidDBInstanceModificationsMessage:ValidDBInstanceModificationsMessage
        structure DisableHttpEndpointRequest ResourceArn:s!
        structure DisableHttpEndpointResponse ResourceArn:s HttpEndpointEnabled:b
        structure DownloadDBLogFilePortionMessage DBInstanceIdentifier:s! LogFileName:s! Marker:s
         NumberOfLines:i
        structure DownloadDBLogFilePortionDetails LogFileData:s Marker:s AdditionalDataPending:b
        structure EnableHttpEndpointRequest ResourceArn:s!
        structure EnableHttpEndpointResponse ResourceArn:s HttpEndpointEnabled:b
        structure FailoverDBClusterMessage DBClusterIdentifier:s! TargetDBInstanceIdentifier:s
        structure FailoverDBClusterResult DBCluster:DBCluster
        structure FailoverGlobalClusterMessage GlobalClusterIdentifier:s! TargetDbClusterIdentifier:s!
         AllowDataLoss:b Switchover:b
        structure FailoverGlobalClusterResult GlobalCluster:GlobalCluster
        structure ListTagsForResourceMessage ResourceName:s! Filters:FilterList
        structure TagListMessage TagList:TagList
        structure ModifyActivityStreamRequest ResourceArn:s AuditPolicyState:s
        structure ModifyActivityStreamResponse KmsKeyId:s KinesisStreamName:s Status:s Mode:s
         EngineNativeAuditFieldsIncluded:b PolicyStatus:s
        structure ModifyCertificatesMessage CertificateIdentifier:s RemoveCustomerOverride:b
        structure ModifyCertificatesResult Certificate:Certificate
        structure ModifyCurrentDBClusterCapacityMessage DBClusterIdentifier:s! Capacity:i
         SecondsBeforeTimeout:i TimeoutAction:s
        structure DBClusterCapacityInfo DBClusterIdentifier:s PendingCapacity:i CurrentCapacity:i
         SecondsBeforeTimeout:i TimeoutAction:s
        structure ModifyCustomDBEngineVersionMessage Engine:s! EngineVersion:s! Description:s Status:s
        structure ModifyDBClusterMessage DBClusterIdentifier:s! NewDBClusterIdentifier:s ApplyImmediately:b
         BackupRetentionPeriod:i DBClusterParameterGroupName:s VpcSecurityGroupIds:VpcSecurityGroupIdList
         Port:i MasterUserPassword:s OptionGroupName:s PreferredBackupWindow:s PreferredMaintenanceWindow:s
         EnableIAMDatabaseAuthentication:b BacktrackWindow:l
         CloudwatchLogsExportConfiguration:CloudwatchLogsExportConfiguration EngineVersion:s
         AllowMajorVersionUpgrade:b DBInstanceParameterGroupName:s Domain:s DomainIAMRoleName:s
         ScalingConfiguration:ScalingConfiguration DeletionProtection:b EnableHttpEndpoint:b
         CopyTagsToSnapshot:b EnableGlobalWriteForwarding:b DBClusterInstanceClass:s AllocatedStorage:i
         StorageType:s Iops:i AutoMinorVersionUpgrade:b NetworkType:s
         ServerlessV2ScalingConfiguration:ServerlessV2ScalingConfiguration MonitoringInterval:i
         MonitoringRoleArn:s DatabaseInsightsMode:s EnablePerformanceInsights:b
         PerformanceInsightsKMSKeyId:s PerformanceInsightsRetentionPeriod:i ManageMasterUserPassword:b
         RotateMasterUserPassword:b EnableLocalWriteForwarding:b MasterUserSecretKmsKeyId:s EngineMode:s
         AllowEngineModeChange:b AwsBackupRecoveryPointArn:s EnableLimitlessDatabase:b
         CACertificateIdentifier:s MasterUserAuthenticationType:s
        structure ModifyDBClusterResult DBCluster:DBCluster
        structure ModifyDBClusterEndpointMessage DBClusterEndpointIdentifier:s! EndpointType:s
         StaticMembers:StringList ExcludedMembers:StringList
        structure ModifyDBClusterParameterGroupMessage DBClusterParameterGroupName:s!
         Parameters:ParametersList!
        structure DBClusterParameterGroupNameMessage DBClusterParameterGroupName:s
        structure ModifyDBClusterSnapshotAttributeMessage DBClusterSnapshotIdentifier:s! AttributeName:s!
         ValuesToAdd:AttributeValueList ValuesToRemove:AttributeValueList
        structure ModifyDBClusterSnapshotAttributeResult
         DBClusterSnapshotAttributesResult:DBClusterSnapshotAttributesResult
        structure ModifyDBInstanceMessage DBInstanceIdentifier:s! AllocatedStorage:i DBInstanceClass:s
         DBSubnetGroupName:s DBSecurityGroups:DBSecurityGroupNameList
         VpcSecurityGroupIds:VpcSecurityGroupIdList ApplyImmediately:b MasterUserPassword:s
         DBParameterGroupName:s BackupRetentionPeriod:i PreferredBackupWindow:s PreferredMaintenanceWindow:s
         MultiAZ:b EngineVersion:s AllowMajorVersionUpgrade:b AutoMinorVersionUpgrade:b LicenseModel:s
         Iops:i StorageThroughput:i OptionGroupName:s NewDBInstanceIdentifier:s StorageType:s
         TdeCredentialArn:s TdeCredentialPassword:s CACertificateIdentifier:s Domain:s DomainFqdn:s
         DomainOu:s DomainAuthSecretArn:s DomainDnsIps:StringList DisableDomain:b CopyTagsToSnapshot:b
         MonitoringInterval:i DBPortNumber:i PubliclyAccessible:b MonitoringRoleArn:s DomainIAMRoleName:s
         PromotionTier:i EnableIAMDatabaseAuthentication:b DatabaseInsightsMode:s
         EnablePerformanceInsights:b PerformanceInsightsKMSKeyId:s PerformanceInsightsRetentionPeriod:i
         CloudwatchLogsExportConfiguration:CloudwatchLogsExportConfiguration
         ProcessorFeatures:ProcessorFeatureList UseDefaultProcessorFeatures:b DeletionProtection:b
         MaxAllocatedStorage:i CertificateRotationRestart:b ReplicaMode:s AutomationMode:s
         ResumeFullAutomationModeMinutes:i EnableCustomerOwnedIp:b NetworkType:s AwsBackupRecoveryPointArn:s
         ManageMasterUserPassword:b RotateMasterUserPassword:b MasterUserSecretKmsKeyId:s MultiTenant:b
         DedicatedLogVolume:b Engine:s AdditionalStorageVolumes:ModifyAdditionalStorageVolumesList
         TagSpecifications:TagSpecificationList MasterUserAuthenticationType:s
        structure ModifyDBInstanceResult DBInstance:DBInstance
        structure ModifyDBParameterGroupMessage DBParameterGroupName:s! Parameters:ParametersList!
        structure DBParameterGroupNameMessage DBParameterGroupName:s
        structure ModifyDBProxyRequest DBProxyName:s! NewDBProxyName:s DefaultAuthScheme:s
         Auth:UserAuthConfigList RequireTLS:b IdleClientTimeout:i DebugLogging:b RoleArn:s
         SecurityGroups:StringList
        structure ModifyDBProxyResponse DBProxy:DBProxy
        structure ModifyDBProxyEndpointRequest DBProxyEndpointName:s! NewDBProxyEndpointName:s
         VpcSecurityGroupIds:StringList
        structure ModifyDBProxyEndpointResponse DBProxyEndpoint:DBProxyEndpoint
        structure ModifyDBProxyTargetGroupRequest TargetGroupName:s! DBProxyName:s!
         ConnectionPoolConfig:ConnectionPoolConfiguration NewName:s
        structure ModifyDBProxyTargetGroupResponse DBProxyTargetGroup:DBProxyTargetGroup
        structure ModifyDBRecommendationMessage RecommendationId:s! Locale:s Status:s
         RecommendedActionUpdates:RecommendedActionUpdateList
        structure DBRecommendationMessage DBRecommendation:DBRecommendation
        structure ModifyDBShardGroupMessage DBShardGroupIdentifier:s! MaxACU:d MinACU:d ComputeRedundancy:i
        structure ModifyDBSnapshotMessage DBSnapshotIdentifier:s! EngineVersion:s OptionGroupName:s
        structure ModifyDBSnapshotResult DBSnapshot:DBSnapshot
        structure ModifyDBSnapshotAttributeMessage DBSnapshotIdentifier:s! AttributeName:s!
         ValuesToAdd:AttributeValueList ValuesToRemove:AttributeValueList
        structure ModifyDBSnapshotAttributeResult DBSnapshotAttributesResult:DBSnapshotAttributesResult
        structure ModifyDBSubnetGroupMessage DBSubnetGroupName:s! DBSubnetGroupDescription:s
         SubnetIds:SubnetIdentifierList!
        structure ModifyDBSubnetGroupResult DBSubnetGroup:DBSubnetGroup
        structure ModifyEventSubscriptionMessage SubscriptionName:s! SnsTopicArn:s SourceType:s
         EventCategories:EventCategoriesList Enabled:b
        structure ModifyEventSubscriptionResult EventSubscription:EventSubscription
        structure ModifyGlobalClusterMessage GlobalClusterIdentifier:s! NewGlobalClusterIdentifier:s
         DeletionProtection:b EngineVersion:s AllowMajorVersionUpgrade:b
        structure ModifyGlobalClusterResult GlobalCluster:GlobalCluster
        structure ModifyIntegrationMessage IntegrationIdentifier:s! IntegrationName:s DataFilter:s
         Description:s
        structure ModifyOptionGroupMessage OptionGroupName:s! OptionsToInclude:OptionConfigurationList
         OptionsToRemove:OptionNamesList ApplyImmediately:b
        structure ModifyOptionGroupResult OptionGroup:OptionGroup
        structure ModifyTenantDatabaseMessage DBInstanceIdentifier:s! TenantDBName:s! MasterUserPassword:s
         NewTenantDBName:s ManageMasterUserPassword:b RotateMasterUserPassword:b MasterUserSecretKmsKeyId:s
        structure ModifyTenantDatabaseResult TenantDatabase:TenantDatabase
        structure PromoteReadReplicaMessage DBInstanceIdentifier:s! BackupRetentionPeriod:i
         PreferredBackupWindow:s TagSpecifications:TagSpecificationList
        structure PromoteReadReplicaResult DBInstance:DBInstance
        structure PromoteReadReplicaDBClusterMessage DBClusterIdentifier:s!
        structure PromoteReadReplicaDBClusterResult DBCluster:DBCluster
        structure PurchaseReservedDBInstancesOfferingMessage ReservedDBInstancesOfferingId:s!
         ReservedDBInstanceId:s DBInstanceCount:i Tags:TagList
        structure PurchaseReservedDBInstancesOfferingResult ReservedDBInstance:ReservedDBInstance
        structure RebootDBClusterMessage DBClusterIdentifier:s!
        structure RebootDBClusterResult DBCluster:DBCluster
        structure RebootDBInstanceMessage DBInstanceIdentifier:s! ForceFailover:b
        structure RebootDBInstanceResult DBInstance:DBInstance
        structure RebootDBShardGroupMessage DBShardGroupIdentifier:s!
        structure RegisterDBProxyTargetsRequest DBProxyName:s! TargetGroupName:s
         DBInstanceIdentifiers:StringList DBClusterIdentifiers:StringList
        structure RegisterDBProxyTargetsResponse DBProxyTargets:TargetList
        structure RemoveFromGlobalClusterMessage GlobalClusterIdentifier:s! DbClusterIdentifier:s!
        structure RemoveFromGlobalClusterResult GlobalCluster:GlobalCluster
        structure RemoveRoleFromDBClusterMessage DBClusterIdentifier:s! RoleArn:s! FeatureName:s
        structure RemoveRoleFromDBInstanceMessage DBInstanceIdentifier:s! RoleArn:s! FeatureName:s!
        structure RemoveSourceIdentifierFromSubscriptionMessage SubscriptionName:s! SourceIdentifier:s!
        structure RemoveSourceIdentifierFromSubscriptionResult EventSubscription:EventSubscription
        structure RemoveTagsFromResourceMessage ResourceName:s! TagKeys:KeyList!
        structure ResetDBClusterParameterGroupMessage DBClusterParameterGroupName:s! ResetAllParameters:b
         Parameters:ParametersList
        structure ResetDBParameterGroupMessage DBParameterGroupName:s! ResetAllParameters:b
         Parameters:ParametersList
        structure RestoreDBClusterFromS3Message AvailabilityZones:AvailabilityZones BackupRetentionPeriod:i
         CharacterSetName:s DatabaseName:s DBClusterIdentifier:s! DBClusterParameterGroupName:s
         VpcSecurityGroupIds:VpcSecurityGroupIdList DBSubnetGroupName:s Engine:s! EngineVersion:s Port:i
         MasterUsername:s! MasterUserPassword:s OptionGroupName:s PreferredBackupWindow:s
         PreferredMaintenanceWindow:s Tags:TagList StorageEncrypted:b KmsKeyId:s
         EnableIAMDatabaseAuthentication:b SourceEngine:s! SourceEngineVersion:s! S3BucketName:s! S3Prefix:s
         S3IngestionRoleArn:s! BacktrackWindow:l EnableCloudwatchLogsExports:LogTypeList
         DeletionProtection:b CopyTagsToSnapshot:b Domain:s DomainIAMRoleName:s StorageType:s NetworkType:s
         ServerlessV2ScalingConfiguration:ServerlessV2ScalingConfiguration ManageMasterUserPassword:b
         MasterUserSecretKmsKeyId:s EngineLifecycleSupport:s TagSpecifications:TagSpecificationList
        structure RestoreDBClusterFromS3Result DBCluster:DBCluster
        structure RestoreDBClusterFromSnapshotMessage AvailabilityZones:AvailabilityZones
         DBClusterIdentifier:s! SnapshotIdentifier:s! Engine:s! EngineVersion:s Port:i DBSubnetGroupName:s
         DatabaseName:s OptionGroupName:s VpcSecurityGroupIds:VpcSecurityGroupIdList Tags:TagList KmsKeyId:s
         EnableIAMDatabaseAuthentication:b BacktrackWindow:l EnableCloudwatchLogsExports:LogTypeList
         EngineMode:s ScalingConfiguration:ScalingConfiguration DBClusterParameterGroupName:s
         DeletionProtection:b CopyTagsToSnapshot:b Domain:s DomainIAMRoleName:s DBClusterInstanceClass:s
         StorageType:s Iops:i PubliclyAccessible:b NetworkType:s
         ServerlessV2ScalingConfiguration:ServerlessV2ScalingConfiguration
         RdsCustomClusterConfiguration:RdsCustomClusterConfiguration MonitoringInterval:i
         MonitoringRoleArn:s EnablePerformanceInsights:b PerformanceInsightsKMSKeyId:s
         PerformanceInsightsRetentionPeriod:i BackupRetentionPeriod:i PreferredBackupWindow:s
         EngineLifecycleSupport:s TagSpecifications:TagSpecificationList EnableVPCNetworking:b
         EnableInternetAccessGateway:b
        structure RestoreDBClusterFromSnapshotResult DBCluster:DBCluster
        structure RestoreDBClusterToPointInTimeMessage DBClusterIdentifier:s! RestoreType:s
         SourceDBClusterIdentifier:s RestoreToTime:t UseLatestRestorableTime:b Port:i DBSubnetGroupName:s
         OptionGroupName:s VpcSecurityGroupIds:VpcSecurityGroupIdList Tags:TagList KmsKeyId:s
         EnableIAMDatabaseAuthentication:b BacktrackWindow:l EnableCloudwatchLogsExports:LogTypeList
         DBClusterParameterGroupName:s DeletionProtection:b CopyTagsToSnapshot:b Domain:s
         DomainIAMRoleName:s DBClusterInstanceClass:s StorageType:s PubliclyAccessible:b Iops:i
         NetworkType:s SourceDbClusterResourceId:s
         ServerlessV2ScalingConfiguration:ServerlessV2ScalingConfiguration
         ScalingConfiguration:ScalingConfiguration EngineMode:s
         RdsCustomClusterConfiguration:RdsCustomClusterConfiguration MonitoringInterval:i
         MonitoringRoleArn:s EnablePerformanceInsights:b PerformanceInsightsKMSKeyId:s
         PerformanceInsightsRetentionPeriod:i BackupRetentionPeriod:i PreferredBackupWindow:s
         EngineLifecycleSupport:s TagSpecifications:TagSpecificationList EnableVPCNetworking:b
         EnableInternetAccessGateway:b
        structure RestoreDBClusterToPointInTimeResult DBCluster:DBCluster
        structure RestoreDBInstanceFromDBSnapshotMessage DBInstanceIdentifier:s! DBSnapshotIdentifier:s
         DBInstanceClass:s Port:i AvailabilityZone:s DBSubnetGroupName:s MultiAZ:b PubliclyAccessible:b
         AutoMinorVersionUpgrade:b LicenseModel:s DBName:s Engine:s Iops:i StorageThroughput:i
         OptionGroupName:s Tags:TagList StorageType:s TdeCredentialArn:s TdeCredentialPassword:s
         VpcSecurityGroupIds:VpcSecurityGroupIdList Domain:s DomainFqdn:s DomainOu:s DomainAuthSecretArn:s
         DomainDnsIps:StringList CopyTagsToSnapshot:b DomainIAMRoleName:s EnableIAMDatabaseAuthentication:b
         EnableCloudwatchLogsExports:LogTypeList ProcessorFeatures:ProcessorFeatureList
         UseDefaultProcessorFeatures:b DBParameterGroupName:s DeletionProtection:b EnableCustomerOwnedIp:b
         NetworkType:s BackupTarget:s CustomIamInstanceProfile:s AllocatedStorage:i
         DBClusterSnapshotIdentifier:s BackupRetentionPeriod:i PreferredBackupWindow:s DedicatedLogVolume:b
         CACertificateIdentifier:s EngineLifecycleSupport:s
         AdditionalStorageVolumes:AdditionalStorageVolumesList TagSpecifications:TagSpecificationList
         ManageMasterUserPassword:b MasterUserSecretKmsKeyId:s
        structure RestoreDBInstanceFromDBSnapshotResult DBInstance:DBInstance
        structure RestoreDBInstanceFromS3Message DBName:s DBInstanceIdentifier:s! AllocatedStorage:i
         DBInstanceClass:s! Engine:s! MasterUsername:s MasterUserPassword:s
         DBSecurityGroups:DBSecurityGroupNameList VpcSecurityGroupIds:VpcSecurityGroupIdList
         AvailabilityZone:s DBSubnetGroupName:s PreferredMaintenanceWindow:s DBParameterGroupName:s
         BackupRetentionPeriod:i PreferredBackupWindow:s Port:i MultiAZ:b EngineVersion:s
         AutoMinorVersionUpgrade:b LicenseModel:s Iops:i StorageThroughput:i OptionGroupName:s
         PubliclyAccessible:b Tags:TagList StorageType:s StorageEncrypted:b KmsKeyId:s CopyTagsToSnapshot:b
         MonitoringInterval:i MonitoringRoleArn:s EnableIAMDatabaseAuthentication:b SourceEngine:s!
         SourceEngineVersion:s! S3BucketName:s! S3Prefix:s S3IngestionRoleArn:s! DatabaseInsightsMode:s
         EnablePerformanceInsights:b PerformanceInsightsKMSKeyId:s PerformanceInsightsRetentionPeriod:i
         EnableCloudwatchLogsExports:LogTypeList ProcessorFeatures:ProcessorFeatureList
         UseDefaultProcessorFeatures:b DeletionProtection:b MaxAllocatedStorage:i NetworkType:s
         ManageMasterUserPassword:b MasterUserSecretKmsKeyId:s DedicatedLogVolume:b
         CACertificateIdentifier:s EngineLifecycleSupport:s
         AdditionalStorageVolumes:AdditionalStorageVolumesList TagSpecifications:TagSpecificationList
        structure RestoreDBInstanceFromS3Result DBInstance:DBInstance
        structure RestoreDBInstanceToPointInTimeMessage SourceDBInstanceIdentifier:s
         TargetDBInstanceIdentifier:s! RestoreTime:t UseLatestRestorableTime:b DBInstanceClass:s Port:i
         AvailabilityZone:s DBSubnetGroupName:s MultiAZ:b PubliclyAccessible:b AutoMinorVersionUpgrade:b
         LicenseModel:s DBName:s Engine:s Iops:i StorageThroughput:i OptionGroupName:s CopyTagsToSnapshot:b
         Tags:TagList StorageType:s TdeCredentialArn:s TdeCredentialPassword:s
         VpcSecurityGroupIds:VpcSecurityGroupIdList Domain:s DomainIAMRoleName:s DomainFqdn:s DomainOu:s
         DomainAuthSecretArn:s DomainDnsIps:StringList EnableIAMDatabaseAuthentication:b
         EnableCloudwatchLogsExports:LogTypeList ProcessorFeatures:ProcessorFeatureList
         UseDefaultProcessorFeatures:b DBParameterGroupName:s DeletionProtection:b SourceDbiResourceId:s
         MaxAllocatedStorage:i EnableCustomerOwnedIp:b NetworkType:s SourceDBInstanceAutomatedBackupsArn:s
         BackupTarget:s CustomIamInstanceProfile:s AllocatedStorage:i BackupRetentionPeriod:i
         PreferredBackupWindow:s DedicatedLogVolume:b CACertificateIdentifier:s EngineLifecycleSupport:s
         AdditionalStorageVolumes:AdditionalStorageVolumesList TagSpecifications:TagSpecificationList
         ManageMasterUserPassword:b MasterUserSecretKmsKeyId:s
        structure RestoreDBInstanceToPointInTimeResult DBInstance:DBInstance
        structure RevokeDBSecurityGroupIngressMessage DBSecurityGroupName:s! CIDRIP:s EC2SecurityGroupName:s
         EC2SecurityGroupId:s EC2SecurityGroupOwnerId:s
        structure RevokeDBSecurityGroupIngressResult DBSecurityGroup:DBSecurityGroup
        structure StartActivityStreamRequest ResourceArn:s! Mode:s! KmsKeyId:s! ApplyImmediately:b
         EngineNativeAuditFieldsIncluded:b
        structure StartActivityStreamResponse KmsKeyId:s KinesisStreamName:s Status:s Mode:s
         EngineNativeAuditFieldsIncluded:b ApplyImmediately:b
        structure StartDBClusterMessage DBClusterIdentifier:s!
        structure StartDBClusterResult DBCluster:DBCluster
        structure StartDBInstanceMessage DBInstanceIdentifier:s!
        structure StartDBInstanceResult DBInstance:DBInstance
        structure StartDBInstanceAutomatedBackupsReplicationMessage SourceDBInstanceArn:s!
         BackupRetentionPeriod:i KmsKeyId:s PreSignedUrl:s Tags:TagList SourceRegion:s
        structure StartDBInstanceAutomatedBackupsReplicationResult
         DBInstanceAutomatedBackup:DBInstanceAutomatedBackup
        structure StartExportTaskMessage ExportTaskIdentifier:s! SourceArn:s! S3BucketName:s! IamRoleArn:s!
         KmsKeyId:s! S3Prefix:s ExportOnly:StringList
        structure StopActivityStreamRequest ResourceArn:s! ApplyImmediately:b
        structure StopActivityStreamResponse KmsKeyId:s KinesisStreamName:s Status:s
        structure StopDBClusterMessage DBClusterIdentifier:s!
        structure StopDBClusterResult DBCluster:DBCluster
        structure StopDBInstanceMessage DBInstanceIdentifier:s! DBSnapshotIdentifier:s
        structure StopDBInstanceResult DBInstance:DBInstance
        structure StopDBInstanceAutomatedBackupsReplicationMessage SourceDBInstanceArn:s!
        structure StopDBInstanceAutomatedBackupsReplicationResult
         DBInstanceAutomatedBackup:DBInstanceAutomatedBackup
        structure SwitchoverBlueGreenDeploymentRequest BlueGreenDeploymentIdentifier:s! SwitchoverTimeout:i
        structure SwitchoverBlueGreenDeploymentResponse BlueGreenDeployment:BlueGreenDeployment
        structure SwitchoverGlobalClusterMessage GlobalClusterIdentifier:s! TargetDbClusterIdentifier:s!
        structure SwitchoverGlobalClusterResult GlobalCluster:GlobalCluster
        structure SwitchoverReadReplicaMessage DBInstanceIdentifier:s!
        structure SwitchoverReadReplicaResult DBInstance:DBInstance
        structure EventSubscription CustomerAwsId:s CustSubscriptionId:s SnsTopicArn:s Status:s
         SubscriptionCreationTime:s SourceType:s SourceIdsList:SourceIdsList
         EventCategoriesList:EventCategoriesList Enabled:b EventSubscriptionArn:s
        list TagList Tag Tag
        structure ResourcePendingMaintenanceActions ResourceIdentifier:s
         PendingMaintenanceActionDetails:PendingMaintenanceActionDetails
        structure DBSecurityGroup OwnerId:s DBSecurityGroupName:s DBSecurityGroupDescription:s VpcId:s
         EC2SecurityGroups:EC2SecurityGroupList IPRanges:IPRangeList DBSecurityGroupArn:s
        list StringList s member
        structure DBClusterParameterGroup DBClusterParameterGroupName:s DBParameterGroupFamily:s
         Description:s DBClusterParameterGroupArn:s
        structure DBClusterSnapshot AvailabilityZones:AvailabilityZones DBClusterSnapshotIdentifier:s
         DBClusterIdentifier:s SnapshotCreateTime:t Engine:s EngineMode:s AllocatedStorage:i Status:s Port:i
         VpcId:s ClusterCreateTime:t MasterUsername:s EngineVersion:s LicenseModel:s SnapshotType:s
         PercentProgress:i StorageEncrypted:b StorageEncryptionType:s BackupRetentionPeriod:i
         PreferredBackupWindow:s KmsKeyId:s DBClusterSnapshotArn:s SourceDBClusterSnapshotArn:s
         IAMDatabaseAuthenticationEnabled:b TagList:TagList StorageType:s StorageThroughput:i
         DbClusterResourceId:s DBSystemId:s
        structure DBParameterGroup DBParameterGroupName:s DBParameterGroupFamily:s Description:s
         DBParameterGroupArn:s
        structure DBSnapshot DBSnapshotIdentifier:s DBInstanceIdentifier:s SnapshotCreateTime:t Engine:s
         AllocatedStorage:i Status:s Port:i AvailabilityZone:s VpcId:s InstanceCreateTime:t MasterUsername:s
         EngineVersion:s LicenseModel:s SnapshotType:s Iops:i StorageThroughput:i OptionGroupName:s
         PercentProgress:i SourceRegion:s SourceDBSnapshotIdentifier:s StorageType:s TdeCredentialArn:s
         Encrypted:b StorageEncryptionType:s BackupRetentionPeriod:i PreferredBackupWindow:s KmsKeyId:s
         DBSnapshotArn:s Timezone:s IAMDatabaseAuthenticationEnabled:b
         ProcessorFeatures:ProcessorFeatureList DbiResourceId:s TagList:TagList SnapshotTarget:s
         OriginalSnapshotCreateTime:t SnapshotDatabaseTime:t DBSystemId:s MultiTenant:b DedicatedLogVolume:b
         AdditionalStorageVolumes:AdditionalStorageVolumesList SnapshotAvailabilityZone:s
        structure OptionGroup OptionGroupName:s OptionGroupDescription:s EngineName:s MajorEngineVersion:s
         Options:OptionsList AllowsVpcAndNonVpcInstanceMemberships:b VpcId:s OptionGroupArn:s
         SourceOptionGroup:s SourceAccountId:s CopyTimestamp:t
        structure BlueGreenDeployment BlueGreenDeploymentIdentifier:s BlueGreenDeploymentName:s Source:s
         Target:s SwitchoverDetails:SwitchoverDetailList Tasks:BlueGreenDeploymentTaskList Status:s
         StatusDetails:s CreateTime:t DeleteTime:t TagList:TagList
        structure CharacterSet CharacterSetName:s CharacterSetDescription:s
        structure CustomDBEngineVersionAMI ImageId:s Status:s
        list SupportedCharacterSetsList CharacterSet CharacterSet
        list ValidUpgradeTargetList UpgradeTarget UpgradeTarget
        list SupportedTimezonesList Timezone Timezone
        list LogTypeList s member
        list EngineModeList s member
        list FeatureNameList s member
        list CACertificateIdentifiersList s member
        structure ServerlessV2FeaturesSupport MinCapacity:d MaxCapacity:d
        list AvailabilityZones s AvailabilityZone
        list VpcSecurityGroupIdList s VpcSecurityGroupId
        structure ScalingConfiguration MinCapacity:i MaxCapacity:i AutoPause:b SecondsUntilAutoPause:i
         TimeoutAction:s SecondsBeforeTimeout:i
        structure RdsCustomClusterConfiguration InterconnectSubnetId:s TransitGatewayMulticastDomainId:s
         ReplicaMode:s
        structure ServerlessV2ScalingConfiguration MinCapacity:d MaxCapacity:d SecondsUntilAutoPause:i
        list TagSpecificationList TagSpecification item
        structure DBCluster AllocatedStorage:i AvailabilityZones:AvailabilityZones BackupRetentionPeriod:i
         CharacterSetName:s DatabaseName:s DBClusterIdentifier:s DBClusterParameterGroup:s DBSubnetGroup:s
         Status:s PercentProgress:s EarliestRestorableTime:t Endpoint:s ReaderEndpoint:s
         CustomEndpoints:StringList MultiAZ:b Engine:s EngineVersion:s LatestRestorableTime:t Port:i
         MasterUsername:s DBClusterOptionGroupMemberships:DBClusterOptionGroupMemberships
         PreferredBackupWindow:s PreferredMaintenanceWindow:s UpgradeRolloutOrder:s
         ReplicationSourceIdentifier:s ReadReplicaIdentifiers:ReadReplicaIdentifierList
         StatusInfos:DBClusterStatusInfoList DBClusterMembers:DBClusterMemberList
         VpcSecurityGroups:VpcSecurityGroupMembershipList HostedZoneId:s StorageEncrypted:b
         StorageEncryptionType:s KmsKeyId:s DbClusterResourceId:s DBClusterArn:s
         AssociatedRoles:DBClusterRoles IAMDatabaseAuthenticationEnabled:b CloneGroupId:s
         ClusterCreateTime:t EarliestBacktrackTime:t BacktrackWindow:l BacktrackConsumedChangeRecords:l
         EnabledCloudwatchLogsExports:LogTypeList Capacity:i
         PendingModifiedValues:ClusterPendingModifiedValues EngineMode:s
         ScalingConfigurationInfo:ScalingConfigurationInfo
         RdsCustomClusterConfiguration:RdsCustomClusterConfiguration DBClusterInstanceClass:s StorageType:s
         Iops:i StorageThroughput:i IOOptimizedNextAllowedModificationTime:t PubliclyAccessible:b
         AutoMinorVersionUpgrade:b DeletionProtection:b HttpEndpointEnabled:b ActivityStreamMode:s
         ActivityStreamStatus:s ActivityStreamKmsKeyId:s ActivityStreamKinesisStreamName:s
         CopyTagsToSnapshot:b CrossAccountClone:b DomainMemberships:DomainMembershipList TagList:TagList
         GlobalClusterIdentifier:s GlobalWriteForwardingStatus:s GlobalWriteForwardingRequested:b
         NetworkType:s AutomaticRestartTime:t
         ServerlessV2ScalingConfiguration:ServerlessV2ScalingConfigurationInfo ServerlessV2PlatformVersion:s
         MonitoringInterval:i MonitoringRoleArn:s DatabaseInsightsMode:s PerformanceInsightsEnabled:b
         PerformanceInsightsKMSKeyId:s PerformanceInsightsRetentionPeriod:i DBSystemId:s
         MasterUserSecret:MasterUserSecret LocalWriteForwardingStatus:s AwsBackupRecoveryPointArn:s
         LimitlessDatabase:LimitlessDatabase ClusterScalabilityType:s CertificateDetails:CertificateDetails
         EngineLifecycleSupport:s VPCNetworkingEnabled:b InternetAccessGatewayEnabled:b
        list DBSecurityGroupNameList s DBSecurityGroupName
        list ProcessorFeatureList ProcessorFeature ProcessorFeature
        list AdditionalStorageVolumesList AdditionalStorageVolume member
        structure DBInstance DBInstanceIdentifier:s DBInstanceClass:s Engine:s DBInstanceStatus:s
         MasterUsername:s DBName:s Endpoint:Endpoint AllocatedStorage:i InstanceCreateTime:t
         PreferredBackupWindow:s BackupRetentionPeriod:i DBSecurityGroups:DBSecurityGroupMembershipList
         VpcSecurityGroups:VpcSecurityGroupMembershipList DBParameterGroups:DBParameterGroupStatusList
         AvailabilityZone:s DBSubnetGroup:DBSubnetGroup PreferredMaintenanceWindow:s UpgradeRolloutOrder:s
         PendingModifiedValues:PendingModifiedValues LatestRestorableTime:t MultiAZ:b EngineVersion:s
         AutoMinorVersionUpgrade:b ReadReplicaSourceDBInstanceIdentifier:s
         ReadReplicaDBInstanceIdentifiers:ReadReplicaDBInstanceIdentifierList
         ReadReplicaDBClusterIdentifiers:ReadReplicaDBClusterIdentifierList ReplicaMode:s LicenseModel:s
         Iops:i StorageThroughput:i OptionGroupMemberships:OptionGroupMembershipList CharacterSetName:s
         NcharCharacterSetName:s SecondaryAvailabilityZone:s PubliclyAccessible:b
         StatusInfos:DBInstanceStatusInfoList StorageType:s StorageEncryptionType:s TdeCredentialArn:s
         DbInstancePort:i DBClusterIdentifier:s StorageEncrypted:b KmsKeyId:s DbiResourceId:s
         CACertificateIdentifier:s DomainMemberships:DomainMembershipList CopyTagsToSnapshot:b
         MonitoringInterval:i EnhancedMonitoringResourceArn:s MonitoringRoleArn:s PromotionTier:i
         DBInstanceArn:s Timezone:s IAMDatabaseAuthenticationEnabled:b DatabaseInsightsMode:s
         PerformanceInsightsEnabled:b PerformanceInsightsKMSKeyId:s PerformanceInsightsRetentionPeriod:i
         EnabledCloudwatchLogsExports:LogTypeList ProcessorFeatures:ProcessorFeatureList
         DeletionProtection:b AssociatedRoles:DBInstanceRoles ListenerEndpoint:Endpoint
         MaxAllocatedStorage:i TagList:TagList AutomationMode:s ResumeFullAutomationModeTime:t
         CustomerOwnedIpEnabled:b NetworkType:s ActivityStreamStatus:s ActivityStreamKmsKeyId:s
         ActivityStreamKinesisStreamName:s ActivityStreamMode:s
         ActivityStreamEngineNativeAuditFieldsIncluded:b AwsBackupRecoveryPointArn:s
         DBInstanceAutomatedBackupsReplications:DBInstanceAutomatedBackupsReplicationList BackupTarget:s
         AutomaticRestartTime:t CustomIamInstanceProfile:s ActivityStreamPolicyStatus:s
         CertificateDetails:CertificateDetails DBSystemId:s MasterUserSecret:MasterUserSecret
         ReadReplicaSourceDBClusterIdentifier:s PercentProgress:s MultiTenant:b DedicatedLogVolume:b
         IsStorageConfigUpgradeAvailable:b EngineLifecycleSupport:s
         AdditionalStorageVolumes:AdditionalStorageVolumesOutputList StorageVolumeStatus:s
        list UserAuthConfigList UserAuthConfig member
        structure DBProxy DBProxyName:s DBProxyArn:s Status:s EngineFamily:s VpcId:s
         VpcSecurityGroupIds:StringList VpcSubnetIds:StringList DefaultAuthScheme:s
         Auth:UserAuthConfigInfoList RoleArn:s Endpoint:s RequireTLS:b IdleClientTimeout:i DebugLogging:b
         CreatedDate:t UpdatedDate:t EndpointNetworkType:s TargetConnectionNetworkType:s
        structure DBProxyEndpoint DBProxyEndpointName:s DBProxyEndpointArn:s DBProxyName:s Status:s VpcId:s
         VpcSecurityGroupIds:StringList VpcSubnetIds:StringList Endpoint:s CreatedDate:t TargetRole:s
         IsDefault:b EndpointNetworkType:s
        list SubnetIdentifierList s SubnetIdentifier
        structure DBSubnetGroup DBSubnetGroupName:s DBSubnetGroupDescription:s VpcId:s SubnetGroupStatus:s
         Subnets:SubnetList DBSubnetGroupArn:s SupportedNetworkTypes:StringList
        list EventCategoriesList s EventCategory
        list SourceIdsList s SourceId
        structure GlobalCluster GlobalClusterIdentifier:s GlobalClusterResourceId:s GlobalClusterArn:s
         Status:s Engine:s EngineVersion:s EngineLifecycleSupport:s DatabaseName:s StorageEncrypted:b
         StorageEncryptionType:s DeletionProtection:b GlobalClusterMembers:GlobalClusterMemberList
         Endpoint:s FailoverState:FailoverState TagList:TagList
        map EncryptionContextMap s s key value
        list IntegrationErrorList IntegrationError IntegrationError
        structure TenantDatabase TenantDatabaseCreateTime:t DBInstanceIdentifier:s TenantDBName:s Status:s
         MasterUsername:s DbiResourceId:s TenantDatabaseResourceId:s TenantDatabaseARN:s CharacterSetName:s
         NcharCharacterSetName:s DeletionProtection:b
         PendingModifiedValues:TenantDatabasePendingModifiedValues MasterUserSecret:MasterUserSecret
         TagList:TagList
        structure DBClusterAutomatedBackup Engine:s VpcId:s DBClusterAutomatedBackupsArn:s
         DBClusterIdentifier:s RestoreWindow:RestoreWindow MasterUsername:s DbClusterResourceId:s Region:s
         LicenseModel:s Status:s IAMDatabaseAuthenticationEnabled:b ClusterCreateTime:t StorageEncrypted:b
         StorageEncryptionType:s AllocatedStorage:i EngineVersion:s DBClusterArn:s BackupRetentionPeriod:i
         PreferredBackupWindow:s EngineMode:s AvailabilityZones:AvailabilityZones Port:i KmsKeyId:s
         StorageType:s Iops:i StorageThroughput:i AwsBackupRecoveryPointArn:s TagList:TagList
        structure DBInstanceAutomatedBackup DBInstanceArn:s DbiResourceId:s Region:s DBInstanceIdentifier:s
         RestoreWindow:RestoreWindow AllocatedStorage:i Status:s Port:i AvailabilityZone:s VpcId:s
         InstanceCreateTime:t MasterUsername:s Engine:s EngineVersion:s LicenseModel:s Iops:i
         StorageThroughput:i OptionGroupName:s TdeCredentialArn:s Encrypted:b StorageEncryptionType:s
         StorageType:s KmsKeyId:s Timezone:s IAMDatabaseAuthenticationEnabled:b BackupRetentionPeriod:i
         PreferredBackupWindow:s DBInstanceAutomatedBackupsArn:s
         DBInstanceAutomatedBackupsReplications:DBInstanceAutomatedBackupsReplicationList BackupTarget:s
         MultiTenant:b AwsBackupRecoveryPointArn:s TagList:TagList DedicatedLogVolume:b
         AdditionalStorageVolumes:AdditionalStorageVolumesList
        list AccountQuotaList AccountQuota AccountQuota
        list FilterList Filter Filter
        list BlueGreenDeploymentList BlueGreenDeployment member
        list CertificateList Certificate Certificate
        list DBClusterAutomatedBackupList DBClusterAutomatedBackup DBClusterAutomatedBackup
        list DBClusterBacktrackList DBClusterBacktrack DBClusterBacktrack
        list DBClusterEndpointList DBClusterEndpoint DBClusterEndpointList
        list DBClusterParameterGroupList DBClusterParameterGroup DBClusterParameterGroup
        list ParametersList Parameter Parameter
        structure DBClusterSnapshotAttributesResult DBClusterSnapshotIdentifier:s
         DBClusterSnapshotAttributes:DBClusterSnapshotAttributeList
        list DBClusterSnapshotList DBClusterSnapshot DBClusterSnapshot
        list DBClusterList DBCluster DBCluster
        list DBEngineVersionList DBEngineVersion DBEngineVersion
        list DBInstanceAutomatedBackupList DBInstanceAutomatedBackup DBInstanceAutomatedBackup
        list DBInstanceList DBInstance DBInstance
        list DescribeDBLogFilesList DescribeDBLogFilesDetails DescribeDBLogFilesDetails
        list DBMajorEngineVersionsList DBMajorEngineVersion DBMajorEngineVersion
        list DBParameterGroupList DBParameterGroup DBParameterGroup
        list DBProxyList DBProxy member
        list DBProxyEndpointList DBProxyEndpoint member
        list TargetGroupList DBProxyTargetGroup member
        list TargetList DBProxyTarget member
        list DBRecommendationList DBRecommendation member
        list DBSecurityGroups DBSecurityGroup DBSecurityGroup
        list DBShardGroupsList DBShardGroup DBShardGroup
        structure DBSnapshotAttributesResult DBSnapshotIdentifier:s
         DBSnapshotAttributes:DBSnapshotAttributeList
        list DBSnapshotTenantDatabasesList DBSnapshotTenantDatabase DBSnapshotTenantDatabase
        list DBSnapshotList DBSnapshot DBSnapshot
        list DBSubnetGroups DBSubnetGroup DBSubnetGroup
        structure EngineDefaults DBParameterGroupFamily:s Marker:s Parameters:ParametersList
        list EventCategoriesMapList EventCategoriesMap EventCategoriesMap
        list EventSubscriptionsList EventSubscription EventSubscription
        list EventList Event Event
        list ExportTasksList ExportTask ExportTask
        list GlobalClusterList GlobalCluster GlobalClusterMember
        list IntegrationList Integration Integration
        list OptionGroupOptionsList OptionGroupOption OptionGroupOption
        list OptionGroupsList OptionGroup OptionGroup
        list OrderableDBInstanceOptionsList OrderableDBInstanceOption OrderableDBInstanceOption
        list PendingMaintenanceActions ResourcePendingMaintenanceActions ResourcePendingMaintenanceActions
        list ReservedDBInstanceList ReservedDBInstance ReservedDBInstance
        list ReservedDBInstancesOfferingList ReservedDBInstancesOffering ReservedDBInstancesOffering
        list ServerlessV2PlatformVersionList ServerlessV2PlatformVersionInfo member
        list SourceRegionList SourceRegion SourceRegion
        list TenantDatabasesList TenantDatabase TenantDatabase
        structure ValidDBInstanceModificationsMessage Storage:ValidStorageOptionsList
         ValidProcessorFeatures:AvailableProcessorFeatureList SupportsDedicatedLogVolume:b
         AdditionalStorage:ValidAdditionalStorageOptions
        structure Certificate CertificateIdentifier:s CertificateType:s Thumbprint:s ValidFrom:t ValidTill:t
         CertificateArn:s CustomerOverride:b CustomerOverrideValidTill:t
        structure CloudwatchLogsExportConfiguration EnableLogTypes:LogTypeList DisableLogTypes:LogTypeList
        list AttributeValueList s AttributeValue
        list ModifyAdditionalStorageVolumesList ModifyAdditionalStorageVolume member
        structure ConnectionPoolConfiguration MaxConnectionsPercent:i MaxIdleConnectionsPercent:i
         ConnectionBorrowTimeout:i SessionPinningFilters:StringList InitQuery:s
        structure DBProxyTargetGroup DBProxyName:s TargetGroupName:s TargetGroupArn:s IsDefault:b Status:s
         ConnectionPoolConfig:ConnectionPoolConfigurationInfo CreatedDate:t UpdatedDate:t
        list RecommendedActionUpdateList RecommendedActionUpdate member
        structure DBRecommendation RecommendationId:s TypeId:s Severity:s ResourceArn:s Status:s
         CreatedTime:t UpdatedTime:t Detection:s Recommendation:s Description:s Reason:s
         RecommendedActions:RecommendedActionList Category:s Source:s TypeDetection:s TypeRecommendation:s
         Impact:s AdditionalInfo:s Links:DocLinkList IssueDetails:IssueDetails
        list OptionConfigurationList OptionConfiguration OptionConfiguration
        list OptionNamesList s member
        structure ReservedDBInstance ReservedDBInstanceId:s ReservedDBInstancesOfferingId:s
         DBInstanceClass:s StartTime:t Duration:i FixedPrice:d UsagePrice:d CurrencyCode:s DBInstanceCount:i
         ProductDescription:s OfferingType:s MultiAZ:b State:s RecurringCharges:RecurringChargeList
         ReservedDBInstanceArn:s LeaseId:s
        list KeyList s member
        structure Tag Key:s Value:s
        list PendingMaintenanceActionDetails PendingMaintenanceAction PendingMaintenanceAction
        list EC2SecurityGroupList EC2SecurityGroup EC2SecurityGroup
        list IPRangeList IPRange IPRange
        list OptionsList Option Option
        list SwitchoverDetailList SwitchoverDetail member
        list BlueGreenDeploymentTaskList BlueGreenDeploymentTask member
        structure UpgradeTarget Engine:s EngineVersion:s Description:s AutoUpgrade:b IsMajorVersionUpgrade:b
         SupportedEngineModes:EngineModeList SupportsParallelQuery:b SupportsGlobalDatabases:b
         SupportsBabelfish:b SupportsLimitlessDatabase:b SupportsLocalWriteForwarding:b
         SupportsIntegrations:b
        structure Timezone TimezoneName:s
        structure TagSpecification ResourceType:s Tags:TagList
        list DBClusterOptionGroupMemberships DBClusterOptionGroupStatus DBClusterOptionGroup
        list ReadReplicaIdentifierList s ReadReplicaIdentifier
        list DBClusterStatusInfoList DBClusterStatusInfo DBClusterStatusInfo
        list DBClusterMemberList DBClusterMember DBClusterMember
        list VpcSecurityGroupMembershipList VpcSecurityGroupMembership VpcSecurityGroupMembership
        list DBClusterRoles DBClusterRole DBClusterRole
        structure ClusterPendingModifiedValues PendingCloudwatchLogsExports:PendingCloudwatchLogsExports
         DBClusterIdentifier:s MasterUserPassword:s IAMDatabaseAuthenticationEnabled:b EngineVersion:s
         BackupRetentionPeriod:i StorageType:s AllocatedStorage:i
         RdsCustomClusterConfiguration:RdsCustomClusterConfiguration Iops:i
         CertificateDetails:CertificateDetails
        structure ScalingConfigurationInfo MinCapacity:i MaxCapacity:i AutoPause:b SecondsUntilAutoPause:i
         TimeoutAction:s SecondsBeforeTimeout:i
        list DomainMembershipList DomainMembership DomainMembership
        structure ServerlessV2ScalingConfigurationInfo MinCapacity:d MaxCapacity:d SecondsUntilAutoPause:i
        structure MasterUserSecret SecretArn:s SecretStatus:s KmsKeyId:s
        structure LimitlessDatabase Status:s MinRequiredACU:d
        structure CertificateDetails CAIdentifier:s ValidTill:t
        structure ProcessorFeature Name:s Value:s
        structure AdditionalStorageVolume VolumeName:s! AllocatedStorage:i IOPS:i MaxAllocatedStorage:i
         StorageThroughput:i StorageType:s
        structure Endpoint Address:s Port:i HostedZoneId:s
        list DBSecurityGroupMembershipList DBSecurityGroupMembership DBSecurityGroup
        list DBParameterGroupStatusList DBParameterGroupStatus DBParameterGroup
        structure PendingModifiedValues DBInstanceClass:s AllocatedStorage:i MasterUserPassword:s Port:i
         BackupRetentionPeriod:i MultiAZ:b EngineVersion:s LicenseModel:s Iops:i StorageThroughput:i
         DBInstanceIdentifier:s StorageType:s CACertificateIdentifier:s DBSubnetGroupName:s
         PendingCloudwatchLogsExports:PendingCloudwatchLogsExports ProcessorFeatures:ProcessorFeatureList
         AutomationMode:s ResumeFullAutomationModeTime:t MultiTenant:b IAMDatabaseAuthenticationEnabled:b
         DedicatedLogVolume:b Engine:s AdditionalStorageVolumes:AdditionalStorageVolumesList
        list ReadReplicaDBInstanceIdentifierList s ReadReplicaDBInstanceIdentifier
        list ReadReplicaDBClusterIdentifierList s ReadReplicaDBClusterIdentifier
        list OptionGroupMembershipList OptionGroupMembership OptionGroupMembership
        list DBInstanceStatusInfoList DBInstanceStatusInfo DBInstanceStatusInfo
        list DBInstanceRoles DBInstanceRole DBInstanceRole
        list DBInstanceAutomatedBackupsReplicationList DBInstanceAutomatedBackupsReplication
         DBInstanceAutomatedBackupsReplication
        list AdditionalStorageVolumesOutputList AdditionalStorageVolumeOutput member
        structure UserAuthConfig Description:s UserName:s AuthScheme:s SecretArn:s IAMAuth:s
         ClientPasswordAuthType:s
        list UserAuthConfigInfoList UserAuthConfigInfo member
        list SubnetList Subnet Subnet
        list GlobalClusterMemberList GlobalClusterMember GlobalClusterMember
        structure FailoverState Status:s FromDbClusterArn:s ToDbClusterArn:s IsDataLossAllowed:b
        structure IntegrationError ErrorCode:s! ErrorMessage:s
        structure TenantDatabasePendingModifiedValues MasterUserPassword:s TenantDBName:s
        structure RestoreWindow EarliestTime:t LatestTime:t
        structure AccountQuota AccountQuotaName:s Used:l Max:l
        structure Filter Name:s! Values:FilterValueList!
        structure Parameter ParameterName:s ParameterValue:s Description:s Source:s ApplyType:s DataType:s
         AllowedValues:s IsModifiable:b MinimumEngineVersion:s ApplyMethod:s
         SupportedEngineModes:EngineModeList
        list DBClusterSnapshotAttributeList DBClusterSnapshotAttribute DBClusterSnapshotAttribute
        structure DescribeDBLogFilesDetails LogFileName:s LastWritten:l Size:l
        structure DBMajorEngineVersion Engine:s MajorEngineVersion:s
         SupportedEngineLifecycles:SupportedEngineLifecycleList
        structure DBProxyTarget TargetArn:s Endpoint:s TrackedClusterId:s RdsResourceId:s Port:i Type:s
         Role:s TargetHealth:TargetHealth
        list DBSnapshotAttributeList DBSnapshotAttribute DBSnapshotAttribute
        structure DBSnapshotTenantDatabase DBSnapshotIdentifier:s DBInstanceIdentifier:s DbiResourceId:s
         EngineName:s SnapshotType:s TenantDatabaseCreateTime:t TenantDBName:s MasterUsername:s
         TenantDatabaseResourceId:s CharacterSetName:s DBSnapshotTenantDatabaseARN:s NcharCharacterSetName:s
         TagList:TagList
        structure EventCategoriesMap SourceType:s EventCategories:EventCategoriesList
        structure Event SourceIdentifier:s SourceType:s Message:s EventCategories:EventCategoriesList Date:t
         SourceArn:s
        structure OptionGroupOption Name:s Description:s EngineName:s MajorEngineVersion:s
         MinimumRequiredMinorEngineVersion:s PortRequired:b DefaultPort:i
         OptionsDependedOn:OptionsDependedOn OptionsConflictsWith:OptionsConflictsWith Persistent:b
         Permanent:b RequiresAutoMinorEngineVersionUpgrade:b VpcOnly:b SupportsOptionVersionDowngrade:b
         OptionGroupOptionSettings:OptionGroupOptionSettingsList
         OptionGroupOptionVersions:OptionGroupOptionVersionsList CopyableCrossAccount:b
        structure OrderableDBInstanceOption Engine:s EngineVersion:s DBInstanceClass:s LicenseModel:s
         AvailabilityZoneGroup:s AvailabilityZones:AvailabilityZoneList MultiAZCapable:b
         ReadReplicaCapable:b Vpc:b SupportsStorageEncryption:b StorageType:s SupportsIops:b
         SupportsStorageThroughput:b SupportsEnhancedMonitoring:b SupportsIAMDatabaseAuthentication:b
         SupportsPerformanceInsights:b MinStorageSize:i MaxStorageSize:i MinIopsPerDbInstance:i
         MaxIopsPerDbInstance:i MinIopsPerGib:d MaxIopsPerGib:d MinStorageThroughputPerDbInstance:i
         MaxStorageThroughputPerDbInstance:i MinStorageThroughputPerIops:d MaxStorageThroughputPerIops:d
         AvailableProcessorFeatures:AvailableProcessorFeatureList SupportedEngineModes:EngineModeList
         SupportsStorageAutoscaling:b SupportsKerberosAuthentication:b OutpostCapable:b
         SupportedActivityStreamModes:ActivityStreamModeList SupportsGlobalDatabases:b
         SupportedNetworkTypes:StringList SupportsClusters:b SupportsDedicatedLogVolume:b
         SupportsAdditionalStorageVolumes:b SupportsHttpEndpoint:b
         AvailableAdditionalStorageVolumesOptions:AvailableAdditionalStorageVolumesOptionList
        structure ReservedDBInstancesOffering ReservedDBInstancesOfferingId:s DBInstanceClass:s Duration:i
         FixedPrice:d UsagePrice:d CurrencyCode:s ProductDescription:s OfferingType:s MultiAZ:b
         RecurringCharges:RecurringChargeList
        structure ServerlessV2PlatformVersionInfo ServerlessV2PlatformVersion:s
         ServerlessV2PlatformVersionDescription:s Engine:s
         ServerlessV2FeaturesSupport:ServerlessV2FeaturesSupport Status:s IsDefault:b
        structure SourceRegion RegionName:s Endpoint:s Status:s
         SupportsDBInstanceAutomatedBackupsReplication:b
        list ValidStorageOptionsList ValidStorageOptions ValidStorageOptions
        list AvailableProcessorFeatureList AvailableProcessorFeature AvailableProcessorFeature
        structure ValidAdditionalStorageOptions SupportsAdditionalStorageVolumes:b
         Volumes:ValidVolumeOptionsList
        structure ModifyAdditionalStorageVolume VolumeName:s! AllocatedStorage:i IOPS:i
         MaxAllocatedStorage:i StorageThroughput:i StorageType:s SetForDelete:b
        structure ConnectionPoolConfigurationInfo MaxConnectionsPercent:i MaxIdleConnectionsPercent:i
         ConnectionBorrowTimeout:i SessionPinningFilters:StringList InitQuery:s
        structure RecommendedActionUpdate ActionId:s! Status:s!
        list RecommendedActionList RecommendedAction member
        list DocLinkList DocLink member
        structure IssueDetails PerformanceIssueDetails:PerformanceIssueDetails
        structure OptionConfiguration OptionName:s! Port:i OptionVersion:s
         DBSecurityGroupMemberships:DBSecurityGroupNameList
         VpcSecurityGroupMemberships:VpcSecurityGroupIdList OptionSettings:OptionSettingsList
        list RecurringChargeList RecurringCharge RecurringCharge
        structure PendingMaintenanceAction Action:s AutoAppliedAfterDate:t ForcedApplyDate:t OptInStatus:s
         CurrentApplyDate:t Description:s
        structure EC2SecurityGroup Status:s EC2SecurityGroupName:s EC2SecurityGroupId:s
         EC2SecurityGroupOwnerId:s
        structure IPRange Status:s CIDRIP:s
        structure Option OptionName:s OptionDescription:s Persistent:b Permanent:b Port:i OptionVersion:s
         OptionSettings:OptionSettingConfigurationList
         DBSecurityGroupMemberships:DBSecurityGroupMembershipList
         VpcSecurityGroupMemberships:VpcSecurityGroupMembershipList
        structure SwitchoverDetail SourceMember:s TargetMember:s Status:s
        structure BlueGreenDeploymentTask Name:s Status:s
        structure DBClusterOptionGroupStatus DBClusterOptionGroupName:s Status:s
        structure DBClusterStatusInfo StatusType:s Normal:b Status:s Message:s
        structure DBClusterMember DBInstanceIdentifier:s IsClusterWriter:b DBClusterParameterGroupStatus:s
         PromotionTier:i
        structure VpcSecurityGroupMembership VpcSecurityGroupId:s Status:s
        structure DBClusterRole RoleArn:s Status:s FeatureName:s
        structure PendingCloudwatchLogsExports LogTypesToEnable:LogTypeList LogTypesToDisable:LogTypeList
        structure DomainMembership Domain:s Status:s FQDN:s IAMRoleName:s OU:s AuthSecretArn:s
         DnsIps:StringList
        structure DBSecurityGroupMembership DBSecurityGroupName:s Status:s
        structure DBParameterGroupStatus DBParameterGroupName:s ParameterApplyStatus:s
        structure OptionGroupMembership OptionGroupName:s Status:s
        structure DBInstanceStatusInfo StatusType:s Normal:b Status:s Message:s
        structure DBInstanceRole RoleArn:s FeatureName:s Status:s
        structure DBInstanceAutomatedBackupsReplication DBInstanceAutomatedBackupsArn:s
        structure AdditionalStorageVolumeOutput VolumeName:s StorageVolumeStatus:s AllocatedStorage:i IOPS:i
         MaxAllocatedStorage:i StorageThroughput:i StorageType:s
        structure UserAuthConfigInfo Description:s UserName:s AuthScheme:s SecretArn:s IAMAuth:s
         ClientPasswordAuthType:s
        structure Subnet SubnetIdentifier:s SubnetAvailabilityZone:AvailabilityZone SubnetOutpost:Outpost
         SubnetStatus:s
        structure GlobalClusterMember DBClusterArn:s Readers:ReadersArnList IsWriter:b
         GlobalWriteForwardingStatus:s SynchronizationStatus:s
        list FilterValueList s Value
        structure DBClusterSnapshotAttribute AttributeName:s AttributeValues:AttributeValueList
        list SupportedEngineLifecycleList SupportedEngineLifecycle SupportedEngineLifecycle
        structure TargetHealth State:s Reason:s Description:s
        structure DBSnapshotAttribute AttributeName:s AttributeValues:AttributeValueList
        list OptionsDependedOn s OptionName
        list OptionsConflictsWith s OptionConflictName
        list OptionGroupOptionSettingsList OptionGroupOptionSetting OptionGroupOptionSetting
        list OptionGroupOptionVersionsList OptionVersion OptionVersion
        list AvailabilityZoneList AvailabilityZone AvailabilityZone
        list ActivityStreamModeList s member
        list AvailableAdditionalStorageVolumesOptionList AvailableAdditionalStorageVolumesOption
         AvailableAdditionalStorageVolumesOption
        structure ValidStorageOptions StorageType:s StorageSize:RangeList ProvisionedIops:RangeList
         IopsToStorageRatio:DoubleRangeList ProvisionedStorageThroughput:RangeList
         StorageThroughputToIopsRatio:DoubleRangeList SupportsStorageAutoscaling:b
        structure AvailableProcessorFeature Name:s DefaultValue:s AllowedValues:s
        list ValidVolumeOptionsList ValidVolumeOptions member
        structure RecommendedAction ActionId:s Title:s Description:s Operation:s
         Parameters:RecommendedActionParameterList ApplyModes:StringList Status:s IssueDetails:IssueDetails
         ContextAttributes:ContextAttributeList
        structure DocLink Text:s Url:s
        structure PerformanceIssueDetails StartTime:t EndTime:t Metrics:MetricList Analysis:s
        list OptionSettingsList OptionSetting OptionSetting
        structure RecurringCharge RecurringChargeAmount:d RecurringChargeFrequency:s
        list OptionSettingConfigurationList OptionSetting OptionSetting
        structure AvailabilityZone Name:s
        structure Outpost Arn:s
        list ReadersArnList s member
        structure SupportedEngineLifecycle LifecycleSupportName:s! LifecycleSupportStartDate:t!
         LifecycleSupportEndDate:t!
        structure OptionGroupOptionSetting SettingName:s SettingDescription:s DefaultValue:s ApplyType:s
         AllowedValues:s IsModifiable:b IsRequired:b
         MinimumEngineVersionPerAllowedValue:MinimumEngineVersionPerAllowedValueList
        structure OptionVersion Version:s IsDefault:b
        structure AvailableAdditionalStorageVolumesOption SupportsStorageAutoscaling:b
         SupportsStorageThroughput:b SupportsIops:b StorageType:s MinStorageSize:i MaxStorageSize:i
         MinIops:i MaxIops:i MinIopsPerGib:d MaxIopsPerGib:d MinStorageThroughput:i MaxStorageThroughput:i
        list RangeList Range Range
        list DoubleRangeList DoubleRange DoubleRange
        structure ValidVolumeOptions VolumeName:s Storage:ValidStorageOptionsList
        list RecommendedActionParameterList RecommendedActionParameter member
        list ContextAttributeList ContextAttribute member
        list MetricList Metric member
        structure OptionSetting Name:s Value:s DefaultValue:s Description:s ApplyType:s DataType:s
         AllowedValues:s IsModifiable:b IsCollection:b
        list MinimumEngineVersionPerAllowedValueList MinimumEngineVersionPerAllowedValue
         MinimumEngineVersionPerAllowedValue
        structure Range From:i To:i Step:i
        structure DoubleRange From:d To:d
        structure RecommendedActionParameter Key:s Value:s
        structure ContextAttribute Key:s Value:s
        structure Metric Name:s References:MetricReferenceList StatisticsDetails:s MetricQuery:MetricQuery
        structure MinimumEngineVersionPerAllowedValue AllowedValue:s MinimumEngineVersion:s
        list MetricReferenceList MetricReference member
        structure MetricQuery PerformanceInsightsMetricQuery:PerformanceInsightsMetricQuery
        structure MetricReference Name:s ReferenceDetails:ReferenceDetails
        structure PerformanceInsightsMetricQuery GroupBy:PerformanceInsightsMetricDimensionGroup Metric:s
        structure ReferenceDetails ScalarReferenceDetails:ScalarReferenceDetails
        structure PerformanceInsightsMetricDimensionGroup Dimensions:StringList Group:s Limit:i
        structure ScalarReferenceDetails Value:d
        error AuthorizationAlreadyExistsFault AuthorizationAlreadyExists 400 sender
        error AuthorizationNotFoundFault AuthorizationNotFound 404 sender
        error AuthorizationQuotaExceededFault AuthorizationQuotaExceeded 400 sender
        error BackupPolicyNotFoundFault BackupPolicyNotFoundFault 404 sender
        error BlueGreenDeploymentAlreadyExistsFault BlueGreenDeploymentAlreadyExistsFault 400 sender
        error BlueGreenDeploymentNotFoundFault BlueGreenDeploymentNotFoundFault 404 sender
        error CertificateNotFoundFault CertificateNotFound 404 sender
        error CreateCustomDBEngineVersionFault CreateCustomDBEngineVersionFault 400 sender
        error CustomAvailabilityZoneNotFoundFault CustomAvailabilityZoneNotFound 404 sender
        error CustomDBEngineVersionAlreadyExistsFault CustomDBEngineVersionAlreadyExistsFault 400 sender
        error CustomDBEngineVersionNotFoundFault CustomDBEngineVersionNotFoundFault 404 sender
        error CustomDBEngineVersionQuotaExceededFault CustomDBEngineVersionQuotaExceededFault 400 sender
        error DBClusterAlreadyExistsFault DBClusterAlreadyExistsFault 400 sender
        error DBClusterAutomatedBackupNotFoundFault DBClusterAutomatedBackupNotFoundFault 404 sender
        error DBClusterAutomatedBackupQuotaExceededFault DBClusterAutomatedBackupQuotaExceededFault 400
         sender
        error DBClusterBacktrackNotFoundFault DBClusterBacktrackNotFoundFault 404 sender
        error DBClusterEndpointAlreadyExistsFault DBClusterEndpointAlreadyExistsFault 400 sender
        error DBClusterEndpointNotFoundFault DBClusterEndpointNotFoundFault 400 sender
        error DBClusterEndpointQuotaExceededFault DBClusterEndpointQuotaExceededFault 403 sender
        error DBClusterNotFoundFault DBClusterNotFoundFault 404 sender
        error DBClusterParameterGroupNotFoundFault DBClusterParameterGroupNotFound 404 sender
        error DBClusterQuotaExceededFault DBClusterQuotaExceededFault 403 sender
        error DBClusterRoleAlreadyExistsFault DBClusterRoleAlreadyExists 400 sender
        error DBClusterRoleNotFoundFault DBClusterRoleNotFound 404 sender
        error DBClusterRoleQuotaExceededFault DBClusterRoleQuotaExceeded 400 sender
        error DBClusterSnapshotAlreadyExistsFault DBClusterSnapshotAlreadyExistsFault 400 sender
        error DBClusterSnapshotNotFoundFault DBClusterSnapshotNotFoundFault 404 sender
        error DBInstanceAlreadyExistsFault DBInstanceAlreadyExists 400 sender
        error DBInstanceAutomatedBackupNotFoundFault DBInstanceAutomatedBackupNotFound 404 sender
        error DBInstanceAutomatedBackupQuotaExceededFault DBInstanceAutomatedBackupQuotaExceeded 400 sender
        error DBInstanceNotFoundFault DBInstanceNotFound 404 sender
        error DBInstanceNotReadyFault DBInstanceNotReady 400 sender
        error DBInstanceRoleAlreadyExistsFault DBInstanceRoleAlreadyExists 400 sender
        error DBInstanceRoleNotFoundFault DBInstanceRoleNotFound 404 sender
        error DBInstanceRoleQuotaExceededFault DBInstanceRoleQuotaExceeded 400 sender
        error DBLogFileNotFoundFault DBLogFileNotFoundFault 404 sender
        error DBParameterGroupAlreadyExistsFault DBParameterGroupAlreadyExists 400 sender
        error DBParameterGroupNotFoundFault DBParameterGroupNotFound 404 sender
        error DBParameterGroupQuotaExceededFault DBParameterGroupQuotaExceeded 400 sender
        error DBProxyAlreadyExistsFault DBProxyAlreadyExistsFault 400 sender
        error DBProxyEndpointAlreadyExistsFault DBProxyEndpointAlreadyExistsFault 400 sender
        error DBProxyEndpointNotFoundFault DBProxyEndpointNotFoundFault 404 sender
        error DBProxyEndpointQuotaExceededFault DBProxyEndpointQuotaExceededFault 400 sender
        error DBProxyNotFoundFault DBProxyNotFoundFault 404 sender
        error DBProxyQuotaExceededFault DBProxyQuotaExceededFault 400 sender
        error DBProxyTargetAlreadyRegisteredFault DBProxyTargetAlreadyRegisteredFault 400 sender
        error DBProxyTargetGroupNotFoundFault DBProxyTargetGroupNotFoundFault 404 sender
        error DBProxyTargetNotFoundFault DBProxyTargetNotFoundFault 404 sender
        error DBSecurityGroupAlreadyExistsFault DBSecurityGroupAlreadyExists 400 sender
        error DBSecurityGroupNotFoundFault DBSecurityGroupNotFound 404 sender
        error DBSecurityGroupNotSupportedFault DBSecurityGroupNotSupported 400 sender
        error DBSecurityGroupQuotaExceededFault QuotaExceeded.DBSecurityGroup 400 sender
        error DBShardGroupAlreadyExistsFault DBShardGroupAlreadyExists 400 sender
        error DBShardGroupNotFoundFault DBShardGroupNotFound 404 sender
        error DBSnapshotAlreadyExistsFault DBSnapshotAlreadyExists 400 sender
        error DBSnapshotNotFoundFault DBSnapshotNotFound 404 sender
        error DBSnapshotTenantDatabaseNotFoundFault DBSnapshotTenantDatabaseNotFoundFault 404 sender
        error DBSubnetGroupAlreadyExistsFault DBSubnetGroupAlreadyExists 400 sender
        error DBSubnetGroupDoesNotCoverEnoughAZs DBSubnetGroupDoesNotCoverEnoughAZs 400 sender
        error DBSubnetGroupNotAllowedFault DBSubnetGroupNotAllowedFault 400 sender
        error DBSubnetGroupNotFoundFault DBSubnetGroupNotFoundFault 404 sender
        error DBSubnetGroupQuotaExceededFault DBSubnetGroupQuotaExceeded 400 sender
        error DBSubnetQuotaExceededFault DBSubnetQuotaExceededFault 400 sender
        error DBUpgradeDependencyFailureFault DBUpgradeDependencyFailure 400 sender
        error DomainNotFoundFault DomainNotFoundFault 404 sender
        error Ec2ImagePropertiesNotSupportedFault Ec2ImagePropertiesNotSupportedFault 400 sender
        error EventSubscriptionQuotaExceededFault EventSubscriptionQuotaExceeded 400 sender
        error ExportTaskAlreadyExistsFault ExportTaskAlreadyExists 400 sender
        error ExportTaskNotFoundFault ExportTaskNotFound 404 sender
        error GlobalClusterAlreadyExistsFault GlobalClusterAlreadyExistsFault 400 sender
        error GlobalClusterNotFoundFault GlobalClusterNotFoundFault 404 sender
        error GlobalClusterQuotaExceededFault GlobalClusterQuotaExceededFault 400 sender
        error IamRoleMissingPermissionsFault IamRoleMissingPermissions 400 sender
        error IamRoleNotFoundFault IamRoleNotFound 404 sender
        error InstanceQuotaExceededFault InstanceQuotaExceeded 400 sender
        error InsufficientAvailableIPsInSubnetFault InsufficientAvailableIPsInSubnetFault 400 sender
        error InsufficientDBClusterCapacityFault InsufficientDBClusterCapacityFault 403 sender
        error InsufficientDBInstanceCapacityFault InsufficientDBInstanceCapacity 400 sender
        error InsufficientStorageClusterCapacityFault InsufficientStorageClusterCapacity 400 sender
        error IntegrationAlreadyExistsFault IntegrationAlreadyExistsFault 400 sender
        error IntegrationConflictOperationFault IntegrationConflictOperationFault 400 sender
        error IntegrationNotFoundFault IntegrationNotFoundFault 404 sender
        error IntegrationQuotaExceededFault IntegrationQuotaExceededFault 400 sender
        error InvalidBlueGreenDeploymentStateFault InvalidBlueGreenDeploymentStateFault 400 sender
        error InvalidCustomDBEngineVersionStateFault InvalidCustomDBEngineVersionStateFault 400 sender
        error InvalidDBClusterAutomatedBackupStateFault InvalidDBClusterAutomatedBackupStateFault 400 sender
        error InvalidDBClusterCapacityFault InvalidDBClusterCapacityFault 400 sender
        error InvalidDBClusterEndpointStateFault InvalidDBClusterEndpointStateFault 400 sender
        error InvalidDBClusterSnapshotStateFault InvalidDBClusterSnapshotStateFault 400 sender
        error InvalidDBClusterStateFault InvalidDBClusterStateFault 400 sender
        error InvalidDBInstanceAutomatedBackupStateFault InvalidDBInstanceAutomatedBackupState 400 sender
        error InvalidDBInstanceStateFault InvalidDBInstanceState 400 sender
        error InvalidDBParameterGroupStateFault InvalidDBParameterGroupState 400 sender
        error InvalidDBProxyEndpointStateFault InvalidDBProxyEndpointStateFault 400 sender
        error InvalidDBProxyStateFault InvalidDBProxyStateFault 400 sender
        error InvalidDBSecurityGroupStateFault InvalidDBSecurityGroupState 400 sender
        error InvalidDBShardGroupStateFault InvalidDBShardGroupState 400 sender
        error InvalidDBSnapshotStateFault InvalidDBSnapshotState 400 sender
        error InvalidDBSubnetGroupFault InvalidDBSubnetGroupFault 400 sender
        error InvalidDBSubnetGroupStateFault InvalidDBSubnetGroupStateFault 400 sender
        error InvalidDBSubnetStateFault InvalidDBSubnetStateFault 400 sender
        error InvalidEventSubscriptionStateFault InvalidEventSubscriptionState 400 sender
        error InvalidExportOnlyFault InvalidExportOnly 400 sender
        error InvalidExportSourceStateFault InvalidExportSourceState 400 sender
        error InvalidExportTaskStateFault InvalidExportTaskStateFault 400 sender
        error InvalidGlobalClusterStateFault InvalidGlobalClusterStateFault 400 sender
        error InvalidIntegrationStateFault InvalidIntegrationStateFault 400 sender
        error InvalidOptionGroupStateFault InvalidOptionGroupStateFault 400 sender
        error InvalidResourceStateFault InvalidResourceStateFault 400 sender
        error InvalidRestoreFault InvalidRestoreFault 400 sender
        error InvalidS3BucketFault InvalidS3BucketFault 400 sender
        error InvalidSubnet InvalidSubnet 400 sender
        error InvalidVPCNetworkStateFault InvalidVPCNetworkStateFault 400 sender
        error KMSKeyNotAccessibleFault KMSKeyNotAccessibleFault 400 sender
        error MaxDBShardGroupLimitReached MaxDBShardGroupLimitReached 400 sender
        error NetworkTypeNotSupported NetworkTypeNotSupported 400 sender
        error OptionGroupAlreadyExistsFault OptionGroupAlreadyExistsFault 400 sender
        error OptionGroupNotFoundFault OptionGroupNotFoundFault 404 sender
        error OptionGroupQuotaExceededFault OptionGroupQuotaExceededFault 400 sender
        error PointInTimeRestoreNotEnabledFault PointInTimeRestoreNotEnabled 400 sender
        error ProvisionedIopsNotAvailableInAZFault ProvisionedIopsNotAvailableInAZFault 400 sender
        error ReservedDBInstanceAlreadyExistsFault ReservedDBInstanceAlreadyExists 404 sender
        error ReservedDBInstanceNotFoundFault ReservedDBInstanceNotFound 404 sender
        error ReservedDBInstanceQuotaExceededFault ReservedDBInstanceQuotaExceeded 400 sender
        error ReservedDBInstancesOfferingNotFoundFault ReservedDBInstancesOfferingNotFound 404 sender
        error ResourceNotFoundFault ResourceNotFoundFault 404 sender
        error SNSInvalidTopicFault SNSInvalidTopic 400 sender
        error SNSNoAuthorizationFault SNSNoAuthorization 400 sender
        error SNSTopicArnNotFoundFault SNSTopicArnNotFound 404 sender
        error SharedSnapshotQuotaExceededFault SharedSnapshotQuotaExceeded 400 sender
        error SnapshotQuotaExceededFault SnapshotQuotaExceeded 400 sender
        error SourceClusterNotSupportedFault SourceClusterNotSupportedFault 400 sender
        error SourceDatabaseNotSupportedFault SourceDatabaseNotSupportedFault 400 sender
        error SourceNotFoundFault SourceNotFound 404 sender
        error StorageQuotaExceededFault StorageQuotaExceeded 400 sender
        error StorageTypeNotAvailableFault StorageTypeNotAvailableFault 400 sender
        error StorageTypeNotSupportedFault StorageTypeNotSupported 400 sender
        error SubnetAlreadyInUse SubnetAlreadyInUse 400 sender
        error SubscriptionAlreadyExistFault SubscriptionAlreadyExist 400 sender
        error SubscriptionCategoryNotFoundFault SubscriptionCategoryNotFound 404 sender
        error SubscriptionNotFoundFault SubscriptionNotFound 404 sender
        error TenantDatabaseAlreadyExistsFault TenantDatabaseAlreadyExists 400 sender
        error TenantDatabaseNotFoundFault TenantDatabaseNotFound 404 sender
        error TenantDatabaseQuotaExceededFault TenantDatabaseQuotaExceeded 400 sender
        error UnsupportedDBEngineVersionFault UnsupportedDBEngineVersion 400 sender
        error VpcEncryptionControlViolationException VpcEncryptionControlViolationException 400 sender
        """
}
