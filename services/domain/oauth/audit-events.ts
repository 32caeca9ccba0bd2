import { defineAuditEvent } from '#services/platform/define/audit-event.ts';

export const consentGranted = defineAuditEvent({
  type: 'oauth.consent_granted',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A user let a client act for them; `scope` and `audience` say how far.',
});

export const authorizationDecided = defineAuditEvent({
  type: 'oauth.authorized',
  durability: 'durable',
  outcomes: ['ok', 'denied'],
  meaning:
    'An authorization code was issued to a client for a user, or the user denied it; `pushed` where the client sent the request ahead (RFC 9126).',
});

export const codeReused = defineAuditEvent({
  type: 'oauth.code_reused',
  durability: 'durable',
  outcomes: ['ended'],
  meaning: 'An authorization code was presented again after its use: the login of its first use was ended.',
});

export const deviceGrantDecided = defineAuditEvent({
  type: 'oauth.device_decided',
  durability: 'durable',
  outcomes: ['ok', 'denied'],
  meaning: 'A user allowed a device to act for them, or denied it.',
});

export const consentWithdrawn = defineAuditEvent({
  type: 'oauth.consent_withdrawn',
  durability: 'durable',
  outcomes: ['ok'],
  meaning:
    'A user lets a client act for them no more; `logins` of it were ended with their access tokens. By an incident (`reason`): what was agreed to after the sign-in that raised it.',
});
