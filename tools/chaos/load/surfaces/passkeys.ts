import { eventually } from '#tools/testing/eventually.ts';
import { createAuthenticator } from '#tools/testing/fakes/authenticator.ts';
import type { Answer, Request } from '../../http.ts';
import { count, isLost, now } from '../../ledger.ts';
import { PRODUCT_URL } from '../../settings.ts';
import type { Usable } from '../../surface-facts.ts';
import { alone, type User } from '../clients.ts';
import { anyCopy, newUsable, type Surface, show, type Tools } from './surface.ts';

const SURFACE = 'second factors';
const OWNERS = 2;
/** Fewer than an account may have, also if each of them is tried once more. */
const PASSKEYS_MOST = 6;
const TIMEOUT_MS = 8_000;

type Authenticator = ReturnType<typeof createAuthenticator>;
type Passkey = { readonly authenticator: Authenticator; readonly usable: Usable; isAcked: boolean };
type Owner = User & {
  readonly passkeys: Passkey[];
  /** Of the registration that gave some. */
  codes?: { readonly code: string; readonly givenAtMs: number };
};

/** Whether the answer of a sign-in opens a session; undefined if it says neither. */
const opens = ({ status, body }: Answer): boolean | undefined =>
  status === 200 ? true : body?.code === 'passkey_refused' ? false : undefined;

/**
 * Users who register passkeys. One whose answer was lost is there whole or not at all: it opens a session and the
 * password alone does not, or the other way round.
 */
export function createPasskeys(tools: Tools): Surface {
  const { ask, attempt, random, ledger } = tools;
  const owners: Owner[] = [];
  const post = (owner: Owner, path: string, json: object): Request => ({
    path: `/api/auth/passkey/${path}`,
    json,
    headers: { cookie: owner.cookie, origin: PRODUCT_URL },
    timeoutMs: TIMEOUT_MS,
  });

  async function register(owner: Owner): Promise<void> {
    if (owner.passkeys.length >= PASSKEYS_MOST) return;
    // A registration whose answer was lost may have ended the session.
    const known = owner.passkeys.findLast(({ isAcked, usable }) => isAcked && !isLost(ledger, usable.madeAtMs));
    const latest = known ?? owner.passkeys.at(-1);
    if (latest) await signIn(owner, latest);
    const asked = await ask(anyCopy(tools), post(owner, 'register/options', {}));
    if (asked.status !== 200) return;
    const { options, challenge } = asked.body;
    const authenticator = createAuthenticator();
    const json = { challenge, response: authenticator.create(options, { origin: PRODUCT_URL }), name: 'chaos' };
    const revocation = { cause: 'registration of a passkey', sentAtMs: now() };
    // The tokens of the sign-up are of one factor.
    for (const family of ledger.families.values()) if (family.userId === owner.id) family.revocations.push(revocation);
    const passkey: Passkey = {
      ...{ authenticator, isAcked: false },
      usable: newUsable({ surface: SURFACE, kind: 'passkey', id: `${owner.passkeys.length + 1} of ${owner.id}` }),
    };
    owner.passkeys.push(passkey);
    const { act, answer } = await attempt(
      { kind: revocation.cause, events: ['factor.enrolled'], isRepeatable: false, subject: null },
      () => post(owner, 'register/verify', json),
      ({ status }) => status === 201,
    );
    if (act.ackedAtMs === undefined) return;
    Object.assign(revocation, { ackedAtMs: act.ackedAtMs });
    Object.assign(passkey, { isAcked: true, usable: { ...passkey.usable, madeAtMs: act.ackedAtMs } });
    owner.cookie = answer.cookie;
    const [code] = answer.body.recovery_codes ?? [];
    if (code !== undefined) owner.codes = { code, givenAtMs: act.ackedAtMs };
    count(ledger, revocation.cause);
  }

  async function signIn(owner: Owner, { authenticator, usable, isAcked }: Passkey): Promise<Answer> {
    const copy = anyCopy(tools);
    const asked = await ask(copy, post(owner, 'sign-in/options', {}));
    if (asked.status !== 200) return asked;
    const { options, challenge } = asked.body;
    const json = { challenge, response: authenticator.get(options, { origin: PRODUCT_URL }) };
    const request = post(owner, 'sign-in/verify', json);
    const answer = await (isAcked ? show(tools, usable, copy, request, opens) : ask(copy, request));
    if (answer.status === 200) owner.cookie = answer.cookie;
    return answer;
  }

  const use = (owner: Owner | undefined): Promise<void> =>
    alone(owner, async (each) => {
      const passkey = random.pick(each.passkeys);
      if (passkey) await signIn(each, passkey);
    });

  /** What the owner finds when all is well. */
  async function inspect(owner: Owner): Promise<void> {
    let opening = 0;
    for (const passkey of owner.passkeys) {
      const isOpen = await eventually(`an answer to passkey ${passkey.usable.id}`, async () => {
        const result = opens(await signIn(owner, passkey));
        return result !== undefined && { result };
      });
      if (isOpen.result) opening += 1;
    }
    const { email, password } = owner;
    const { challenge } = await eventually('an answer to a password', async () => {
      const { status, body } = await ask('A', {
        path: '/api/auth/signin',
        json: { email, password },
        timeoutMs: TIMEOUT_MS,
      });
      return (
        (status === 200 || body?.code === 'second_factor_required') && {
          challenge: body.challenge as string | undefined,
        }
      );
    });
    const { codes } = owner;
    const isKnown = challenge !== undefined && codes !== undefined && !isLost(ledger, codes.givenAtMs);
    const answered = isKnown
      ? await ask('A', {
          path: '/api/auth/second-factor',
          json: { challenge, recovery_code: codes.code },
          timeoutMs: TIMEOUT_MS,
        })
      : undefined;
    ledger.passkeyAccounts.push({
      ...{ id: owner.id, opening, isChallenged: challenge !== undefined },
      // Another answer says neither.
      ...(answered?.status === 200 || answered?.status === 401 ? { isCodeTaken: answered.status === 200 } : {}),
    });
  }

  return {
    acts: [
      [0.15, () => alone(random.pick(owners), register)],
      [0.15, () => use(random.pick(owners))],
    ],
    prepare: async () => {
      for (let at = 0; at < OWNERS; at += 1) owners.push({ ...(await tools.newUser()), passkeys: [] });
      const [first] = owners;
      if (first) await alone(first, register);
      await use(first);
    },
    settle: async () => {
      for (const owner of owners) await inspect(owner).catch(() => count(ledger, 'passkeys that got no answer'));
    },
  };
}
