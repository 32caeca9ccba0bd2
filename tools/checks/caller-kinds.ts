/** A source file, relative to the repository. */
export type Source = { readonly path: string; readonly text: string };

type Named = { readonly path: string; readonly expression: string; readonly reason: string };

/** Comparisons that look like one of a caller and are none: they read a stored row, or what a mail's reader presents. */
const NOT_A_CALLER: readonly Named[] = [
  { path: 'services/core/api-keys/api-keys.store.ts', expression: 'kind', reason: 'the owner of a stored key' },
  { path: 'services/core/api-keys/api-keys.store.ts', expression: 'owner.kind', reason: 'the owner of a stored key' },
  {
    path: 'services/wings/outbound/handoff/plan-deliveries.ts',
    expression: 'target?.kind',
    reason: 'an event’s target',
  },
  { path: 'services/wings/outbound/signals/caep-events.ts', expression: 'target?.kind', reason: 'an event’s target' },
  { path: 'services/wings/outbound/signals/caep-events.ts', expression: 'actor.kind', reason: 'an event’s actor' },
  {
    path: 'services/wings/outbound/handoff/plan-deliveries.ts',
    expression: 'actor.kind',
    reason: 'the actor of a stored event',
  },
  { path: 'services/wings/outbound/handoff/siem/to-ocsf.ts', expression: 'target?.kind', reason: 'an event’s target' },
  { path: 'services/wings/outbound/handoff/siem/to-ocsf.ts', expression: 'target.kind', reason: 'an event’s target' },
  {
    path: 'services/wings/outbound/handoff/siem/to-ocsf.ts',
    expression: 'actor.kind',
    reason: 'the actor of a stored event',
  },
  { path: 'services/wings/outbound/handoff/siem/to-ecs.ts', expression: 'target?.kind', reason: 'an event’s target' },
  {
    path: 'services/wings/outbound/handoff/siem/to-ecs.ts',
    expression: 'actor.kind',
    reason: 'the actor of a stored event',
  },
  { path: 'services/core/security/sighting-of.ts', expression: 'event.target?.kind', reason: 'an event’s target' },
  { path: 'services/core/security/sighting-of.ts', expression: 'subject.kind', reason: 'the subject of an incident' },
  { path: 'services/core/identity/accounts/code-reader.ts', expression: 'reader.by', reason: 'the reader of a mail' },
  { path: 'services/api/routes/account-pages.ts', expression: '.by', reason: 'the reader of a mail' },
  { path: 'services/pages/signoff-pages.ts', expression: 'kind', reason: 'the requester of a stored sign-off' },
  { path: 'services/wings/signoff/read-names.ts', expression: 'kind', reason: 'the requester of a stored sign-off' },
];

const KIND = `'(?:user|client|agent|system|anonymous)'`;
const BY = `'(?:session|bearer|mcp|api_key|secret|assertion|certificate)'`;
const PATTERNS: readonly RegExp[] = [
  new RegExp(`([\\w.?]*\\bkind) *[!=]==? *${KIND}`, 'g'),
  new RegExp(`${KIND} *[!=]==? *([\\w.?]*\\bkind)\\b`, 'g'),
  new RegExp(`([\\w.?]*\\.by) *[!=]==? *${BY}`, 'g'),
  /\b(caller\??\.(?:kind|by))\b/g,
  /(\bcase '(?:agent|anonymous)'):/g,
  /('(?:permissions|by|ownerId|agentId)' in \w+)/g,
  /(\b(?:kind|by)\b[^{}]*\} = caller)\b/g,
];

const isTest = (path: string): boolean => /(?:\.test|-harness)\.ts$/.test(path);

/**
 * Places outside `services/core/authority/` that ask what kind of caller acts, or how it was authenticated, as
 * `path: expression`; and entries of the list above that nothing needs any more.
 */
export function callerDecisions(sources: readonly Source[], allowed = NOT_A_CALLER): readonly string[] {
  const used = new Set<Named>();
  const found = sources
    .filter(({ path }) => !path.startsWith('services/core/authority/') && !isTest(path))
    .flatMap(({ path, text }) =>
      PATTERNS.flatMap((pattern) => [...text.matchAll(pattern)].map(([, expression = '']) => ({ path, expression }))),
    )
    .filter(({ path, expression }) => {
      const entry = allowed.find((each) => each.path === path && each.expression === expression);
      if (entry !== undefined) used.add(entry);
      return entry === undefined;
    })
    .map(({ path, expression }) => `${path}: ${expression}`);
  const unused = allowed
    .filter((each) => !used.has(each))
    .map(({ path, expression }) => `unused: ${path}: ${expression}`);
  return [...new Set(found), ...unused];
}
