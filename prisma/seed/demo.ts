import { createHmac } from 'node:crypto';
import { tokensIssue } from '#services/core/access/permissions.ts';
import { auditRead } from '#services/core/audit/permissions.ts';
import type { SeedClient, SeedUser } from '#services/core/identity/seed/seed-demo.ts';
import { keysManage, keysRead } from '#services/core/keys/permissions.ts';
import { revocationsRead } from '#services/core/revocations/permissions.ts';
import { tokensIntrospect, tokensRead, tokensRevoke } from '#services/core/tokens/permissions.ts';

export type DemoScenario = { readonly user: SeedUser; readonly admin: SeedUser; readonly client: SeedClient };

const PERMISSIONS = [
  tokensIssue.name,
  tokensRead.name,
  tokensRevoke.name,
  tokensIntrospect.name,
  revocationsRead.name,
  keysRead.name,
  keysManage.name,
  auditRead.name,
];
const ALL_ROLES = ['admin', 'agent', 'auditor', 'compliance', 'operator'];
const DEMO_SCOPES = ['tasks:read', 'tasks:write'];

/**
 * The demo users and client. Their secrets are derived from the installation's own secret, so that every start with the
 * same secret gives the same ones and no two installations share any.
 */
export function demoScenario(authSecret: string): DemoScenario {
  const secretOf = (of: string): string =>
    createHmac('sha256', authSecret).update(`sallyport demo ${of}\0`).digest('base64url');
  return {
    user: { email: 'demo@sallyport.example', name: 'Demo', password: secretOf('user'), roles: [] },
    admin: { email: 'admin@sallyport.example', name: 'Demo admin', password: secretOf('admin'), roles: ALL_ROLES },
    client: {
      clientId: 'sallyport-demo',
      clientSecret: secretOf('client'),
      name: 'Demo client',
      grant_types: [
        'authorization_code',
        'refresh_token',
        'client_credentials',
        'urn:ietf:params:oauth:grant-type:device_code',
        'urn:ietf:params:oauth:grant-type:token-exchange',
      ],
      redirect_uris: ['http://127.0.0.1/callback', 'http://localhost/callback', 'http://[::1]/callback'],
      scopes: ['openid', 'profile', 'email', 'offline_access', ...DEMO_SCOPES],
      credential_scopes: [...PERMISSIONS, ...DEMO_SCOPES],
      audiences: ['*'],
    },
  };
}
