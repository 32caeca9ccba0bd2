import { setTimeout as sleep } from 'node:timers/promises';
import { decodeJwt } from 'jose';
import { eventually } from '#tools/testing/eventually.ts';
import { whileStopped } from '../faults/fault.ts';
import { now } from '../ledger.ts';
import { RETRIED } from '../load/clients.ts';
import {
  compromise,
  introspect,
  present,
  revokeFamily,
  revokeToken,
  signInAdmin,
  tryToIssue,
  validate,
} from '../load/tokens.ts';
import {
  answered,
  type Case,
  expectRevoked,
  GuaranteeViolated,
  newest,
  newFamily,
  verdict,
  withClock,
} from './case.ts';

const HOUR = 3_600;

/** Questions after the copy has said that it cannot answer. */
const ASKED_AFTER = 20;

const clockCases: readonly Case[] = [
  {
    name: 'a revocation acknowledged by a copy whose clock is an hour ahead has happened',
    needsClock: true,
    run: async (scene) => {
      const [first, second] = [newest(await newFamily(scene)), newest(await newFamily(scene))];
      await withClock(scene, HOUR, async () => {
        await revokeToken(scene.clients, first, 'B');
        await revokeFamily(scene.clients, second.family, 'B');
      });
      await expectRevoked(scene, [first, second]);
    },
  },
  {
    name: 'a retry with its idempotency key across a step of the clock is never a 500, and never gives a dead token',
    needsClock: true,
    run: async (scene) => {
      const { clients, load } = scene;
      for (const offset of [HOUR, -HOUR]) {
        const headers = { 'idempotency-key': `step-${offset}` };
        const user = load.caseUser().id;
        const statuses: number[] = [];
        await withClock(scene, offset, async () => {
          statuses.push((await tryToIssue(clients, user, 'B', headers)).status);
        });
        const retry = await eventually('an answer to the retry', async () => {
          const answer = await tryToIssue(clients, user, 'A', headers);
          statuses.push(answer.status);
          return answer.status !== 503 && answer.status !== 0 && answer;
        });
        if (retry.status >= 500)
          throw new GuaranteeViolated(`answered ${statuses.join(', ')} with the clock ${offset} s off`);
        if (retry.status !== 201) continue;
        const { jti = '' } = decodeJwt(retry.body.access_token);
        const access = clients.ledger.tokens.get(jti)!;
        const result = await verdict(scene, access, 'A');
        if (result !== 'active') throw new GuaranteeViolated(`the retry gave a token that is ${result}`, access.family);
      }
    },
  },
  {
    name: 'introspection at a copy that knows its clock is off does not call a good token dead',
    needsClock: true,
    run: async (scene) => {
      const { clients } = scene;
      const access = newest(await newFamily(scene));
      await withClock(scene, HOUR, async () => {
        for (const ask of [introspect, validate]) {
          await eventually(
            'the copy to say that it cannot answer',
            async () => !/inactive|expired|unknown_key/.test(await ask(clients, access, 'B')),
            20_000,
          ).catch(() => {
            throw new GuaranteeViolated('called dead by a copy whose clock is an hour ahead, for 20 s', access.family);
          });
          for (let at = 0; at < ASKED_AFTER; at += 1) {
            const result = await ask(clients, access, 'B');
            if (/inactive|expired|unknown_key/.test(result))
              throw new GuaranteeViolated(`called ${result}`, access.family);
          }
        }
      });
    },
  },
];

const refreshCases: readonly Case[] = [
  {
    name: 'a client whose answer was lost gets the same successor a minute later',
    run: async (scene) => {
      const { system } = scene;
      const family = await newFamily(scene);
      const lost = family.refreshToken;
      const first = await answered(scene, family, 'A');
      // As if the minute had passed: the database alone measures it.
      await system.stores.query(
        `UPDATE refresh_families SET rotated_at = rotated_at - interval '60 seconds' WHERE id = $1`,
        [family.id],
      );
      const answer = await answered(scene, family, 'B', lost);
      if (answer.status !== 200) throw new GuaranteeViolated(`answered ${answer.status} ${answer.body?.code}`, family);
      if (answer.body.refresh_token !== first.body.refresh_token)
        throw new GuaranteeViolated('another successor', family);
    },
  },
  {
    name: 'a request that its client gave up at a frozen copy ends no family that went on at the other',
    run: async (scene) => {
      const { clients, system } = scene;
      const family = await newFamily(scene);
      const pid = system.copies.A.apiPid();
      if (pid === undefined) throw new Error('A has no API process');
      const first = family.refreshToken;
      await whileStopped([pid], async () => {
        await present(clients, family, first, 'A', { abandonMs: 2_500 });
        await answered(scene, family, 'B', first);
        await answered(scene, family, 'B');
      });
      const access = newest(family);
      await eventually('A to serve', async () => (await verdict(scene, access, 'A')) === 'active');
      await sleep(1_000);
      const answer = await answered(scene, family, 'B');
      if (answer.status !== 200) throw new GuaranteeViolated(`ended: ${answer.status} ${answer.body?.code}`, family);
    },
  },
  {
    name: 'older copies of one sign-in are served, and that of a thief elsewhere ends it',
    run: async (scene) => {
      const { clients, system } = scene;
      const family = await newFamily(scene);
      const change = (text: string) => system.stores.query(`UPDATE ${text}`, [family.id]);
      const serveFor = (seconds: number) =>
        change(
          `oauth_clients SET refresh_copies = ${seconds} WHERE "clientId" = (SELECT client_id FROM refresh_families WHERE id = $1)`,
        );
      const path = '/v1/tokens/refresh';
      const json = { refresh_token: family.refreshToken };
      // Not in the ledger, where a refresh token has one successor.
      const copyAt = (at: 'A' | 'B') =>
        eventually(`an answer of ${at}`, async () => {
          const answer = await clients.ask(at, { path, json });
          return !RETRIED.has(answer.status) && answer;
        });
      await serveFor(43_200);
      try {
        for (const at of ['A', 'B', 'A'] as const) {
          await answered(scene, family, at);
          await change(
            `refresh_families SET rotated_at = rotated_at - interval '1 hour',
             rotation_marks = ARRAY(SELECT mark - 3600 FROM unnest(rotation_marks) AS mark) WHERE id = $1`,
          );
        }
        for (const { status, body } of [await copyAt('A'), await copyAt('B')])
          if (body?.refresh_token !== family.refreshToken)
            throw new GuaranteeViolated(`a copy got ${status} ${body?.code}`, family);
        // As if the family had moved: what is here is then elsewhere.
        await change(`refresh_families SET context_hash = 'moved' WHERE id = $1`);
        family.revocations.push({ cause: 'replay', sentAtMs: now() });
        const thief = await copyAt('B');
        const owner = await answered(scene, family, 'A');
        if (thief.body?.code !== 'refresh_token_reused' || owner.status === 200)
          throw new GuaranteeViolated(`a thief got ${thief.status}, and its owner then ${owner.status}`, family);
      } finally {
        await serveFor(0);
      }
    },
  },
];

const linkCases: readonly Case[] = [
  {
    name: 'a revocation acknowledged by a copy that cannot know the signing key has happened',
    run: async (scene) => {
      const { clients, system } = scene;
      const before = newest(await newFamily(scene));
      await eventually('a copy to sign the administrator in', () => signInAdmin(clients));
      system.copies.B.links.postgres.freeze();
      let after = before;
      try {
        await compromise(clients, before.kid, 'A');
        after = newest(await newFamily(scene));
        await revokeToken(clients, after, 'B');
      } finally {
        system.copies.B.links.postgres.thaw();
      }
      await expectRevoked(scene, [after, before]);
    },
  },
];

export const cases: readonly Case[] = [...clockCases, ...linkCases, ...refreshCases];
