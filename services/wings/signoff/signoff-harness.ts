// For tests only: sign-offs, the people who decide them, and agents that ask.

import type { AgentCaller, UserCaller } from '#services/core/authority/callers.ts';
import type { HasStepUp } from '#services/core/authority/recent-sign-in.ts';
import type { Caller } from '#services/core/ports.ts';
import type { HasSecurityScore } from '#services/core/shared/security-score.ts';
import { agentCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { type AgentHarness, openAgentHarness } from '../agents/agent-harness.ts';
import type { SignOffView } from './contract.ts';
import { decideSignOff, type HasPingWake } from './decide-signoff.ts';
import { type HasSignOffLimit, requestSignOff, type SignOffRequest } from './request-signoff.ts';
import type { Decision, SignOffRole } from './signoff-shapes.ts';

export type Asking = AgentCaller;
type Person = UserCaller;

export const ACT = 'keys.rotate';
export const ARGUMENTS = { alg: 'ES256', reason: 'yearly', keep: [1, 2] };

type SignOffHarness = AgentHarness &
  HasStepUp &
  HasPingWake &
  HasSignOffLimit &
  HasSecurityScore & {
    /** What `readSecurityScore` returns. */
    score: number | null;
    /** A person with these roles, who has just signed in with two factors. */
    newPerson(...roles: readonly SignOffRole[]): Promise<Person>;
    /** An agent, as a caller, with its owner. */
    newAsking(): Promise<{ readonly agent: Asking; readonly owner: Person }>;
    request(by: Caller, changes?: Partial<SignOffRequest>): Promise<SignOffView>;
    decide(
      signOff: SignOffView,
      by: Caller,
      role: SignOffRole,
      changes?: {
        readonly decision?: Decision;
        readonly arguments_sha256?: string;
        readonly comment?: string;
        readonly dry_run?: boolean;
      },
    ): Promise<SignOffView>;
    /** A sign-off that a developer and a tech lead have approved. */
    approved(by: Caller, changes?: Partial<SignOffRequest>): Promise<SignOffView>;
    /** Moves the row into the past, as a sign-off that was requested so long ago. */
    age(signOff: SignOffView, hours: number): Promise<void>;
    /** Type and outcome of the events of a sign-off, oldest first. */
    storyOf(signOff: SignOffView): Promise<string[]>;
  };

export async function openSignOffHarness(): Promise<SignOffHarness> {
  const agents = await openAgentHarness();
  const person = (userId: string): Person =>
    userCaller(userId, { acr: 'aal2', authTime: Math.floor(Date.now() / 1_000) });
  const harness: SignOffHarness = {
    ...agents,
    stepUp: { maxAgeSeconds: 600, needsSecondFactor: true, clock: agents.clock },
    openSignOffsMax: 50,
    score: null,
    wakePings: () => {},
    readSecurityScore: async () => harness.score,
    newPerson: async (...roles) => person(await agents.newUser(roles)),
    newAsking: async () => {
      const owner = person(await agents.newUser(['developer', 'tech_lead']));
      const { agent_id: agentId } = await agents.newAgent({
        owner_id: owner.userId,
        credential_scopes: ['signoffs:request'],
      });
      return { agent: agentCaller(agentId, owner.userId, ['signoffs:request']), owner };
    },
    request: (by, changes = {}) =>
      requestSignOff(
        harness,
        {
          act: ACT,
          title: 'Rotate the keys',
          arguments: ARGUMENTS,
          required_roles: ['developer', 'tech_lead'],
          ...changes,
        },
        by,
      ),
    decide: (signOff, by, role, changes = {}) =>
      decideSignOff(
        harness,
        {
          signoff_id: signOff.signoff_id,
          role,
          decision: 'approve',
          arguments_sha256: signOff.arguments_sha256,
          ...changes,
        },
        by,
      ),
    approved: async (by, changes = {}) => {
      const signOff = await harness.request(by, changes);
      await harness.decide(signOff, await harness.newPerson('developer'), 'developer');
      return harness.decide(signOff, await harness.newPerson('tech_lead'), 'tech_lead');
    },
    age: async ({ signoff_id: id }, hours) => {
      await agents.raw`ALTER TABLE signoffs DISABLE TRIGGER signoffs_kept`;
      await agents.raw`UPDATE signoffs SET requested_at = requested_at - make_interval(hours => ${hours}),
        expires_at = expires_at - make_interval(hours => ${hours})
        WHERE id = ${id}`;
      await agents.raw`ALTER TABLE signoffs ENABLE TRIGGER signoffs_kept`;
    },
    storyOf: async ({ signoff_id: id }) => {
      const events = await agents.raw<{ type: string; outcome: string }>`SELECT type, outcome FROM audit_outbox
        WHERE target_id = ${id} ORDER BY id`;
      return events.map(({ type, outcome }) => `${type} ${outcome}`);
    },
  };
  return harness;
}
