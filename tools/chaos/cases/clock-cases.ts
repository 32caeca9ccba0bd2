import { decodeJwt } from 'jose';
import { eventually } from '#tools/testing/eventually.ts';
import { introspect, revokeFamily, revokeToken, tryToIssue, validate } from '../load/tokens.ts';
import { type Case, expectRevoked, GuaranteeViolated, newest, newFamily, verdict, withClock } from './case.ts';

const HOUR = 3_600;

/** Questions after the copy has said that it cannot answer. */
const ASKED_AFTER = 20;

export const clockCases: readonly Case[] = [
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
