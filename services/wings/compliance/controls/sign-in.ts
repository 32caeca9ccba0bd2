import { createAccessDirectory } from '#services/core/access/access-directory.ts';
import { usedSession } from '#services/core/identity/sessions/session-life.ts';
import { LOCK_POLICY, refusedSeconds } from '#services/core/identity/sign-in/sign-in-counters.ts';
import { secondFactorRolesOf, sessionLifeOf } from '#services/platform/config/identity.ts';
import { checked, type Observation } from '../control.ts';
import {
  countProbeFailure,
  insertProbeSession,
  insertProbeUser,
  readOverlongSessionsTally,
  readPrivilegedRoles,
  unenrolledTally,
  weakDigestsTally,
} from '../probes/access.store.ts';
import { inRollback } from '../probes/in-rollback.ts';
import { observeTally, tallied } from '../probes/tally.store.ts';

/** Sign-in: passwords, second factors and the life of sessions. */
export const signInControls = [
  checked({
    name: 'guessing-locks-accounts',
    title: 'Wrong passwords lock an account',
    clause: '164.308(a)(5)(ii)(C)',
    population: 'failures of a probe',
    probe:
      'Counts failed passwords for a name that does not exist, asks the rule of the API whether it is locked, and rolls back',
    evidence: 'Failures until the lock, and its length in seconds',
    isProbe: true,
    threat: 'An attacker guesses passwords',
    humanDuty: 'Review incidents of password guessing.',
    check: async ({ random, ...ports }): Promise<Observation> => {
      const key = `account:probe-${random.uuid()}`;
      const wanted = LOCK_POLICY.failuresToLock;
      const after = await inRollback(ports, async (tx) => {
        const refusals: number[] = [];
        for (let at = 0; at < wanted; at += 1) {
          const { total, locked_seconds: lockedSeconds } = await countProbeFailure(tx, key, LOCK_POLICY);
          refusals.push(refusedSeconds([key], [{ key, failures: total, locked_seconds: lockedSeconds }]));
        }
        return refusals;
      });
      const isLocked = (after.at(-1) ?? 0) > 0;
      return {
        population: wanted,
        exceptions: isLocked ? [] : [{ resource: 'account', why: `${wanted} wrong passwords do not lock an account` }],
        observed: { failures: wanted, refused_seconds: after },
      };
    },
  }),
  checked({
    name: 'passwords-hashed',
    title: 'Every password is stored as a hash of the required cost',
    clause: '164.308(a)(5)(ii)(D)',
    population: 'accounts with a password',
    probe: 'Reads the algorithm and cost of every stored digest: bcrypt from 12, Argon2id from 19 MiB and two passes',
    evidence: 'Number of passwords, and ids of users whose digest is weaker',
    pace: 'thorough',
    threat: 'A stolen database gives passwords',
    humanDuty: 'Reset passwords that were imported with weak hashes and never used since.',
    check: tallied(weakDigestsTally, 'the stored digest is weaker than required'),
  }),
  checked({
    name: 'idle-sessions-refused',
    title: 'A session is refused one second after its idle limit',
    clause: '164.312(a)(2)(iii)',
    population: 'two sessions of a probe: one past the idle limit, one within it',
    probe:
      'Inserts a user with two sessions in a transaction, asks the rule of the API whether each is live, and rolls back',
    evidence: 'The idle limit in seconds, and the decision for each session',
    isProbe: true,
    threat: 'A person uses a workstation that its user left signed in',
    humanDuty: 'Choose the idle limit (SESSION_IDLE_TWO_FACTORS), and lock the screens of workstations.',
    check: async ({ config, clock, random, ...ports }): Promise<Observation> => {
      const life = sessionLifeOf(config);
      const limit = life.twoFactorIdleSeconds;
      if (limit === 0)
        return {
          population: 1,
          exceptions: [{ resource: 'SESSION_IDLE_TWO_FACTORS', why: 'sessions have no idle limit' }],
          observed: { idle_limit_seconds: 0 },
        };
      const [past, within] = await inRollback(ports, async (tx) => {
        const userId = random.uuid();
        await insertProbeUser(tx, userId);
        const isLive = async (idleSeconds: number): Promise<boolean> => {
          const id = random.uuid();
          const updatedAt = await insertProbeSession(tx, id, userId, idleSeconds);
          return (await usedSession({ sql: tx, clock }, life, { id, acr: 'aal2', updatedAt }, false)) !== null;
        };
        return [await isLive(limit + 1), await isLive(limit / 2)];
      });
      return {
        population: 2,
        exceptions: [
          ...(past ? [{ resource: 'session past its limit', why: 'a session past its idle limit is accepted' }] : []),
          ...(within ? [] : [{ resource: 'session within its limit', why: 'the probe’s live session is refused' }]),
        ],
        observed: {
          idle_limit_seconds: limit,
          past_limit_accepted: past === true,
          within_limit_accepted: within === true,
        },
      };
    },
  }),
  checked({
    name: 'sessions-expire',
    title: 'No session outlives the configured lifetime',
    clause: '164.312(a)(2)(iii)',
    population: 'live sessions',
    probe: 'Compares the expiry of every live session with the lifetimes of the settings',
    evidence: 'Number of live sessions, and ids of those that would live longer than the settings allow',
    threat: 'A stolen session cookie is used long after it was stolen',
    humanDuty: 'Choose the lifetimes (SESSION_EXPIRY, SESSION_EXPIRY_TWO_FACTORS).',
    check: async ({ sql, config }): Promise<Observation> => {
      const { sessionSeconds, twoFactorSeconds } = sessionLifeOf(config);
      const tally = await readOverlongSessionsTally(sql, { sessionSeconds, twoFactorSeconds });
      return observeTally(tally, 'the session lives longer than the settings allow', {
        lifetime_seconds: sessionSeconds,
        two_factor_lifetime_seconds: twoFactorSeconds,
      });
    },
  }),
  checked({
    name: 'second-factor-enforced',
    title: 'Roles that manage others have no effect after a sign-in with one factor',
    clause: '164.312(d)',
    population: 'roles with a permission to manage',
    probe: 'Asks the rule of the API which roles count after a sign-in with one factor',
    evidence: 'Privileged roles, roles that require two factors, and privileged roles that one factor gives',
    threat: 'A stolen password gives administration of the installation',
    humanDuty: 'Decide which roles require two factors (MFA_REQUIRED_ROLES).',
    check: async ({ sql, clock, config }): Promise<Observation> => {
      const secondFactorRoles = secondFactorRolesOf(config);
      const access = createAccessDirectory({ sql, clock }, { secondFactorRoles });
      await access.load();
      const privileged = await readPrivilegedRoles(sql);
      const given = access.rolesAt(privileged, 'aal1');
      return {
        population: privileged.length,
        exceptions: given.map((role) => ({ resource: role, why: 'one factor gives a role that manages others' })),
        observed: { privileged, second_factor_roles: [...secondFactorRoles], given_by_one_factor: [...given] },
      };
    },
  }),
  checked({
    name: 'second-factor-enrolled',
    title: 'Every user who manages others has a second factor',
    clause: '164.312(f)(2)(ii)',
    profile: 'proposed',
    population: 'enabled users with a permission to manage',
    probe: 'Finds users with a permission to manage who have neither an authenticator app nor a passkey',
    evidence: 'Number of such users, and ids of those without a second factor',
    threat: 'A stolen password gives administration of the installation',
    humanDuty: 'Hand out authenticators, and prove identity before a factor is reset.',
    check: tallied(unenrolledTally, 'the user has no second factor'),
  }),
] as const;
