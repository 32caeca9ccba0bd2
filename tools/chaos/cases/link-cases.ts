import { eventually } from '#tools/testing/eventually.ts';
import { compromise, revokeToken, signInAdmin } from '../load/tokens.ts';
import { type Case, expectRevoked, newest, newFamily } from './case.ts';

export const linkCases: readonly Case[] = [
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
