import { advanceTasksJob } from '#jobs/contracts/operations.ts';
import type { Authenticators } from '../api/requests/caller.ts';
import type { ProofPorts } from '../api/requests/use-proofs-once.ts';
import type { HasAccess } from '../core/access/access-directory.ts';
import type { Ports } from '../core/ports.ts';
import { assertOwnFactor } from '../core/shared/assert-own-factor.ts';
import { bearerCaller } from '../core/tokens/verify/bearer-caller.ts';
import type { ValidatePorts } from '../core/tokens/verify/validate-token.ts';
import { loadList } from '../modules.ts';
import type { WingSettings } from '../platform/config/wings.ts';
import type { Enqueue } from '../platform/define/job.ts';
import { unauthenticated } from '../platform/errors.ts';
import { taskWake } from '../wings/mcp/tasks/manage-tasks.ts';
import { addressesOf } from './addresses.ts';
import { needOfTasks, taskToolsOf } from './task-shapes.ts';
import { toolsOf } from './tools.ts';

type Place = {
  /** URLs of this server; the first is that of requests by no known name. */
  readonly resources: readonly [string, ...string[]];
  /** Of the API. */
  readonly publicUrl: string;
  readonly enqueue: Enqueue;
};

/** What the MCP server adds to the ports of an API process. */
export async function composePorts<Base extends { readonly wings: WingSettings }>(
  base: Base,
  { resources, publicUrl, enqueue }: Place,
) {
  const taskKinds = await loadList('tasks');
  const addresses = addressesOf(resources);
  return {
    ...base,
    addresses,
    originOf: addresses.originOf,
    /** Where people open pages. */
    apiUrl: publicUrl,
    publicUrl,
    tools: await toolsOf(base.wings),
    taskKinds,
    taskTools: taskToolsOf(await loadList('tasks', base.wings)),
    needOfTasks: needOfTasks(taskKinds),
    ...taskWake(enqueue, advanceTasksJob),
  };
}

/** Access tokens for an address of this server (RFC 8707 §2) are the only credentials. */
export const mcpAuthenticators = (
  ports: ValidatePorts & HasAccess & Pick<Ports, 'sql'> & Required<Pick<ProofPorts, 'originOf'>>,
  confirmNewest: Authenticators['confirmNewest'],
): Authenticators => ({
  bearer: (token, request, proof) =>
    bearerCaller(ports, token, request, proof && { ...proof, htu: ports.originOf(proof.host) + proof.path }, 'mcp'),
  client: () => null,
  certificate: () => undefined,
  session: async () => null,
  confirmNewest,
  csrfPasses: () => false,
  ownFactor: (caller) => assertOwnFactor(ports.sql, caller),
  assertion: async () => {
    throw unauthenticated();
  },
});
