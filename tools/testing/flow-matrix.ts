import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Test files or folders of tests, or why there are none. */
export type Cell = readonly string[] | { readonly none: string };

export const KINDS = ['unit', 'integration', 'fault', 'load'] as const;
export type Flow = {
  readonly name: string;
  /** Paths of the API that belong to this flow and no other. */
  readonly paths: readonly string[];
} & Readonly<Record<(typeof KINDS)[number], Cell>>;

/**
 * Every flow of authentication, and the tests of each kind that show it. A cell without tests says why. `/mcp` speaks a
 * protocol of its own, and is not in the contract of the API.
 */
export const flows = JSON.parse(readFileSync(join(import.meta.dirname, 'flow-matrix.json'), 'utf8')) as readonly Flow[];

const ADMIN =
  'imports|alerts|alert-targets|silences|signals|signal-streams|signal-transmitters|events|job-queues|queues|dead-letters|capacity|dashboard|reports';
const V1 = `tokens|api-keys|agents|legacy|alerts|handoff/dead-letters|admin/(${ADMIN})`;
/** What belongs to a flow: a new path below these needs one. */
export const FLOW_PATHS = new RegExp(`^/(console|ssf|\\.well-known/ssf-configuration|api/auth|oauth2|v1/(${V1}))(/|$)`);
/** Published keys: no flow. */
export const NO_FLOW: readonly string[] = ['/api/auth/jwks'];
