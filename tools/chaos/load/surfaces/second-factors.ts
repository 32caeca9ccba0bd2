import { eventually } from '#tools/testing/eventually.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import type { Answer } from '../../http.ts';
import { count, now } from '../../ledger.ts';
import { PRODUCT_URL } from '../../settings.ts';
import type { Usable } from '../../surface-facts.ts';
import type { User } from '../clients.ts';
import { anyCopy, newUsable, type Surface, show, type Tools } from './surface.ts';

const SURFACE = 'second factors';
const USERS = 3;
/** Of the ten that an account has; the rest are for the end of the run. */
const CODES_UNDER_LOAD = 7;

/** A user with an authenticator app, who signs in with recovery codes: they need no clock. */
type Person = {
  readonly user: User;
  readonly codes: string[];
  /** What a password alone opens: nothing, since the app was confirmed. */
  readonly password: Usable;
  readonly account: Usable;
};

/** Users whose accounts have a second factor: each sign-in has a challenge, and the answer opens one session. */
export function createSecondFactors(tools: Tools): Surface {
  const { ask, random, ledger } = tools;
  const people: Person[] = [];

  const enrol = async (): Promise<void> => {
    const user = await tools.newUser();
    // Before the first fault: a 503 is of a busy machine, and has changed nothing.
    const act = (path: string, json: () => object): Promise<Answer> =>
      eventually(`an answer of ${path}`, async () => {
        const headers = { cookie: user.cookie, origin: PRODUCT_URL };
        const answer = await ask('A', { path: `/api/auth/two-factor/${path}`, json: json(), headers });
        return answer.status !== 503 && answer;
      });
    const enabled = await act('enable', () => ({ password: user.password }));
    if (enabled.status !== 200) throw new Error(`no factor for a user: ${enabled.status} ${enabled.body?.code}`);
    const { totp_uri: uri, recovery_codes: codes } = enabled.body;
    const sentAtMs = now();
    const confirmed = await act('confirm', () => ({ code: codeOf(uri) }));
    if (confirmed.status !== 200) throw new Error(`no factor for a user: ${confirmed.status} ${confirmed.body?.code}`);
    const revocations = [{ cause: 'confirmation of a factor', sentAtMs, ackedAtMs: now() }];
    // The sign-up's tokens are of one factor.
    for (const family of ledger.families.values())
      if (family.userId === user.id) family.revocations.push(...revocations);
    people.push({
      ...{ user, codes: [...codes] },
      password: newUsable({ surface: SURFACE, kind: 'password alone', id: user.id, revocations }),
      account: newUsable({ surface: SURFACE, kind: 'account with a factor', id: user.id }),
    });
  };

  /** The password asks for the factor, and the factor opens one session, though both copies get the answer at once. */
  const signIn = async (person: Person | undefined, leaves = 0): Promise<void> => {
    if (!person || person.user.isBusy || person.codes.length <= leaves) return;
    person.user.isBusy = true;
    try {
      const { email, password } = person.user;
      const asked = await show(
        tools,
        person.password,
        anyCopy(tools),
        { path: '/api/auth/signin', json: { email, password }, timeoutMs: 8_000 },
        ({ status, body }) => (status === 200 ? true : body?.code === 'second_factor_required' ? false : undefined),
      );
      const challenge: string | undefined = asked.body?.challenge;
      if (challenge === undefined) return;
      const json = { challenge, recovery_code: person.codes.pop() };
      const request = { path: '/api/auth/second-factor', json, timeoutMs: 8_000 };
      const answers = await Promise.all([ask('A', request), ask('B', request)]);
      ledger.openings.push({ challenge, sessions: answers.filter(({ status }) => status === 200).length });
      const opened = answers.find(({ status }) => status === 200);
      // An answer that was lost may have used the code.
      const refused = answers.every(({ status }) => status >= 400 && status < 500 && status !== 429);
      if (!opened && !refused) return;
      const { copy, sentAtMs, answeredAtMs, status, body } = opened ?? answers[0]!;
      const said = `${status} ${body?.code ?? ''}`.trim();
      ledger.uses.push({ of: person.account, copy, sentAtMs, answeredAtMs, isAccepted: opened !== undefined, said });
      count(ledger, `second factor: ${opened ? 'accepted' : 'refused'}`);
    } finally {
      person.user.isBusy = false;
    }
  };
  const left = 10 - CODES_UNDER_LOAD;

  return {
    acts: [[0.15, () => signIn(random.pick(people), left)]],
    prepare: async () => {
      for (let at = 0; at < USERS; at += 1) await enrol();
      await Promise.all(people.map((person) => signIn(person)));
    },
    settle: async () => {
      for (const person of people) await signIn(person);
    },
  };
}
