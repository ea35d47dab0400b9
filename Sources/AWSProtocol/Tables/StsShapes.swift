// SPDX-License-Identifier: Apache-2.0
// Written by scripts/derive-shapes sts: do not edit.

extension ServiceModel {
    static let stsTable = """
        service sts
        protocol query
        version 2011-06-15
        signing sts
        namespace https://sts.amazonaws.com/doc/2011-06-15/
        operation AssumeRole AssumeRoleRequest AssumeRoleResponse AssumeRoleResult
        operation AssumeRoleWithSAML AssumeRoleWithSAMLRequest AssumeRoleWithSAMLResponse
         AssumeRoleWithSAMLResult
        operation AssumeRoleWithWebIdentity AssumeRoleWithWebIdentityRequest
         AssumeRoleWithWebIdentityResponse AssumeRoleWithWebIdentityResult
        operation AssumeRoot AssumeRootRequest AssumeRootResponse AssumeRootResult
        operation DecodeAuthorizationMessage DecodeAuthorizationMessageRequest
         DecodeAuthorizationMessageResponse DecodeAuthorizationMessageResult
        operation GetAccessKeyInfo GetAccessKeyInfoRequest GetAccessKeyInfoResponse GetAccessKeyInfoResult
        operation GetCallerIdentity GetCallerIdentityRequest GetCallerIdentityResponse
         GetCallerIdentityResult
        operation GetDelegatedAccessToken GetDelegatedAccessTokenRequest GetDelegatedAccessTokenResponse
         GetDelegatedAccessTokenResult
        operation GetFederationToken GetFederationTokenRequest GetFederationTokenResponse
         GetFederationTokenResult
        operation GetSessionToken GetSessionTokenRequest GetSessionTokenResponse GetSessionTokenResult
        operation GetWebIdentityToken GetWebIdentityTokenRequest GetWebIdentityTokenResponse
         GetWebIdentityTokenResult
        structure AssumeRoleRequest RoleArn:s! RoleSessionName:s! PolicyArns:policyDescriptorListType
         Policy:s DurationSeconds:i Tags:tagListType TransitiveTagKeys:tagKeyListType ExternalId:s
         SerialNumber:s TokenCode:s SourceIdentity:s ProvidedContexts:ProvidedContextsListType
        structure AssumeRoleResponse Credentials:Credentials AssumedRoleUser:AssumedRoleUser
         PackedPolicySize:i SourceIdentity:s
        structure AssumeRoleWithSAMLRequest RoleArn:s! PrincipalArn:s! SAMLAssertion:s!
         PolicyArns:policyDescriptorListType Policy:s DurationSeconds:i
        structure AssumeRoleWithSAMLResponse Credentials:Credentials AssumedRoleUser:AssumedRoleUser
         PackedPolicySize:i Subject:s SubjectType:s Issuer:s Audience:s NameQualifier:s SourceIdentity:s
        structure AssumeRoleWithWebIdentityRequest RoleArn:s! RoleSessionName:s! WebIdentityToken:s!
         ProviderId:s PolicyArns:policyDescriptorListType Policy:s DurationSeconds:i
        structure AssumeRoleWithWebIdentityResponse Credentials:Credentials SubjectFromWebIdentityToken:s
         AssumedRoleUser:AssumedRoleUser PackedPolicySize:i Provider:s Audience:s SourceIdentity:s
        structure AssumeRootRequest TargetPrincipal:s! TaskPolicyArn:PolicyDescriptorType! DurationSeconds:i
        structure AssumeRootResponse Credentials:Credentials SourceIdentity:s
        structure DecodeAuthorizationMessageRequest EncodedMessage:s!
        structure DecodeAuthorizationMessageResponse DecodedMessage:s
        structure GetAccessKeyInfoRequest AccessKeyId:s!
        structure GetAccessKeyInfoResponse Account:s
        structure GetCallerIdentityRequest
        structure GetCallerIdentityResponse UserId:s Account:s Arn:s
        structure GetDelegatedAccessTokenRequest TradeInToken:s!
        structure GetDelegatedAccessTokenResponse Credentials:Credentials PackedPolicySize:i
         AssumedPrincipal:s
        structure GetFederationTokenRequest Name:s! Policy:s PolicyArns:policyDescriptorListType
         DurationSeconds:i Tags:tagListType
        structure GetFederationTokenResponse Credentials:Credentials FederatedUser:FederatedUser
         PackedPolicySize:i
        structure GetSessionTokenRequest DurationSeconds:i SerialNumber:s TokenCode:s
        structure GetSessionTokenResponse Credentials:Credentials
        structure GetWebIdentityTokenRequest Audience:webIdentityTokenAudienceListType! DurationSeconds:i
         SigningAlgorithm:s! Tags:tagListType
        structure GetWebIdentityTokenResponse WebIdentityToken:s Expiration:t
        list policyDescriptorListType PolicyDescriptorType member
        list tagListType Tag member
        list tagKeyListType s member
        list ProvidedContextsListType ProvidedContext member
        structure Credentials AccessKeyId:s! SecretAccessKey:s! SessionToken:s! Expiration:t!
        structure AssumedRoleUser AssumedRoleId:s! Arn:s!
        structure PolicyDescriptorType arn:s
        structure FederatedUser FederatedUserId:s! Arn:s!
        list webIdentityTokenAudienceListType s member
        structure Tag Key:s! Value:s!
        structure ProvidedContext ProviderArn:s ContextAssertion:s
        error ExpiredTokenException ExpiredTokenException 400 sender
        error ExpiredTradeInTokenException ExpiredTradeInTokenException 400 sender
        error IDPCommunicationErrorException IDPCommunicationError 400 sender
        error IDPRejectedClaimException IDPRejectedClaim 403 sender
        error InvalidAuthorizationMessageException InvalidAuthorizationMessageException 400 sender
        error InvalidIdentityTokenException InvalidIdentityToken 400 sender
        error JWTPayloadSizeExceededException JWTPayloadSizeExceededException 400 sender
        error MalformedPolicyDocumentException MalformedPolicyDocument 400 sender
        error OutboundWebIdentityFederationDisabledException OutboundWebIdentityFederationDisabledException
         403 sender
        error PackedPolicyTooLargeException PackedPolicyTooLarge 400 sender
        error RegionDisabledException RegionDisabledException 403 sender
        error SessionDurationEscalationException SessionDurationEscalationException 403 sender
        """
}
