const APPS = 'App developers';
const SERVICES = 'Services that receive tokens';
const ADMINISTRATORS = 'Administrators';
const OFFICERS = 'Privacy, compliance and audit';
const OPERATORS = 'Operators';

/** Groups of operations in the order of the reference, with the readers they are for. */
export const TAGS = {
  'Users and sessions': { audience: APPS, description: 'Sign users up, in and out' },
  Accounts: { audience: APPS, description: 'Verify addresses, reset passwords, change accounts' },
  'Second factors': { audience: APPS, description: 'Second factors and passkeys' },
  Sessions: { audience: APPS, description: 'List and end sessions' },
  OAuth: { audience: APPS, description: 'OAuth 2 and OpenID Connect' },
  Consents: { audience: APPS, description: 'List and withdraw consents to applications' },
  'API keys': { audience: APPS, description: 'Create, rotate, revoke and verify API keys' },
  Agents: { audience: APPS, description: 'Register, list and kill agents' },
  'Sign-off': { audience: APPS, description: 'Have people approve risky acts, and run them once' },
  MCP: { audience: APPS, description: 'Call tools as an MCP client' },
  Tokens: { audience: SERVICES, description: 'Issue, validate, refresh and revoke tokens' },
  Keys: { audience: SERVICES, description: 'Publish, rotate and revoke signing keys' },
  Revocations: { audience: SERVICES, description: 'Follow revocations' },
  Discovery: { audience: SERVICES, description: 'Find endpoints and what they support' },
  Users: { audience: ADMINISTRATORS, description: 'Administer accounts and the roles of users' },
  Roles: { audience: ADMINISTRATORS, description: 'Define roles' },
  Clients: { audience: ADMINISTRATORS, description: 'Register OAuth clients and change them' },
  Migration: { audience: ADMINISTRATORS, description: 'Move users and their sessions here from another provider' },
  Applications: { audience: ADMINISTRATORS, description: 'Declare applications with their permissions and roles' },
  Incidents: { audience: ADMINISTRATORS, description: 'Follow up security incidents' },
  Privacy: { audience: OFFICERS, description: 'Encrypt health data, and account for its use' },
  Compliance: { audience: OFFICERS, description: 'Controls, reports and violations' },
  Audit: { audience: OFFICERS, description: 'Read and verify the audit log' },
  Console: { audience: OPERATORS, description: 'The admin console and its backend; not a stable interface' },
  Operations: { audience: OPERATORS, description: 'Health and queues' },
  Monitoring: { audience: OPERATORS, description: 'Dashboard, security reports and capacity' },
  'Shared signals': { audience: OPERATORS, description: 'Exchange security events with other systems (SSF, CAEP)' },
  Alerts: { audience: OPERATORS, description: 'Send alerts to people and systems, and silence them' },
  'Hand-off': { audience: OPERATORS, description: 'Events that an endpoint did not accept' },
  Documentation: { audience: OPERATORS, description: 'This reference' },
} as const satisfies Readonly<Record<string, { readonly audience: string; readonly description: string }>>;

export type Tag = keyof typeof TAGS;
