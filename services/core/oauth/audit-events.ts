import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import {
  code,
  count,
  detailFacts,
  flag,
  id,
  name,
  reason,
  scope,
  user,
} from '#services/platform/define/audit-member.ts';

export const consentGranted = defineAuditEvent({
  type: 'oauth.consent_granted',
  detail: { scope, audience: name, ...detailFacts },
  meaning:
    'A user consented to a client; `scope` and `audience` name what was granted, `detail_types` the types of authorization details (RFC 9396), and `details_sha256` the hash of their canonical form.',
});

export const authorizationDecided = defineAuditEvent({
  type: 'oauth.authorized',
  outcomes: ['ok', 'denied'],
  detail: { scope, audience: name, session_id: id, pushed: flag, ...detailFacts },
  meaning:
    'An authorization code was issued to a client for a user, or the user denied it; `pushed` is true for a pushed request (RFC 9126).',
});

export const codeReused = defineAuditEvent({
  type: 'oauth.code_reused',
  outcomes: ['ended'],
  meaning:
    'An authorization code was presented again after its use, and the token family of its first use was revoked.',
});

export const deviceGrantDecided = defineAuditEvent({
  type: 'oauth.device_decided',
  outcomes: ['ok', 'denied'],
  detail: { scope, audience: name, ...detailFacts },
  meaning: 'A user allowed or denied a device grant.',
});

export const identityAsserted = defineAuditEvent({
  type: 'oauth.identity_asserted',
  outcomes: ['issued', 'redeemed'],
  detail: { server: name, user_id: user, audience: name, scope, of: id, ...detailFacts },
  meaning:
    'A client got an identity assertion (ID-JAG) of a user for the authorization server `server`, or redeemed one of `server` for an access token, whose id is `of`.',
});

export const logoutTokenSent = defineAuditEvent({
  type: 'oauth.logout_token_sent',
  outcomes: ['ok', 'given_up', 'dropped'],
  detail: { attempts: count, code },
  meaning:
    'A client accepted the logout token of a session that ended (OpenID Connect Back-Channel Logout), or accepted it in no attempt (`given_up`; `code` says why the last one failed), or was deleted, disabled or lost its address before (`dropped`). `attempts` is their number.',
});

export const consentWithdrawn = defineAuditEvent({
  type: 'oauth.consent_withdrawn',
  detail: { logins: count, user_id: user, reason },
  meaning:
    'A user withdrew the consent to a client; `logins` is the number of token families that were revoked. If `reason` is present, another actor withdrew the consent of `user_id`: an administrator for this reason, or the action of an incident because it was granted after the suspicious sign-in.',
});
