import type { ComponentType } from 'preact';
import type { IconName } from './parts/icons.tsx';
import { inLanguages } from './texts/languages.ts';

/** Titles of the pages, as the navigation shows them. */
export const titles = inLanguages({
  en: {
    overview: 'Overview',
    people: 'People',
    person: 'Person',
    stream: 'Live events',
    incidents: 'Incidents',
    incident: 'Incident',
    keys: 'Signing keys',
    audit: 'Audit log',
    auditEvent: 'Event',
    compliance: 'Compliance',
    report: 'Report',
    verifyReport: 'Verify a bundle',
    sessions: 'Sessions',
    inspector: 'Token inspector',
    clients: 'Clients',
    client: 'Client',
    apiKeys: 'API keys',
    applications: 'Applications',
    roles: 'Roles',
    signals: 'Shared signals',
    imports: 'Imports and backups',
    import: 'Import',
    queues: 'Queues',
    deadLetter: 'Dead letter',
    alerts: 'Alerts',
    alertTarget: 'Target of alerts',
    agents: 'Agents',
    agent: 'Agent',
    signoffs: 'Sign-offs',
    signoff: 'Sign-off',
  },
  de: {
    overview: 'Übersicht',
    people: 'Personen',
    person: 'Person',
    stream: 'Ereignisse live',
    incidents: 'Vorfälle',
    incident: 'Vorfall',
    keys: 'Signaturschlüssel',
    audit: 'Audit-Protokoll',
    auditEvent: 'Ereignis',
    compliance: 'Compliance',
    report: 'Bericht',
    verifyReport: 'Ein Paket prüfen',
    sessions: 'Sitzungen',
    inspector: 'Token-Prüfung',
    clients: 'Clients',
    client: 'Client',
    apiKeys: 'API-Schlüssel',
    applications: 'Anwendungen',
    roles: 'Rollen',
    signals: 'Geteilte Signale',
    imports: 'Importe und Sicherungen',
    import: 'Import',
    queues: 'Warteschlangen',
    deadLetter: 'Gescheiterter Job',
    alerts: 'Alarme',
    alertTarget: 'Ziel von Alarmen',
    agents: 'Agenten',
    agent: 'Agent',
    signoffs: 'Freigaben',
    signoff: 'Freigabe',
  },
});
type PageName = keyof typeof titles.en;

export type Page = {
  readonly name: PageName;
  /** Below `/console`; `:id` is a part of the address. */
  readonly path: `/${string}`;
  /** Without it the API answers 403, and the navigation leaves the page out. */
  readonly permission?: string;
  /** The wing that the page belongs to. */
  readonly wing?: string;
  /** Its place in the navigation; without one it is reached from another page. */
  readonly at?: { readonly group: 'live' | 'access' | 'evidence'; readonly icon: IconName; readonly key: string };
  /** A chunk of its own, loaded when the page is opened. */
  readonly load: () => Promise<{ readonly Page: ComponentType<PageProps> }>;
};
export type PageProps = { readonly params: Readonly<Record<string, string>> };

/** Every page of the console, in the order of the navigation. The router, the navigation and the palette fold over it. */
export const pages: readonly Page[] = [
  {
    name: 'overview',
    path: '/',
    at: { group: 'live', icon: 'overview', key: 'o' },
    load: () => import('./pages/overview.tsx'),
  },
  {
    name: 'people',
    path: '/people',
    permission: 'users:read',
    at: { group: 'access', icon: 'people', key: 'p' },
    load: () => import('./pages/people.tsx'),
  },
  {
    name: 'sessions',
    path: '/sessions',
    permission: 'sessions:read',
    at: { group: 'live', icon: 'sessions', key: 's' },
    load: () => import('./pages/sessions.tsx'),
  },
  {
    name: 'inspector',
    path: '/inspector',
    at: { group: 'live', icon: 'token', key: 't' },
    load: () => import('./pages/inspector.tsx'),
  },
  { name: 'person', path: '/people/:id', permission: 'users:read', load: () => import('./pages/person.tsx') },
  {
    name: 'stream',
    path: '/stream',
    permission: 'audit:read',
    at: { group: 'live', icon: 'stream', key: 'e' },
    load: () => import('./pages/stream.tsx'),
  },
  {
    name: 'incidents',
    path: '/incidents',
    permission: 'incidents:read',
    at: { group: 'live', icon: 'incidents', key: 'i' },
    load: () => import('./pages/incidents.tsx'),
  },
  {
    name: 'incident',
    path: '/incidents/:id',
    permission: 'incidents:read',
    load: () => import('./pages/incident.tsx'),
  },
  {
    name: 'alerts',
    path: '/alerts',
    permission: 'alerts:read',
    at: { group: 'live', icon: 'alerts', key: 'n' },
    load: () => import('./pages/alerts.tsx'),
  },
  {
    name: 'alertTarget',
    path: '/alerts/targets/:id',
    permission: 'alerts:read',
    load: () => import('./pages/alert-target.tsx'),
  },
  {
    name: 'queues',
    path: '/queues',
    permission: 'queues:manage',
    at: { group: 'live', icon: 'queues', key: 'q' },
    load: () => import('./pages/queues.tsx'),
  },
  {
    name: 'deadLetter',
    path: '/queues/dead/:queue/:id',
    permission: 'queues:manage',
    load: () => import('./pages/dead-letter.tsx'),
  },
  {
    name: 'imports',
    path: '/imports',
    permission: 'imports:read',
    at: { group: 'live', icon: 'imports', key: 'm' },
    load: () => import('./pages/imports.tsx'),
  },
  { name: 'import', path: '/imports/:id', permission: 'imports:read', load: () => import('./pages/import.tsx') },
  {
    name: 'keys',
    path: '/keys',
    permission: 'keys:read',
    at: { group: 'live', icon: 'keys', key: 'y' },
    load: () => import('./pages/keys.tsx'),
  },
  {
    name: 'audit',
    path: '/audit',
    permission: 'audit:read',
    at: { group: 'evidence', icon: 'audit', key: 'a' },
    load: () => import('./pages/audit.tsx'),
  },
  { name: 'auditEvent', path: '/audit/:id', permission: 'audit:read', load: () => import('./pages/audit-event.tsx') },
  {
    name: 'compliance',
    path: '/compliance',
    permission: 'compliance:read',
    wing: 'compliance',
    at: { group: 'evidence', icon: 'compliance', key: 'c' },
    load: () => import('./pages/compliance.tsx'),
  },
  {
    name: 'report',
    path: '/compliance/reports/:id',
    permission: 'compliance:read',
    wing: 'compliance',
    load: () => import('./pages/report.tsx'),
  },
  {
    name: 'verifyReport',
    path: '/compliance/verify',
    permission: 'compliance:read',
    wing: 'compliance',
    load: () => import('./pages/verify-report.tsx'),
  },
  {
    name: 'roles',
    path: '/roles',
    permission: 'roles:read',
    at: { group: 'access', icon: 'roles', key: 'r' },
    load: () => import('./pages/roles.tsx'),
  },
  {
    name: 'clients',
    path: '/clients',
    permission: 'clients:read',
    at: { group: 'access', icon: 'clients', key: 'l' },
    load: () => import('./pages/clients.tsx'),
  },
  { name: 'client', path: '/clients/:id', permission: 'clients:read', load: () => import('./pages/client.tsx') },
  {
    name: 'apiKeys',
    path: '/api-keys',
    permission: 'api_keys:read',
    at: { group: 'access', icon: 'apiKeys', key: 'b' },
    load: () => import('./pages/api-keys.tsx'),
  },
  {
    name: 'signals',
    path: '/signals',
    permission: 'signals:read',
    at: { group: 'access', icon: 'signals', key: 'h' },
    load: () => import('./pages/signals.tsx'),
  },
  {
    name: 'applications',
    path: '/applications',
    permission: 'applications:read',
    at: { group: 'access', icon: 'applications', key: 'd' },
    load: () => import('./pages/applications.tsx'),
  },
  {
    name: 'agents',
    path: '/agents',
    permission: 'agents:read',
    wing: 'agents',
    at: { group: 'access', icon: 'agents', key: 'w' },
    load: () => import('./pages/agents.tsx'),
  },
  {
    name: 'agent',
    path: '/agents/:id',
    permission: 'agents:read',
    wing: 'agents',
    load: () => import('./pages/agent.tsx'),
  },
  {
    name: 'signoffs',
    path: '/signoffs',
    permission: 'signoffs:read',
    wing: 'signoff',
    at: { group: 'evidence', icon: 'signoffs', key: 'f' },
    load: () => import('./pages/signoffs.tsx'),
  },
  {
    name: 'signoff',
    path: '/signoffs/:id',
    permission: 'signoffs:read',
    wing: 'signoff',
    load: () => import('./pages/signoff.tsx'),
  },
];
