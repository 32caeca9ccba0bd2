import { defineAuditEvent } from '../../platform/define/audit-event.ts';

export const requestPushed = defineAuditEvent({
  type: 'oauth.request_pushed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A client sent an authorization request ahead of its browser; `scope` and `audience` say for what.',
});

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
  meaning: 'An authorization code was issued to a client for a user, or the user denied it.',
});

export const codeReused = defineAuditEvent({
  type: 'oauth.code_reused',
  durability: 'durable',
  outcomes: ['ended'],
  meaning: 'An authorization code was presented again after its use: the login of its first use was ended.',
});

export const deviceGrantBegun = defineAuditEvent({
  type: 'oauth.device_asked',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A device asked to act for a user it does not know yet.',
});

export const deviceGrantDecided = defineAuditEvent({
  type: 'oauth.device_decided',
  durability: 'durable',
  outcomes: ['ok', 'denied'],
  meaning: 'A user allowed a device to act for them, or denied it.',
});
