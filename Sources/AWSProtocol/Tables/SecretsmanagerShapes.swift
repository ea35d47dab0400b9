// SPDX-License-Identifier: Apache-2.0
// Written by scripts/derive-shapes secretsmanager: do not edit.

extension ServiceModel {
    static let secretsmanagerTable = """
        service secretsmanager
        protocol json 1.1
        version 2017-10-17
        signing secretsmanager
        target secretsmanager
        operation AssociateCrossAccountReplica AssociateCrossAccountReplicaRequest
         AssociateCrossAccountReplicaResponse -
        operation BatchGetSecretValue BatchGetSecretValueRequest BatchGetSecretValueResponse -
        operation CancelRotateSecret CancelRotateSecretRequest CancelRotateSecretResponse -
        operation CreateSecret CreateSecretRequest CreateSecretResponse -
        operation DeleteResourcePolicy DeleteResourcePolicyRequest DeleteResourcePolicyResponse -
        operation DeleteSecret DeleteSecretRequest DeleteSecretResponse -
        operation DescribeSecret DescribeSecretRequest DescribeSecretResponse -
        operation DisassociateCrossAccountReplica DisassociateCrossAccountReplicaRequest
         DisassociateCrossAccountReplicaResponse -
        operation GetRandomPassword GetRandomPasswordRequest GetRandomPasswordResponse -
        operation GetResourcePolicy GetResourcePolicyRequest GetResourcePolicyResponse -
        operation GetSecretValue GetSecretValueRequest GetSecretValueResponse -
        operation ListResourcePolicies ListResourcePoliciesRequest ListResourcePoliciesResponse -
        operation ListSecretVersionIds ListSecretVersionIdsRequest ListSecretVersionIdsResponse -
        operation ListSecrets ListSecretsRequest ListSecretsResponse -
        operation PutResourcePolicy PutResourcePolicyRequest PutResourcePolicyResponse -
        operation PutSecretValue PutSecretValueRequest PutSecretValueResponse -
        operation RemoveRegionsFromReplication RemoveRegionsFromReplicationRequest
         RemoveRegionsFromReplicationResponse -
        operation ReplicateSecretToRegions ReplicateSecretToRegionsRequest ReplicateSecretToRegionsResponse
         -
        operation RestoreSecret RestoreSecretRequest RestoreSecretResponse -
        operation RotateSecret RotateSecretRequest RotateSecretResponse -
        operation StopReplicationToReplica StopReplicationToReplicaRequest StopReplicationToReplicaResponse
         -
        operation TagResource TagResourceRequest - -
        operation UntagResource UntagResourceRequest - -
        operation UpdateSecret UpdateSecretRequest UpdateSecretResponse -
        operation UpdateSecretVersionStage UpdateSecretVersionStageRequest UpdateSecretVersionStageResponse
         -
        operation ValidateResourcePolicy ValidateResourcePolicyRequest ValidateResourcePolicyResponse -
        structure AssociateCrossAccountReplicaRequest SecretId:s! CrossAccountReplicaARN:s!
         ReplicaRestriction:s ReplicationRoleARN:s
        structure AssociateCrossAccountReplicaResponse ARN:s CrossAccountReplicaARN:s ReplicationStatus:s
        structure BatchGetSecretValueRequest SecretIdList:SecretIdListType Filters:FiltersListType
         MaxResults:i NextToken:s
        structure BatchGetSecretValueResponse SecretValues:SecretValuesType NextToken:s
         Errors:APIErrorListType
        structure CancelRotateSecretRequest SecretId:s!
        structure CancelRotateSecretResponse ARN:s Name:s VersionId:s
        structure CreateSecretRequest Name:s! ClientRequestToken:s Description:s KmsKeyId:s SecretBinary:x
         SecretString:s Tags:TagListType AddReplicaRegions:AddReplicaRegionListType
         ForceOverwriteReplicaSecret:b Type:s CrossAccountPrimaryARN:s
        structure CreateSecretResponse ARN:s Name:s VersionId:s ReplicationStatus:ReplicationStatusListType
        structure DeleteResourcePolicyRequest SecretId:s! PolicyName:s
        structure DeleteResourcePolicyResponse ARN:s Name:s PolicyName:s
        structure DeleteSecretRequest SecretId:s! RecoveryWindowInDays:l ForceDeleteWithoutRecovery:b
        structure DeleteSecretResponse ARN:s Name:s DeletionDate:t
        structure DescribeSecretRequest SecretId:s!
        structure DescribeSecretResponse ARN:s Name:s Type:s Description:s KmsKeyId:s RotationEnabled:b
         RotationLambdaARN:s RotationRules:RotationRulesType
         ExternalSecretRotationMetadata:ExternalSecretRotationMetadataType ExternalSecretRotationRoleArn:s
         LastRotatedDate:t LastChangedDate:t LastAccessedDate:t DeletedDate:t NextRotationDate:t
         Tags:TagListType VersionIdsToStages:SecretVersionsToStagesMapType OwningService:s CreatedDate:t
         PrimaryRegion:s ReplicationStatus:ReplicationStatusListType
         CrossAccountPrimary:CrossAccountPrimaryType CrossAccountReplicas:CrossAccountReplicaListType
        structure DisassociateCrossAccountReplicaRequest SecretId:s! CrossAccountReplicaARN:s!
        structure DisassociateCrossAccountReplicaResponse ARN:s CrossAccountReplicaARN:s
        structure GetRandomPasswordRequest PasswordLength:l ExcludeCharacters:s ExcludeNumbers:b
         ExcludePunctuation:b ExcludeUppercase:b ExcludeLowercase:b IncludeSpace:b RequireEachIncludedType:b
        structure GetRandomPasswordResponse RandomPassword:s
        structure GetResourcePolicyRequest SecretId:s! PolicyName:s
        structure GetResourcePolicyResponse ARN:s Name:s ResourcePolicy:s PolicyName:s
        structure GetSecretValueRequest SecretId:s! VersionId:s VersionStage:s
        structure GetSecretValueResponse ARN:s Name:s VersionId:s SecretBinary:x SecretString:s
         VersionStages:SecretVersionStagesType CreatedDate:t
        structure ListResourcePoliciesRequest SecretId:s! MaxResults:i NextToken:s
        structure ListResourcePoliciesResponse ResourcePolicies:ResourcePolicySummaryListType! NextToken:s
        structure ListSecretVersionIdsRequest SecretId:s! MaxResults:i NextToken:s IncludeDeprecated:b
        structure ListSecretVersionIdsResponse Versions:SecretVersionsListType NextToken:s ARN:s Name:s
        structure ListSecretsRequest IncludePlannedDeletion:b MaxResults:i NextToken:s
         Filters:FiltersListType SortOrder:s SortBy:s
        structure ListSecretsResponse SecretList:SecretListType NextToken:s
        structure PutResourcePolicyRequest SecretId:s! ResourcePolicy:s! PolicyName:s BlockPublicPolicy:b
        structure PutResourcePolicyResponse ARN:s Name:s PolicyName:s
        structure PutSecretValueRequest SecretId:s! ClientRequestToken:s SecretBinary:x SecretString:s
         VersionStages:SecretVersionStagesType RotationToken:s
        structure PutSecretValueResponse ARN:s Name:s VersionId:s VersionStages:SecretVersionStagesType
        structure RemoveRegionsFromReplicationRequest SecretId:s!
         RemoveReplicaRegions:RemoveReplicaRegionListType!
        structure RemoveRegionsFromReplicationResponse ARN:s ReplicationStatus:ReplicationStatusListType
        structure ReplicateSecretToRegionsRequest SecretId:s! AddReplicaRegions:AddReplicaRegionListType!
         ForceOverwriteReplicaSecret:b
        structure ReplicateSecretToRegionsResponse ARN:s ReplicationStatus:ReplicationStatusListType
        structure RestoreSecretRequest SecretId:s!
        structure RestoreSecretResponse ARN:s Name:s
        structure RotateSecretRequest SecretId:s! ClientRequestToken:s RotationLambdaARN:s
         RotationRules:RotationRulesType ExternalSecretRotationMetadata:ExternalSecretRotationMetadataType
         ExternalSecretRotationRoleArn:s RotateImmediately:b
        structure RotateSecretResponse ARN:s Name:s VersionId:s
        structure StopReplicationToReplicaRequest SecretId:s!
        structure StopReplicationToReplicaResponse ARN:s
        structure TagResourceRequest SecretId:s! Tags:TagListType!
        structure UntagResourceRequest SecretId:s! TagKeys:TagKeyListType!
        structure UpdateSecretRequest SecretId:s! ClientRequestToken:s Description:s KmsKeyId:s
         SecretBinary:x SecretString:s Type:s
        structure UpdateSecretResponse ARN:s Name:s VersionId:s
        structure UpdateSecretVersionStageRequest SecretId:s! VersionStage:s! RemoveFromVersionId:s
         MoveToVersionId:s
        structure UpdateSecretVersionStageResponse ARN:s Name:s
        structure ValidateResourcePolicyRequest SecretId:s ResourcePolicy:s!
        structure ValidateResourcePolicyResponse PolicyValidationPassed:b
         ValidationErrors:ValidationErrorsType
        list SecretIdListType s member
        list FiltersListType Filter member
        list SecretValuesType SecretValueEntry member
        list APIErrorListType APIErrorType member
        list TagListType Tag member
        list AddReplicaRegionListType ReplicaRegionType member
        list ReplicationStatusListType ReplicationStatusType member
        structure RotationRulesType AutomaticallyAfterDays:l Duration:s ScheduleExpression:s
        list ExternalSecretRotationMetadataType ExternalSecretRotationMetadataItem member
        map SecretVersionsToStagesMapType s SecretVersionStagesType key value
        structure CrossAccountPrimaryType PrimarySecretARN:s ReplicationStatus:s StatusMessage:s
        list CrossAccountReplicaListType CrossAccountReplicaEntry member
        list SecretVersionStagesType s member
        list ResourcePolicySummaryListType ResourcePolicySummary member
        list SecretVersionsListType SecretVersionsListEntry member
        list SecretListType SecretListEntry member
        list RemoveReplicaRegionListType s member
        list TagKeyListType s member
        list ValidationErrorsType ValidationErrorsEntry member
        structure Filter Key:s Values:FilterValuesStringList
        structure SecretValueEntry ARN:s Name:s VersionId:s SecretBinary:x SecretString:s
         VersionStages:SecretVersionStagesType CreatedDate:t
        structure APIErrorType SecretId:s ErrorCode:s Message:s
        structure Tag Key:s Value:s
        structure ReplicaRegionType Region:s KmsKeyId:s
        structure ReplicationStatusType Region:s KmsKeyId:s Status:s StatusMessage:s LastAccessedDate:t
        structure ExternalSecretRotationMetadataItem Key:s Value:s
        structure CrossAccountReplicaEntry ReplicaSecretARN:s ReplicationRoleARN:s ReplicationStatus:s
         StatusMessage:s
        structure ResourcePolicySummary PolicyName:s
        structure SecretVersionsListEntry VersionId:s VersionStages:SecretVersionStagesType
         LastAccessedDate:t CreatedDate:t KmsKeyIds:KmsKeyIdListType
        structure SecretListEntry ARN:s Name:s Type:s Description:s KmsKeyId:s RotationEnabled:b
         RotationLambdaARN:s RotationRules:RotationRulesType
         ExternalSecretRotationMetadata:ExternalSecretRotationMetadataType ExternalSecretRotationRoleArn:s
         LastRotatedDate:t LastChangedDate:t LastAccessedDate:t DeletedDate:t NextRotationDate:t
         Tags:TagListType SecretVersionsToStages:SecretVersionsToStagesMapType OwningService:s CreatedDate:t
         PrimaryRegion:s
        structure ValidationErrorsEntry CheckName:s ErrorMessage:s
        list FilterValuesStringList s member
        list KmsKeyIdListType s member
        error DecryptionFailure DecryptionFailure 400 sender
        error EncryptionFailure EncryptionFailure 400 sender
        error InternalServiceError InternalServiceError 400 sender
        error InvalidNextTokenException InvalidNextTokenException 400 sender
        error InvalidParameterException InvalidParameterException 400 sender
        error InvalidRequestException InvalidRequestException 400 sender
        error LimitExceededException LimitExceededException 400 sender
        error MalformedPolicyDocumentException MalformedPolicyDocumentException 400 sender
        error PreconditionNotMetException PreconditionNotMetException 400 sender
        error PublicPolicyException PublicPolicyException 400 sender
        error ResourceExistsException ResourceExistsException 400 sender
        error ResourceNotFoundException ResourceNotFoundException 400 sender
        """
}
