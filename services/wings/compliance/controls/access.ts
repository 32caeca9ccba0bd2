import { checked, type Observation } from '../control.ts';
import {
  disabledUsersTally,
  disableProbeUser,
  duplicateSubjectsTally,
  insertProbeSession,
  insertProbeUser,
  openRolesTally,
  readProbeAccess,
  uncredentialedClientsTally,
  unhashedSecretsTally,
  unvettedRightsTally,
} from '../probes/access.store.ts';
import { inRollback } from '../probes/in-rollback.ts';
import { tallied } from '../probes/tally.store.ts';

/** Who has access: users, clients, roles and their secrets. */
export const accessControls = [
  checked({
    name: 'disabled-users-without-access',
    title: 'A disabled user has no live session, token or API key',
    clause: '164.308(a)(3)(ii)(C)',
    population: 'disabled users',
    probe: 'Counts live sessions, token families and API keys of every disabled user',
    evidence: 'Number of disabled users, and ids of those with access left',
    threat: 'A person who left still has access',
    humanDuty: 'Disable an account on the day its user leaves.',
    check: tallied(disabledUsersTally, 'a disabled user still has access'),
  }),
  checked({
    name: 'disabling-ends-access',
    title: 'Disabling a user ends the sessions, revokes the tokens and is recorded, in one transaction',
    clause: '164.308(a)(3)(ii)(C)',
    population: 'three effects on a probe’s user',
    probe: 'Inserts a user with a session, disables the user, reads what is left, and rolls back',
    evidence: 'Sessions left, revocations written and events recorded',
    isProbe: true,
    threat: 'Access outlives the decision to end it',
    humanDuty: 'Decide who is disabled, and when.',
    check: async ({ random, ...ports }): Promise<Observation> => {
      const left = await inRollback(ports, async (tx) => {
        const userId = random.uuid();
        await insertProbeUser(tx, userId);
        await insertProbeSession(tx, random.uuid(), userId, 0);
        await disableProbeUser(tx, userId);
        return readProbeAccess(tx, userId);
      });
      return {
        population: 3,
        exceptions: [
          ...(left.sessions === 0 ? [] : [{ resource: 'sessions', why: 'a disabled user keeps the session' }]),
          ...(left.revocations > 0
            ? []
            : [{ resource: 'revocations', why: 'the tokens of a disabled user stay valid' }]),
          ...(left.events > 0 ? [] : [{ resource: 'events', why: 'disabling a user is not recorded' }]),
        ],
        observed: { ...left },
      };
    },
  }),
  checked({
    name: 'unvetted-clients-without-rights',
    title: 'Clients that registered themselves have no permission of the installation',
    clause: '164.308(a)(4)(ii)(B)',
    population: 'clients that no administrator created',
    probe: 'Finds self-registered clients with a scope that names a permission',
    evidence: 'Number of such clients, and ids of those with a permission',
    threat: 'A stranger registers a client and gets permissions',
    humanDuty: 'Decide whether clients may register themselves.',
    check: tallied(unvettedRightsTally, 'an unvetted client has a permission'),
  }),
  checked({
    name: 'open-roles-without-permissions',
    title: 'The roles of every account and of every agent give no permission over others',
    clause: '164.308(a)(4)(ii)(C)',
    population: 'the roles user and agent',
    probe: 'Reads the permissions of the roles that accounts get without a decision',
    evidence: 'Roles that have a permission',
    threat: 'Every account can read what belongs to others',
    humanDuty: 'Approve which role has which permission, and who has which role.',
    check: tallied(openRolesTally, 'a role of every account has a permission'),
  }),
  checked({
    name: 'client-secrets-hashed',
    title: 'Client secrets are stored as hashes',
    clause: '164.308(a)(5)(ii)(D)',
    population: 'clients with a secret',
    probe: 'Compares the form of every stored client secret, and of every previous one, with that of a SHA-256 digest',
    evidence: 'Number of clients with a secret, and ids of those stored in clear',
    threat: 'A stolen database gives access as a client',
    humanDuty: 'Store client secrets safely where the clients run.',
    check: tallied(unhashedSecretsTally, 'the client secret is not hashed'),
  }),
  checked({
    name: 'subjects-unique',
    title: 'Every user has an identifier of their own',
    clause: '164.312(a)(2)(i)',
    population: 'users',
    probe: 'Finds accounts whose addresses differ only in case',
    evidence: 'Number of users, and one id of each group of duplicates',
    pace: 'thorough',
    threat: 'Two persons share one account, or one person has two',
    humanDuty: 'Forbid shared accounts, and prove the identity of a person before an account is given.',
    check: tallied(duplicateSubjectsTally, 'another account has the same address but for case'),
  }),
  checked({
    name: 'clients-authenticate',
    title: 'Every client that acts for itself proves who it is',
    clause: '164.312(d)',
    population: 'enabled clients that may get tokens of their own',
    probe: 'Finds clients with the client credentials grant and no means to authenticate',
    evidence: 'Number of such clients, and ids of those without a credential',
    threat: 'A program without a credential gets tokens',
    humanDuty: 'Rotate client secrets when a person who knows them leaves.',
    check: tallied(uncredentialedClientsTally, 'the client has no credential'),
  }),
] as const;
