import { assertRecentSignIn, type StepUpRule } from '#services/core/authority/recent-sign-in.ts';
import type { Caller } from '#services/core/ports.ts';
import type { PhiLevel } from './phi-shapes.ts';

declare const cleared: unique symbol;

/** That a caller may be answered health data of this level. Only this file makes one, and no data key opens without. */
export type Clearance = { readonly level: PhiLevel; readonly [cleared]: true };

/** The level `standard` asks nothing beside the permission. */
export const STANDARD = { level: 'standard' } as Clearance;

/**
 * Asks what the level of the data asks, whichever operation answers them: at level `high` a user must have signed in
 * recently, and agents are refused. Throws `step_up_required`, `agent_not_accepted`, `api_key_not_accepted` (403).
 */
export function clearanceFor(level: PhiLevel, caller: Caller, stepUp: StepUpRule): Clearance {
  if (level === 'standard') return STANDARD;
  assertRecentSignIn(caller, stepUp, { usesPermission: true });
  return { level } as Clearance;
}
