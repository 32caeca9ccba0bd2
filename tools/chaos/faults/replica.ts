import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '#tools/testing/eventually.ts';
import { expectRevokedAt, GuaranteeViolated } from '../cases/case.ts';
import { type ListAnswer, violationOfLost } from '../gates-replica.ts';
import { basicOf } from '../http.ts';
import type { CopyName } from '../ledger.ts';
import type { System } from '../system.ts';
import { type Fault, type FaultSite, fault } from './fault.ts';

const AWAY_MS = 5_000;
const EVERY_MS = 500;
/** Copies learn of a client that the command line made. */
const LEARNING_MS = 2_000;
const BACK_MS = 30_000;
const COPIES: readonly CopyName[] = ['A', 'B'];

/** Reads the list of users with this address at a copy, as an administrator does. */
type ReadList = (copy: CopyName, email: string) => Promise<ListAnswer>;

async function listReader(system: System): Promise<ReadList> {
  const made = await system.sallyport([
    'clients',
    'create',
    'Lists',
    '--credential-scopes',
    'users:read',
    '--reason',
    'fault suite',
    '--yes',
    '--json',
  ]);
  if (made.code !== 0) throw new Error(`clients create ended with ${made.code}: ${made.err || made.out}`);
  const headers = { authorization: basicOf(JSON.parse(made.out)) };
  await sleep(LEARNING_MS);
  return async (copy, email) => {
    const answer = await fetch(`${system.copies[copy].url}/v1/admin/users?email_prefix=${encodeURIComponent(email)}`, {
      headers,
      signal: AbortSignal.timeout(5_000),
    });
    const body = (await answer.json()) as { readonly users?: readonly unknown[] };
    const asOf = answer.headers.get('as-of');
    return {
      copy,
      status: answer.status,
      asOfMs: asOf === null ? null : Date.parse(asOf),
      hasUser: (body.users ?? []).length > 0,
    };
  };
}

const atBoth = (read: ReadList, email: string): Promise<ListAnswer[]> =>
  Promise.all(COPIES.map((copy) => read(copy, email)));

/** Both copies read from the replica again. */
const untilUsed = (read: ReadList, email: string): Promise<unknown> =>
  eventually(
    'lists from the replica',
    async () => (await atBoth(read, email)).every(({ asOfMs, hasUser }) => asOfMs !== null && hasUser),
    BACK_MS,
  );

/** A user, and a family of the user that ends now; both copies refuse its token. */
async function expectFresh({ clients, copy }: FaultSite): Promise<{ readonly email: string }> {
  const user = await eventually('a sign-up', () => clients.signUp());
  const family = await clients.issue(user.id, copy);
  if (!family) throw new GuaranteeViolated('no copy gave a family while the replica was lost');
  await clients.revokeFamily(family, copy);
  await expectRevokedAt(clients, [family.access.at(-1)!]);
  return user;
}

export const replicaFaults: readonly Fault[] = [
  fault(
    'lose-replica',
    async (site) => {
      const { replica } = site.system;
      if (!replica) return 'no replica';
      const read = await listReader(site.system);
      const { email } = await expectFresh(site);
      await untilUsed(read, email);
      await replica.kill();
      const killedAtMs = Date.now();
      const answers: ListAnswer[] = [];
      try {
        while (Date.now() < killedAtMs + AWAY_MS) {
          answers.push(...(await atBoth(read, email)));
          await sleep(EVERY_MS);
        }
        await expectFresh(site);
      } finally {
        await replica.revive();
      }
      const violation = violationOfLost(answers);
      if (violation !== undefined) throw new GuaranteeViolated(violation);
      await untilUsed(read, email);
      return `${answers.length} lists, all of the primary`;
    },
    { needs: 'replica' },
  ),
];
