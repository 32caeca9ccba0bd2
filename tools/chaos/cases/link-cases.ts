import { bothServe, type Case, expectRevoked, newest, newFamily } from './case.ts';

export const linkCases: readonly Case[] = [
  {
    name: 'a revocation acknowledged by a copy that cannot know the signing key has happened',
    run: async (scene) => {
      const { clients, system } = scene;
      const before = newest(await newFamily(scene));
      if (!(await clients.admin.signIn())) throw new Error('no copy signed the administrator in');
      system.copies.B.links.postgres.freeze();
      let after = before;
      try {
        await clients.admin.compromise(before.kid, 'A');
        after = newest(await newFamily(scene));
        await clients.revokeToken(after, 'B');
      } finally {
        system.copies.B.links.postgres.thaw();
      }
      await bothServe(scene, after);
      await expectRevoked(scene, [after, before]);
    },
  },
];
