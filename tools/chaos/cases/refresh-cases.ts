import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '#tools/testing/eventually.ts';
import { whileStopped } from '../faults/fault.ts';
import { present } from '../load/tokens.ts';
import { answered, type Case, GuaranteeViolated, newest, newFamily, verdict } from './case.ts';

export const refreshCases: readonly Case[] = [
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
];
