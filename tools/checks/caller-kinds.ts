/** A source file, relative to the repository. */
export type Source = { readonly path: string; readonly text: string };

type Named = { readonly path: string; readonly expression: string; readonly reason: string };

const STORED_EVENT = 'the target or actor of a stored event';
/** Comparisons that look like one of a caller and are none: they read a stored row, or what a mail's reader presents. */
const NOT_A_CALLER: readonly Named[] = Object.entries({
  'services/core/api-keys/api-keys.store.ts': ['the owner of a stored key', 'kind', 'owner.kind'],
  'services/wings/outbound/handoff/plan-deliveries.ts': [STORED_EVENT, 'target?.kind', 'actor.kind'],
  'services/wings/outbound/signals/caep-events.ts': [STORED_EVENT, 'target?.kind', 'actor.kind'],
  'services/wings/outbound/handoff/siem/to-ocsf.ts': [STORED_EVENT, 'target?.kind', 'target.kind', 'actor.kind'],
  'services/wings/outbound/handoff/siem/to-ecs.ts': [STORED_EVENT, 'target?.kind', 'actor.kind'],
  'services/core/security/sighting-of.ts': [STORED_EVENT, 'event.target?.kind', 'subject.kind'],
  'services/core/identity/accounts/code-reader.ts': ['the reader of a mail', 'reader.by'],
  'services/api/routes/account-pages.ts': ['the reader of a mail', '.by'],
  'services/pages/signoff-pages.ts': ['the requester of a stored sign-off', 'kind'],
  'services/wings/signoff/read-names.ts': ['the requester of a stored sign-off', 'kind'],
}).flatMap(([path, [reason = '', ...expressions]]) => expressions.map((expression) => ({ path, expression, reason })));

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
