import { agentKilledEvent, agentRegistered } from '../agents/audit-events.ts';
import {
  sessionCreated,
  sessionRenewed,
  userCreated,
  userLogin,
  userLoginLocked,
  userSessionEnded,
  userSteppedUp,
} from '../identity/audit-events.ts';
import { incidentChanged, incidentRaised } from '../security/audit-events.ts';
import { signOffDecided, signOffFinished, signOffRequested, signOffStarted } from '../signoff/audit-events.ts';
import { tokenRefreshed, tokenRefreshReused } from '../tokens/audit-events.ts';

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
