import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '#tools/testing/eventually.ts';
import type { CopyName, Revocation } from '../../ledger.ts';
import { PRODUCT_URL } from '../../settings.ts';
import { alone, type User } from '../clients.ts';
import type { Receiver } from '../receiver.ts';
import type { Transmitter } from '../transmitter.ts';
import {
  anyCopy,
  atBothCopies,
  end,
  newToken,
  pickShown,
  REASON,
  type Surface,
  showToken,
  type TokenUsable,
  type Tools,
} from './surface.ts';

const PUSH = 'urn:ietf:rfc:8935';

type Signalled = User & { tokens: TokenUsable[]; revocations: Revocation[] };

/**
 * Another system says that sessions of users were revoked there, which ends their tokens here; and a receiver follows what
 * happens here by a stream that is pushed to it.
 */
export function createSignals(
  tools: Tools,
  {
    receiver,
    transmitter,
  }: { readonly receiver: Pick<Receiver, 'signals' | 'jwks'>; readonly transmitter: Transmitter },
): Surface {
  const { authorization, ask, ledger, random, newUser } = tools;
  const headers = { authorization };
  const users: Signalled[] = [];
  const tokens: TokenUsable[] = [];

  async function issue(user: Signalled): Promise<void> {
    const answer = await ask(anyCopy(tools), { path: '/v1/tokens', json: { user_id: user.id }, headers });
    if (answer.status !== 201) return;
    const token = newToken('signals', 'token of a signalled user', answer.body.access_token, user.revocations);
    tokens.push(token);
    user.tokens.push(token);
  }

  async function signal(user: Signalled): Promise<void> {
    const [token] = user.tokens;
    if (token === undefined) return;
    const set = await transmitter.sessionRevoked(PRODUCT_URL, user.id);
    const isEnded = await end(
      tools,
      token,
      { surface: 'signals', kind: 'session-revoked of another system', events: ['signal.received'] },
      { path: '/ssf/events', text: set, headers: { 'content-type': 'application/secevent+jwt' } },
      ({ status }) => status === 202,
    );
    // Without an answer it may still take effect, on later tokens too.
    if (!isEnded) users.splice(users.indexOf(user), 1);
    Object.assign(user, { tokens: [], revocations: [] });
  }

  const use = (token: TokenUsable, copy: CopyName): Promise<void> => showToken(tools, token, copy);
  const create = (path: string, json: object): Promise<unknown> =>
    eventually(`${path} before the first fault`, async () => {
      const { status, body } = await ask('A', { path, json, headers });
      if (status >= 400 && status < 500 && status !== 409) throw new Error(`${path}: ${status} ${body?.detail}`);
      return status === 201 || status === 409;
    });

  return {
    acts: [
      [0.4, () => alone(random.pick(users), (user) => (user.tokens.length < 4 ? issue(user) : signal(user)))],
      [0.1, () => alone(random.pick(users), signal)],
      [
        1,
        async () => {
          const token = pickShown(tools, tokens);
          if (token) await use(token, anyCopy(tools));
        },
      ],
    ],
    prepare: async () => {
      const accepted = { issuer: transmitter.issuer, jwks_uri: receiver.jwks, own_ids: true, reason: REASON };
      await create('/v1/admin/signal-transmitters', accepted);
      await create('/ssf/streams', { delivery: { method: PUSH, endpoint_url: receiver.signals } });
      for (let at = 0; at < 3; at += 1) {
        const user = await newUser();
        // The first signal also ends the session of the sign-up.
        const family = [...ledger.families.values()].find(({ userId }) => userId === user.id);
        users.push({ ...user, tokens: [], revocations: family?.revocations ?? [] });
      }
      for (const user of users) await issue(user);
      // The gate counts a use from the time on when every copy has learnt of the token.
      await sleep(1_500);
      await atBothCopies(tokens, use);
      const [first] = users;
      if (first) await alone(first, signal);
    },
    settle: () => atBothCopies(tokens.slice(-60), use),
  };
}
