import { describe, expect, test } from 'vitest';
import { exampleAct } from './example-facts.ts';
import {
  acceptedRevokedTokens,
  answersOfOlderDatabase,
  doubleSuccessors,
  forks,
  type Gate,
  ineffectiveRevocations,
  isFailed,
  serverErrors,
  wrongfulRefusals,
} from './gates.ts';
import { type Access, createLedger, type Ledger, type Refresh, recordTokens, type TokenCheck } from './ledger.ts';

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const FAMILY = '01a20686-5f10-76ff-9ad0-3a7a29880b75';

function accessIn(ledger: Ledger, jti = 'token-1', generation = 0): Access {
  const access_token = `${part({ kid: 'key-1' })}.${part({ jti, fid: FAMILY, sub: 'user-1' })}.signature`;
  return recordTokens(ledger, { access_token, refresh_token: `sp_rt_1.family.${generation}.nonce.mac` }, 1_000);
}

const tokenCheck = (access: Access, over: Partial<TokenCheck> = {}): TokenCheck => ({
  access,
  copy: 'A',
  sentAtMs: 8_000,
  answeredAtMs: 8_010,
  result: 'active',
  ...over,
});

const refresh = ({ family }: Access, over: Partial<Refresh> = {}): Refresh => ({
  family,
  generation: 0,
  copy: 'A',
  sentAtMs: 8_000,
  answeredAtMs: 8_010,
  status: 200,
  code: '',
  successor: 'next',
  ...over,
});

const findingsOf = ({ findings }: { readonly findings: readonly unknown[] }): number => findings.length;
const revoked = { cause: 'revocation', sentAtMs: 4_900, ackedAtMs: 5_000 };

describe('wrong accepts', () => {
  test.each([
    ['before', 2_000, 1],
    ['while', 500, 0],
  ])('a family given %s everything was ended', (_, sentAtMs, findings) => {
    const ledger = createLedger();
    ledger.tokenChecks.push(tokenCheck(accessIn(ledger)));
    ledger.globalRevocations.push({ cause: 'accepted loss', sentAtMs, ackedAtMs: 3_000 });
    expect(findingsOf(acceptedRevokedTokens(ledger))).toBe(findings);
  });

  test.each([
    ['an active token, shown two seconds after its revocation was acknowledged', 7_000, 'active', 1],
    ['a refused one', 7_000, 'revoked', 0],
    ['an active one within two seconds', 6_999, 'active', 0],
  ])('%s', (_, sentAtMs, result, findings) => {
    const ledger = createLedger();
    const access = accessIn(ledger);
    access.revocations.push(revoked);
    ledger.tokenChecks.push(tokenCheck(access, { sentAtMs, result }));
    expect(findingsOf(acceptedRevokedTokens(ledger))).toBe(findings);
  });

  test('an end that was not acknowledged binds the product to nothing', () => {
    const ledger = createLedger();
    const access = accessIn(ledger);
    access.revocations.push({ cause: 'revocation', sentAtMs: 1 });
    ledger.tokenChecks.push(tokenCheck(access));
    expect(acceptedRevokedTokens(ledger)).toMatchObject({ checked: 0, findings: [] });
  });

  test.each<[string, (ledger: Ledger, access: Access) => unknown]>([
    ['a family', (_, access) => access.family.revocations.push(revoked)],
    ['a signing key', (ledger) => ledger.keyRevocations.set('key-1', [revoked])],
    ['everything', (ledger) => ledger.globalRevocations.push(revoked)],
  ])('a token that is active after the end of %s, also when all is well again', (_, end) => {
    const ledger = createLedger();
    const access = accessIn(ledger);
    end(ledger, access);
    ledger.tokenChecks.push(tokenCheck(access), tokenCheck(access, { sentAtMs: 60_000 }));
    expect(findingsOf(acceptedRevokedTokens(ledger))).toBe(2);
    expect(ineffectiveRevocations(ledger)).toMatchObject({ checked: 1, findings: [{}] });
  });

  test('a refresh of an ended family, at once', () => {
    const ledger = createLedger();
    const access = accessIn(ledger);
    access.family.revocations.push(revoked);
    ledger.refreshes.push(refresh(access, { sentAtMs: 5_000 }), refresh(access, { sentAtMs: 4_999 }));
    expect(findingsOf(acceptedRevokedTokens(ledger))).toBe(1);
  });

  test('a compromised key ends no family', () => {
    const ledger = createLedger();
    const access = accessIn(ledger);
    ledger.keyRevocations.set('key-1', [revoked]);
    ledger.refreshes.push(refresh(access));
    expect(findingsOf(acceptedRevokedTokens(ledger))).toBe(0);
  });
});

test.each([
  ['the same successor twice', 'next', 0],
  ['two successors of one generation', 'other', 1],
])('double successors: %s', (_, successor, findings) => {
  const ledger = createLedger();
  const access = accessIn(ledger);
  ledger.refreshes.push(refresh(access), refresh(access, { copy: 'B', successor }));
  expect(findingsOf(doubleSuccessors(ledger))).toBe(findings);
});

describe('wrongful ends', () => {
  test.each([
    ['a refresh refused without a cause', {}, 1],
    ['an ended session without a cause', { code: 'session_ended' }, 1],
    ['after an end that was asked for, acknowledged or not', { endedAtMs: 7_000 }, 0],
    ['before that end was asked for', { endedAtMs: 9_000 }, 1],
    ['of a client that gave up', { isAbandoned: true }, 0],
    ['of a user whose tokens attackers have', { isExposed: true }, 0],
  ] as [string, { endedAtMs?: number; isAbandoned?: boolean; isExposed?: boolean; code?: string }, number][])(
    '%s',
    (_, { endedAtMs, isAbandoned, isExposed, code = 'refresh_token_reused' }, findings) => {
      const ledger = createLedger();
      const access = accessIn(ledger);
      if (endedAtMs) access.family.revocations.push({ cause: 'revocation', sentAtMs: endedAtMs });
      if (isAbandoned) access.family.isAbandoned = true;
      if (isExposed) ledger.exposedUsers.add('user-1');
      ledger.refreshes.push(refresh(access, { status: 401, code }));
      const gate = wrongfulRefusals(ledger);
      expect(gate.findings).toEqual(
        Array(findings).fill({ text: expect.stringContaining(code), subject: access.family }),
      );
    },
  );

  test.each([
    ['family_reused', 1],
    ['expired', 0],
    ['active', 0],
  ])('a good access token that is %s', (result, findings) => {
    const ledger = createLedger();
    ledger.tokenChecks.push(tokenCheck(accessIn(ledger), { result }));
    expect(findingsOf(wrongfulRefusals(ledger))).toBe(findings);
  });
});

describe('an older database', () => {
  test.each([
    ['a refresh', (ledger: Ledger) => ledger.refreshes.push(refresh(accessIn(ledger))), 1],
    ['a new family', (ledger: Ledger) => ledger.acts.push(exampleAct({ sentAtMs: 7_500, ackedAtMs: 7_600 })), 1],
    ['nothing', (ledger: Ledger) => ledger.refreshes.push(refresh(accessIn(ledger), { status: 503 })), 0],
    ['what was asked before it', (ledger: Ledger) => ledger.acts.push(exampleAct()), 0],
    [
      'what came with its loss',
      (ledger: Ledger) => ledger.acts.push(exampleAct({ sentAtMs: 8_850, ackedAtMs: 8_950 })),
      0,
    ],
    ['what was asked after the loss', (ledger: Ledger) => ledger.acts.push(exampleAct({ sentAtMs: 9_500 })), 0],
  ] as [string, (ledger: Ledger) => unknown, number][])('gives %s', (_, fill, findings) => {
    const ledger = createLedger();
    ledger.rewinds.push({ backupAtMs: 1_000, startedAtMs: 7_000, acceptingAtMs: 8_900, acceptedAtMs: 9_000 });
    fill(ledger);
    expect(findingsOf(answersOfOlderDatabase(ledger))).toBe(findings);
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
  expect(findingsOf(serverErrors(ledger))).toBe(findings);
});

test.each([
  ['the root of the leaves', ['root'], 0],
  ['two roots of one size', ['root', 'other'], 2],
  ['a root that the leaves do not give', ['other'], 1],
])('heads: %s', (_, roots, findings) => {
  const ledger = createLedger();
  for (const root of roots) ledger.heads.push({ copy: 'A', origin: 'log', size: 3, root, atMs: 0 });
  expect(findingsOf(forks(ledger, () => 'root'))).toBe(findings);
});

test.each([
  ['still active', 'active', 1],
  ['refused', 'revoked', 0],
])('a token whose end was acknowledged is %s when all is well again', (_, result, findings) => {
  const ledger = createLedger();
  const access = accessIn(ledger);
  access.revocations.push(revoked);
  ledger.tokenChecks.push(tokenCheck(access, { sentAtMs: 7_500 }), tokenCheck(access, { sentAtMs: 60_000, result }));
  expect(findingsOf(ineffectiveRevocations(ledger))).toBe(findings);
});

test.each([
  [200, 1],
  [401, 0],
])(
  'an acknowledged end that did not happen shows as a refresh of an ended family that is answered %i',
  (status, findings) => {
    const ledger = createLedger();
    const access = accessIn(ledger);
    access.family.revocations.push(revoked);
    ledger.refreshes.push(refresh(access, { sentAtMs: 60_000, status }));
    expect(ineffectiveRevocations(ledger)).toMatchObject({ checked: 1 });
    expect(findingsOf(ineffectiveRevocations(ledger))).toBe(findings);
  },
);

test.each([
  ['wrong accepts', acceptedRevokedTokens],
  ['double successors', doubleSuccessors],
  ['wrongful ends', wrongfulRefusals],
  ['ineffective ends', ineffectiveRevocations],
  ['an older database', answersOfOlderDatabase],
  ['5xx', serverErrors],
  ['forks', (ledger: Ledger) => forks(ledger, () => undefined)],
] as [string, (ledger: Ledger) => Gate][])('%s: a ledger without facts fails', (_, gate) => {
  const checked = gate(createLedger());
  expect(checked).toMatchObject({ checked: 0, findings: [] });
  expect([isFailed(checked), isFailed({ ...checked, excludedBy: '--faults' })]).toEqual([true, false]);
});
