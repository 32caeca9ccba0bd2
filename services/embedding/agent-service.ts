import {
  type AgentCredentials,
  type ValidateAgentPorts,
  validateAgentCredentials,
} from '../wings/agents/validate-agent-credentials.ts';
import { assertWing, type HasWings } from './assert-wing.ts';
import { serviceCaller } from './service-caller.ts';

/** Agents for TypeScript code in the same process. */
export class AgentService {
  readonly #ports: ValidateAgentPorts;

  /** Throws `wing_left_out` (404). */
  constructor(ports: ValidateAgentPorts & HasWings) {
    assertWing(ports, 'agents');
    this.#ports = ports;
  }

  /** Whether these are credentials of a live agent; the audit log records every check. */
  validateAgentCredentials(agentId: string, credentials: AgentCredentials): Promise<boolean> {
    return validateAgentCredentials(this.#ports, { agentId, credentials }, serviceCaller('agent-service'));
  }
}
