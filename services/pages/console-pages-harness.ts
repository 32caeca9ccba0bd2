// For tests only: the pages of the console, as they are walked in a browser.

/**
 * Every view of an installation in use: its address, its title in both languages, and the permission that it needs.
 * `{name}` is the id or title of a row that the test wrote.
 */
export const PAGES: readonly {
  readonly path: string;
  readonly en: string;
  readonly de: string;
  readonly permission?: string;
}[] = [
  { path: '/console', en: 'Overview', de: 'Übersicht' },
  { path: '/console/people', en: 'People', de: 'Personen', permission: 'users:read' },
  { path: '/console/sessions', en: 'Sessions', de: 'Sitzungen', permission: 'sessions:read' },
  { path: '/console/inspector', en: 'Token inspector', de: 'Token-Prüfung' },
  { path: '/console/roles', en: 'Roles', de: 'Rollen', permission: 'roles:read' },
  { path: '/console/clients', en: 'Clients', de: 'Clients', permission: 'clients:read' },
  { path: '/console/clients/{client}', en: '{application}', de: '{application}', permission: 'clients:read' },
  { path: '/console/api-keys', en: 'API keys', de: 'API-Schlüssel', permission: 'api_keys:read' },
  { path: '/console/applications', en: 'Applications', de: 'Anwendungen', permission: 'applications:read' },
  { path: '/console/people/{person}', en: '{email}', de: '{email}', permission: 'users:read' },
  { path: '/console/stream', en: 'Live events', de: 'Ereignisse live', permission: 'audit:read' },
  { path: '/console/incidents', en: 'Incidents', de: 'Vorfälle', permission: 'incidents:read' },
  {
    path: '/console/incidents/{incident}',
    en: 'Credential stuffing',
    de: 'Credential stuffing',
    permission: 'incidents:read',
  },
  { path: '/console/alerts', en: 'Alerts', de: 'Alarme', permission: 'alerts:read' },
  { path: '/console/alerts?show=targets', en: 'Alerts', de: 'Alarme', permission: 'alerts:read' },
  { path: '/console/alerts?show=silences', en: 'Alerts', de: 'Alarme', permission: 'alerts:read' },
  { path: '/console/alerts/targets/{target}', en: '{target_name}', de: '{target_name}', permission: 'alerts:read' },
  { path: '/console/queues', en: 'Queues', de: 'Warteschlangen', permission: 'queues:manage' },
  { path: '/console/queues?show=schedule', en: 'Queues', de: 'Warteschlangen', permission: 'queues:manage' },
  { path: '/console/queues?show=dead', en: 'Queues', de: 'Warteschlangen', permission: 'queues:manage' },
  {
    path: '/console/queues/dead/logout/{letter}',
    en: 'send-logout-tokens',
    de: 'send-logout-tokens',
    permission: 'queues:manage',
  },
  { path: '/console/imports', en: 'Imports and backups', de: 'Importe und Sicherungen', permission: 'imports:read' },
  {
    path: '/console/imports?show=backups',
    en: 'Imports and backups',
    de: 'Importe und Sicherungen',
    permission: 'imports:read',
  },
  { path: '/console/imports/{import}', en: 'clerk', de: 'clerk', permission: 'imports:read' },
  { path: '/console/signals', en: 'Shared signals', de: 'Geteilte Signale', permission: 'signals:read' },
  {
    path: '/console/signals?show=transmitters',
    en: 'Shared signals',
    de: 'Geteilte Signale',
    permission: 'signals:read',
  },
  { path: '/console/signals?show=received', en: 'Shared signals', de: 'Geteilte Signale', permission: 'signals:read' },
  { path: '/console/signals?show=siem', en: 'Shared signals', de: 'Geteilte Signale', permission: 'signals:read' },
  { path: '/console/keys', en: 'Signing keys', de: 'Signaturschlüssel', permission: 'keys:read' },
  { path: '/console/audit', en: 'Audit log', de: 'Audit-Protokoll', permission: 'audit:read' },
  { path: '/console/audit/{event}', en: '{event_type}', de: '{event_type}', permission: 'audit:read' },
  { path: '/console/compliance', en: 'Compliance', de: 'Compliance', permission: 'compliance:read' },
];

/**
 * Every view of a new installation, which has one administrator and no worker. `none` is the title of what stands in place
 * of the content, `first` the command or button that makes the first one, if people make it.
 */
export const NEW_PAGES: readonly {
  readonly path: string;
  readonly title: string;
  readonly permission?: string;
  readonly none?: string;
  readonly first?: { readonly command: string } | { readonly button: string };
}[] = [
  { path: '', title: 'Overview', none: 'No worker has reported yet' },
  { path: '/people', title: 'People' },
  { path: '/sessions', title: 'Sessions' },
  { path: '/sessions?show=ended', title: 'Sessions', none: 'Nothing has ended yet' },
  { path: '/inspector', title: 'Token inspector' },
  { path: '/stream', title: 'Live events', none: 'Waiting for the next event' },
  { path: '/incidents', title: 'Incidents', none: 'No incident yet' },
  { path: '/alerts', title: 'Alerts', none: 'No alert yet' },
  {
    path: '/alerts?show=targets',
    title: 'Alerts',
    none: 'Alerts are sent nowhere',
    first: { button: 'Add a target' },
  },
  { path: '/alerts?show=silences', title: 'Alerts', none: 'Nothing is silenced', first: { button: 'Silence' } },
  { path: '/queues', title: 'Queues' },
  { path: '/queues?show=schedule', title: 'Queues', none: 'No worker has declared its schedule yet' },
  { path: '/queues?show=dead', title: 'Queues', none: 'Nothing failed for good' },
  {
    path: '/imports',
    title: 'Imports and backups',
    none: 'No users came from another system yet',
    first: { command: 'sallyport import clerk users.json' },
  },
  {
    path: '/imports?show=backups',
    title: 'Imports and backups',
    none: 'No restore was rehearsed yet',
    first: { command: 'sallyport backup --out' },
  },
  { path: '/keys', title: 'Signing keys' },
  { path: '/audit', title: 'Audit log', none: 'No event yet' },
  { path: '/compliance', title: 'Compliance', none: 'No report yet', first: { button: 'Make a report' } },
  { path: '/compliance/verify', title: 'Verify a bundle', permission: 'compliance:read' },
  { path: '/roles', title: 'Roles' },
  { path: '/clients', title: 'Clients' },
  {
    path: '/api-keys',
    title: 'API keys',
    none: 'There is no API key yet',
    first: { command: 'sallyport api-keys create' },
  },
  {
    path: '/signals',
    title: 'Shared signals',
    none: 'No system receives signals from here',
    first: { command: 'sallyport clients create' },
  },
  {
    path: '/signals?show=transmitters',
    title: 'Shared signals',
    none: 'No other system may end access here',
    first: { button: 'Add a transmitter' },
  },
  { path: '/signals?show=received', title: 'Shared signals', none: 'No signal was received in the last 90 days' },
  { path: '/signals?show=siem', title: 'Shared signals', none: 'The log is exported nowhere' },
  {
    path: '/applications',
    title: 'Applications',
    none: 'No application has declared its permissions',
    first: { command: 'sallyport apply permissions.yaml' },
  },
  {
    path: '/agents',
    title: 'Agents',
    permission: 'agents:read',
    none: 'There is no agent yet',
    first: { command: 'sallyport agents register' },
  },
  { path: '/signoffs', title: 'Sign-offs', permission: 'signoffs:read', none: 'No act waits for approval' },
  { path: '/signoffs?show=all', title: 'Sign-offs', none: 'No sign-off was requested yet' },
];
