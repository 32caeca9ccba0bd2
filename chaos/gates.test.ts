import { describe, expect, test } from 'vitest';
import {
  auditedActs,
  doubleSuccessors,
  forks,
  giftsOfOlderDatabase,
  serverErrors,
  untrueEnds,
  wrongAccepts,
  wrongfulEnds,
} from './gates.ts';
import { type Access, type Act, createLedger, given, type Ledger, type Refresh, type Showing } from './ledger.ts';

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const FAMILY = '01a20686-5f10-76ff-9ad0-3a7a29880b75';

function accessIn(ledger: Ledger, jti = 'token-1', generation = 0): Access {
  const access_token = `${part({ kid: 'key-1' })}.${part({ jti, fid: FAMILY, sub: 'user-1' })}.signature`;
  return given(ledger, { access_token, refresh_token: `sp_rt_1.family.${generation}.nonce.mac` }, 1_000);
}

const showing = (access: Access, over: Partial<Showing> = {}): Showing => ({
  access,
  copy: 'A',
  sentAtMs: 8_000,
  answeredAtMs: 8_010,
  verdict: 'active',
  ...over,
});

const refresh = ({ login }: Access, over: Partial<Refresh> = {}): Refresh => ({
  login,
  generation: 0,
  copy: 'A',
  sentAtMs: 8_000,
  answeredAtMs: 8_010,
  status: 200,
  code: '',
  successor: 'next',
  ...over,
});

const act = (over: Partial<Act> = {}): Act => ({
  kind: 'issue',
  events: ['token.family_created'],
  isRepeatable: false,
  traceIds: ['trace-1'],
  subject: null,
  sentAtMs: 2_000,
  ackedAtMs: 2_100,
  ...over,
});

const broken = ({ findings }: { readonly findings: readonly unknown[] }): number => findings.length;
const revoked = { cause: 'revocation', sentAtMs: 4_900, ackedAtMs: 5_000 };

describe('wrong accepts', () => {
  test.each([
    ['before', 2_000, 1],
    ['while', 500, 0],
  ])('a login given %s everything was ended', (_, sentAtMs, findings) => {
    const ledger = createLedger();
    ledger.showings.push(showing(accessIn(ledger)));
    ledger.totalEndings.push({ cause: 'accepted loss', sentAtMs, ackedAtMs: 3_000 });
    expect(broken(wrongAccepts(ledger))).toBe(findings);
  });

  test.each([
    ['an active token, shown two seconds after its revocation was acknowledged', 7_000, 'active', 1],
    ['a refused one', 7_000, 'revoked', 0],
    ['an active one within two seconds', 6_999, 'active', 0],
  ])('%s', (_, sentAtMs, verdict, findings) => {
    const ledger = createLedger();
    const access = accessIn(ledger);
    access.endings.push(revoked);
    ledger.showings.push(showing(access, { sentAtMs, verdict }));
    expect(broken(wrongAccepts(ledger))).toBe(findings);
  });

  test('an end that was not acknowledged binds the product to nothing', () => {
    const ledger = createLedger();
    const access = accessIn(ledger);
    access.endings.push({ cause: 'revocation', sentAtMs: 1 });
    ledger.showings.push(showing(access));
    expect(wrongAccepts(ledger)).toMatchObject({ checked: 0, findings: [] });
  });

  test.each(['login', 'key', 'everything'] as const)('ends with its %s', (of) => {
    const ledger = createLedger();
    const access = accessIn(ledger);
    if (of === 'login') access.login.endings.push(revoked);
    if (of === 'key') ledger.keyEndings.set('key-1', [revoked]);
    if (of === 'everything') ledger.totalEndings.push(revoked);
    ledger.showings.push(showing(access));
    expect(broken(wrongAccepts(ledger))).toBe(1);
  });

  test('a refresh of an ended login, at once', () => {
    const ledger = createLedger();
    const access = accessIn(ledger);
    access.login.endings.push(revoked);
    ledger.refreshes.push(refresh(access, { sentAtMs: 5_000 }), refresh(access, { sentAtMs: 4_999 }));
    expect(broken(wrongAccepts(ledger))).toBe(1);
  });

  test('a compromised key ends no login', () => {
    const ledger = createLedger();
    const access = accessIn(ledger);
    ledger.keyEndings.set('key-1', [revoked]);
    ledger.refreshes.push(refresh(access));
    expect(broken(wrongAccepts(ledger))).toBe(0);
  });
});

test.each([
  ['the same successor twice', 'next', 0],
  ['two successors of one generation', 'other', 1],
])('double successors: %s', (_, successor, findings) => {
  const ledger = createLedger();
  const access = accessIn(ledger);
  ledger.refreshes.push(refresh(access), refresh(access, { copy: 'B', successor }));
  expect(broken(doubleSuccessors(ledger))).toBe(findings);
});

describe('wrongful ends', () => {
  test.each([
    ['a refresh refused without a cause', {}, 1],
    ['after an end that was asked for, acknowledged or not', { endedAtMs: 7_000 }, 0],
    ['before that end was asked for', { endedAtMs: 9_000 }, 1],
    ['of a client that gave up', { isAbandoned: true }, 0],
    ['of a user whose tokens thieves have', { isExposed: true }, 0],
  ] as [string, { endedAtMs?: number; isAbandoned?: boolean; isExposed?: boolean }, number][])(
    '%s',
    (_, { endedAtMs, isAbandoned, isExposed }, findings) => {
      const ledger = createLedger();
      const access = accessIn(ledger);
      if (endedAtMs) access.login.endings.push({ cause: 'revocation', sentAtMs: endedAtMs });
      if (isAbandoned) access.login.isAbandoned = true;
      if (isExposed) ledger.exposedUsers.add('user-1');
      ledger.refreshes.push(refresh(access, { status: 401, code: 'refresh_token_reused' }));
      expect(broken(wrongfulEnds(ledger))).toBe(findings);
    },
  );

  test.each([
    ['family_reused', 1],
    ['expired', 0],
    ['active', 0],
  ])('a good access token that is %s', (verdict, findings) => {
    const ledger = createLedger();
    ledger.showings.push(showing(accessIn(ledger), { verdict }));
    expect(broken(wrongfulEnds(ledger))).toBe(findings);
  });
});

describe('audited acts', () => {
  const events = (n: number): Map<string, Map<string, number>> =>
    new Map([['trace-1', new Map([['token.family_created', n]])]]);

  test.each([
    ['acknowledged and written', act(), 1, 0],
    ['acknowledged and missing', act(), 0, 1],
    ['written twice', act(), 2, 1],
    ['written twice by two repeatable requests', act({ isRepeatable: true, traceIds: ['trace-1', 'trace-2'] }), 2, 0],
    ['written twice by two requests of one act', act({ traceIds: ['trace-1', 'trace-2'] }), 2, 1],
  ] as [string, Act, number, number][])('%s', (_, done, written, findings) => {
    const ledger = createLedger();
    ledger.acts.push(done);
    expect(broken(auditedActs(ledger, events(written)))).toBe(findings);
  });

  test.each([
    ['not acknowledged and missing', 0, 0],
    ['not acknowledged and written twice', 2, 1],
  ])('%s', (_, written, findings) => {
    const { ackedAtMs: _unused, ...unanswered } = act();
    const ledger = createLedger();
    ledger.acts.push(unanswered);
    expect(broken(auditedActs(ledger, events(written)))).toBe(findings);
  });

  test('what an accepted loss took is not missing; what came before the backup is', () => {
    const ledger = createLedger();
    ledger.rewinds.push({ backupAtMs: 2_050, startedAtMs: 3_000, acceptedAtMs: 4_000 });
    ledger.acts.push(act());
    expect(broken(auditedActs(ledger, events(0)))).toBe(0);
    ledger.acts.push(act({ sentAtMs: 1_000, ackedAtMs: 2_000 }), act({ sentAtMs: 4_001, ackedAtMs: 4_100 }));
    expect(broken(auditedActs(ledger, events(0)))).toBe(2);
  });
});

describe('an older database', () => {
  test.each([
    ['a refresh', (ledger: Ledger) => ledger.refreshes.push(refresh(accessIn(ledger))), 1],
    ['a new login', (ledger: Ledger) => ledger.acts.push(act({ sentAtMs: 7_500, ackedAtMs: 7_600 })), 1],
    ['nothing', (ledger: Ledger) => ledger.refreshes.push(refresh(accessIn(ledger), { status: 503 })), 0],
    ['what was asked before it', (ledger: Ledger) => ledger.acts.push(act()), 0],
    [
      'what was answered while the loss was accepted',
      (ledger: Ledger) => ledger.acts.push(act({ sentAtMs: 8_850, ackedAtMs: 8_950 })),
      0,
    ],
    ['what was asked after the loss', (ledger: Ledger) => ledger.acts.push(act({ sentAtMs: 9_500 })), 0],
  ] as [string, (ledger: Ledger) => unknown, number][])('gives %s', (_, fill, findings) => {
    const ledger = createLedger();
    ledger.rewinds.push({ backupAtMs: 1_000, startedAtMs: 7_000, acceptingAtMs: 8_900, acceptedAtMs: 9_000 });
    fill(ledger);
    expect(broken(giftsOfOlderDatabase(ledger))).toBe(findings);
  });
});

test.each([
  [503, 'store_unavailable', true, 0],
  [503, 'store_unavailable', false, 1],
  [503, undefined, true, 1],
  [500, 'internal_error', true, 1],
])('an answer of %i %s, with Retry-After: %s', (status, code, hasRetryAfter, findings) => {
  const ledger = createLedger();
  ledger.serverErrors.push({ copy: 'A', path: '/', status, code, hasRetryAfter, traceId: '', atMs: 0 });
  expect(broken(serverErrors(ledger))).toBe(findings);
});

test.each([
  ['the root of the leaves', ['root'], 0],
  ['two roots of one size', ['root', 'other'], 2],
  ['a root that the leaves do not give', ['other'], 1],
])('heads: %s', (_, roots, findings) => {
  const ledger = createLedger();
  for (const root of roots) ledger.heads.push({ copy: 'A', origin: 'log', size: 3, root, atMs: 0 });
  expect(broken(forks(ledger, () => 'root'))).toBe(findings);
});

test.each([
  ['still active', 'active', 1],
  ['refused', 'revoked', 0],
])('a token whose end was acknowledged is %s when all is well again', (_, verdict, findings) => {
  const ledger = createLedger();
  const access = accessIn(ledger);
  access.endings.push(revoked);
  ledger.showings.push(showing(access, { sentAtMs: 7_500 }), showing(access, { sentAtMs: 60_000, verdict }));
  expect(broken(untrueEnds(ledger))).toBe(findings);
});
