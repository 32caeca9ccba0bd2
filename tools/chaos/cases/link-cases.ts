import { compromise, revokeToken, signInAdmin } from '../load/tokens.ts';
import { bothServe, type Case, expectRevoked, newest, newFamily } from './case.ts';

export const linkCases: readonly Case[] = [
  {
    name: 'a revocation acknowledged by a copy that cannot know the signing key has happened',
    run: async (scene) => {
      const { clients, system } = scene;
      const before = newest(await newFamily(scene));
      if (!(await signInAdmin(clients))) throw new Error('no copy signed the administrator in');
      system.copies.B.links.postgres.freeze();
      let after = before;
      try {
        await compromise(clients, before.kid, 'A');
        after = newest(await newFamily(scene));
        await revokeToken(clients, after, 'B');
      } finally {
        system.copies.B.links.postgres.thaw();
      }
      await bothServe(scene, after);
      await expectRevoked(scene, [after, before]);
    },
  },
];
