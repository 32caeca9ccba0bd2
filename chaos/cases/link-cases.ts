import { bothServe, type Case, expectDead, newest, newLogin } from './case.ts';

export const linkCases: readonly Case[] = [
  {
    name: 'a revocation acknowledged by a copy that cannot know the signing key has happened',
    run: async (scene) => {
      const { clients, system } = scene;
      const before = newest(await newLogin(scene));
      if (!(await clients.admin.signIn())) throw new Error('no copy signed the administrator in');
      system.copies.B.links.postgres.freeze();
      let after = before;
      try {
        await clients.admin.compromise(before.kid, 'A');
        after = newest(await newLogin(scene));
        await clients.revokeToken(after, 'B');
      } finally {
        system.copies.B.links.postgres.thaw();
      }
      await bothServe(scene, after);
      await expectDead(scene, [after, before]);
    },
  },
];
