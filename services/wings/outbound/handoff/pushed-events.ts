import { agentKilledEvent, agentRegistered } from '#services/wings/agents/audit-events.ts';
import {
  sessionCreated,
  sessionRenewed,
  userCreated,
  userLogin,
  userLoginLocked,
  userSessionEnded,
  userSteppedUp,
} from '#services/core/identity/audit-events.ts';
import { incidentChanged, incidentRaised } from '#services/core/security/audit-events.ts';
import { signOffDecided, signOffFinished, signOffRequested, signOffStarted } from '#services/wings/signoff/audit-events.ts';
import { tokenRefreshed, tokenRefreshReused } from '#services/core/tokens/audit-events.ts';

/** Types of the events that are pushed unless HANDOFF_TYPES names others. */
export const pushedByDefault: readonly string[] = [
  userCreated,
  userLogin,
  userLoginLocked,
  userSteppedUp,
  sessionCreated,
  sessionRenewed,
  userSessionEnded,
  tokenRefreshed,
  tokenRefreshReused,
  incidentRaised,
  incidentChanged,
  signOffRequested,
  signOffDecided,
  signOffStarted,
  signOffFinished,
  agentRegistered,
  agentKilledEvent,
].map(({ type }) => type);
