import { createHmac } from 'node:crypto';

export type DemoLogin = {
  readonly email: string;
  readonly name: string;
  readonly password: string;
  readonly roles: readonly string[];
};

export type DemoScenario = {
  readonly user: DemoLogin;
  readonly admin: DemoLogin;
  readonly client: {
    readonly clientId: string;
    readonly clientSecret: string;
    readonly name: string;
    readonly grantTypes: readonly string[];
    /** Of loopback addresses any port will do. */
    readonly redirectUris: readonly string[];
    /** What a login through the client may ask for. */
    readonly scopes: readonly string[];
    /** What its client-credentials tokens may carry; those that name permissions are its own. */
    readonly credentialScopes: readonly string[];
    /** Whom its tokens may be for; `*`: anybody. */
    readonly audiences: readonly string[];
  };
};

const PERMISSIONS = [
  'tokens:issue',
  'tokens:read',
  'tokens:revoke',
  'tokens:introspect',
  'revocations:read',
  'keys:read',
  'keys:manage',
  'audit:read',
];
const ALL_ROLES = ['admin', 'agent', 'auditor', 'compliance', 'operator'];
const DEMO_SCOPES = ['tasks:read', 'tasks:write'];

/**
 * The demo people and client. Their secrets come from the installation's own secret, so that every start with the
 * same secret names the same ones and no two installations share any.
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
      grantTypes: [
        'authorization_code',
        'refresh_token',
        'client_credentials',
        'urn:ietf:params:oauth:grant-type:device_code',
        'urn:ietf:params:oauth:grant-type:token-exchange',
      ],
      redirectUris: ['http://127.0.0.1/callback', 'http://localhost/callback', 'http://[::1]/callback'],
      scopes: ['openid', 'profile', 'email', 'offline_access', ...DEMO_SCOPES],
      credentialScopes: [...PERMISSIONS, ...DEMO_SCOPES],
      audiences: ['*'],
    },
  };
}
