import { eventually } from '#tools/testing/eventually.ts';
import type { CopyName } from '../../ledger.ts';
import type { ChaosStores } from '../../stores.ts';
import type { Usable } from '../../surface-facts.ts';
import type { Receiver } from '../receiver.ts';
import {
  anyCopy,
  atBothCopies,
  end,
  kept,
  newUsable,
  pickShown,
  REASON,
  type Surface,
  show,
  type Tools,
} from './surface.ts';

/** Acts on dead letters, by the kind that their entries have in the ledger. */
export const RETRY = 'retry of a dead letter';
export const DISCARD = 'discard of a dead letter';

const QUEUE = 'logout';
const BATCH = 12;

/** Makes logout tokens of a client that refused them for a day. Returns their ids; none while the database is away. */
export type GiveUp = (clientId: string) => Promise<readonly string[]>;

export const giveUpLogoutTokens =
  ({ query }: Pick<ChaosStores, 'query'>): GiveUp =>
  (clientId) =>
    query<{ id: string }>(
      `INSERT INTO logout_tokens (client_id, unvetted, user_id, session_id, attempts, next_attempt_at, failure, failed_at)
       SELECT $1, false, 'chaos', 'chaos-' || n, 33, NULL, 'http_503', clock_timestamp()
       FROM generate_series(1, ${BATCH}) n RETURNING id::text`,
      [clientId],
    ).then(
      (rows) => rows.map(({ id }) => id),
      () => [],
    );

/** Dead letters that an operator retries, which are then sent, or discards, which never are; and a queue that is paused. */
export function createQueues(tools: Tools, receiver: Pick<Receiver, 'logout'>, giveUp: GiveUp): Surface {
  const { ask, attempt, authorization, random } = tools;
  const headers = { authorization };
  const letters: Usable[] = [];
  const open = (): Usable[] => kept(tools, letters).filter(({ revocations }) => revocations.length === 0);
  let clientId = '';

  async function fill(): Promise<void> {
    for (const id of await giveUp(clientId)) letters.push(newUsable({ surface: 'queues', kind: 'dead letter', id }));
  }

  const pathOf = ({ id }: Usable): string => `/v1/admin/dead-letters/${QUEUE}/${id}`;

  const look = async (letter: Usable | undefined, copy: CopyName = anyCopy(tools)): Promise<void> => {
    if (!letter) return;
    await show(tools, letter, copy, { method: 'GET', path: pathOf(letter), headers }, ({ status }) =>
      status === 200 ? true : status === 404 ? false : undefined,
    );
  };

  async function change(verb: 'retry' | 'discard', kind: string): Promise<void> {
    if (open().length < 2) await fill();
    const letter = random.pick(open());
    if (!letter) return;
    await end(
      tools,
      letter,
      // Recorded before it is done: an attempt that did not get as far has its event too.
      { surface: 'queues', kind, events: ['operations.queue_changed'], key: letter.id, isRepeatable: true },
      { path: `${pathOf(letter)}/${verb}`, json: { reason: REASON }, headers },
      // A retry after a lost answer finds none.
      ({ status }) => status === 200 || status === 404,
    );
  }
  const retry = (): Promise<void> => change('retry', RETRY);
  const discard = (): Promise<void> => change('discard', DISCARD);

  const list = (): Promise<unknown> =>
    ask(anyCopy(tools), { method: 'GET', path: `/v1/admin/dead-letters?queue=${QUEUE}`, headers });

  async function setPaused(verb: 'pause' | 'resume'): Promise<void> {
    await attempt(
      { kind: `${verb} of a queue`, events: ['operations.queue_changed'], isRepeatable: true, subject: null },
      () => ({
        method: 'PUT',
        path: `/v1/admin/queues/api/queues/${QUEUE}/${verb}`,
        headers,
      }),
      (answer) => answer.status === 200 || answer.status === 204,
    );
  }
  async function pauseAWhile(): Promise<void> {
    await setPaused('pause');
    await setPaused('resume');
  }

  return {
    acts: [
      [0.12, retry],
      [0.12, discard],
      [0.5, () => look(pickShown(tools, letters))],
      [0.1, list],
      [0.03, pauseAWhile],
    ],
    prepare: async () => {
      const json = {
        name: 'Chaos logout',
        grant_types: ['client_credentials'],
        backchannel_logout_uri: receiver.logout,
      };
      await eventually('a client that logout tokens are sent to', async () => {
        const request = { path: '/v1/admin/clients', json: { ...json, reason: REASON }, headers };
        const { status, body } = await ask('A', request);
        if (status >= 400 && status < 500) throw new Error(`${request.path}: ${status} ${body?.detail}`);
        if (status === 201) clientId = body.client_id;
        return status === 201;
      });
      await fill();
      await retry();
      await discard();
      await pauseAWhile();
      await look(open()[0]);
    },
    settle: async () => {
      // A pause whose resumption got no answer ends here.
      await setPaused('resume');
      await retry();
      await discard();
      await atBothCopies(letters.slice(-60), look);
    },
  };
}
