import { expect, test } from 'vitest';
import { isFailed } from '../../gates.ts';
import type { Answer } from '../../http.ts';
import { redeemedOnce, wrongDetails } from './grants.ts';

const [one, two] = ['a', 'b'].map((to) => ({ type: 'transfer', to })) as [Detail, Detail];
type Detail = { readonly type: string; readonly to: string };
const jwt = (claims: object): string => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.`;
const answer = (said: unknown, inToken = said, status = 200) => {
  const [body, claims] = [said, inToken].map((details) => (details ? { authorization_details: details } : {}));
  return { status, body: { ...body, access_token: jwt(claims as object) } };
};

test.each([
  ['the details that were granted', wrongDetails([one, two], answer([one, two])), false],
  ['the part that was asked for', wrongDetails([two], answer([two])), false],
  ['all, where a part was asked for', wrongDetails([two], answer([one, two])), true],
  ['a part, where all were due', wrongDetails([one, two], answer([two])), true],
  ['none', wrongDetails([one, two], answer(undefined)), true],
  ['none in the token', wrongDetails([one], answer([one], null)), true],
  ['others in the token', wrongDetails([one], answer([one], [two])), true],
  ['another member', wrongDetails([one], answer([{ ...one, more: true }])), true],
  ['more than was granted, to a request for more', wrongDetails(undefined, answer([one, two])), true],
  ['what was granted, to a request for more', wrongDetails(undefined, answer(undefined)), true],
  ['a refusal of more', wrongDetails(undefined, { status: 400, body: {} }), false],
  ['no answer', wrongDetails([one], { status: 0, body: undefined }), false],
  ['an inactive token', wrongDetails([one], { status: 200, body: { active: false } }), false],
  [
    'introspected as granted',
    wrongDetails([one], { status: 200, body: { active: true, authorization_details: [one] } }),
    false,
  ],
  ['introspected without any', wrongDetails([one], { status: 200, body: { active: true } }), true],
])('details: %s', (_, wrong, isFound) => expect(wrong !== undefined).toBe(isFound));

type Sent = Parameters<typeof redeemedOnce>[1] extends ReadonlyMap<string, readonly (infer S)[]> ? S : never;
/** What a client was told that sent the assertion in this trace: the id of its token, or a status. */
const sent = (copy: Answer['copy'], traceId: string, told: string | number, answeredAtMs = 2): Sent => {
  const said =
    typeof told === 'number' ? { status: told } : { status: 200, body: { access_token: jwt({ jti: told }) } };
  const act = { sentAtMs: 1, attempts: [{ traceId, sentAtMs: 1, endedAtMs: answeredAtMs }] };
  return { act, answer: { copy, answeredAtMs, ...said } } as unknown as Sent;
};
const rewinds = [{ backupAtMs: 10, startedAtMs: 20, acceptedAtMs: 30 }];
const logged = (...of: [trace: string, token: string][]) => of.map(([trace, token]) => ({ trace, token }));

test.each<[string, Sent[], ReturnType<typeof logged>, string[]]>([
  ['one of four', [sent('A', 'x', 't'), ...['y', 'z'].map((at) => sent('B', at, 400))], logged(['x', 't']), []],
  ['two told', [sent('A', 'x', 't'), sent('B', 'y', 'u')], [], ['several access tokens: t, u']],
  [
    'one told, another logged',
    [sent('A', 'x', 't'), sent('B', 'y', 0)],
    logged(['y', 'u']),
    ['several access tokens: t, u'],
  ],
  ['two logged, none told', [sent('A', 'x', 0), sent('B', 'y', 400)], logged(['x', 't'], ['y', 'u']), ['several']],
  ['another assertion logged', [sent('A', 'x', 't'), sent('B', 'y', 400)], logged(['x', 't'], ['w', 'u']), []],
  ['one logged, whose answer was lost', [sent('A', 'x', 400), sent('B', 'y', 400)], logged(['x', 't']), []],
  ['none, refused by both copies', [sent('A', 'x', 400), sent('B', 'y', 400)], [], ['both copies refused it']],
  ['none, refused by one copy', [sent('A', 'x', 400), sent('A', 'y', 400)], [], []],
  ['none, and one copy was away', [sent('A', 'x', 400), sent('B', 'y', 503)], [], []],
  ['two, one of which a loss took', [sent('A', 'x', 't', 15), sent('B', 'y', 'u', 31)], [], []],
])('access tokens of an assertion: %s', (_, all, log, found) => {
  const { findings } = redeemedOnce({ rewinds }, new Map([['id', all]]), log);
  expect(findings.map(({ text }) => text)).toEqual(found.map((text) => expect.stringContaining(text)));
});

test('a run without assertions fails', () => expect(isFailed(redeemedOnce({ rewinds }, new Map(), []))).toBe(true));
