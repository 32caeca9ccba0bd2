import { currentTraceId, currentTraceparent } from '#observability/http-span.ts';
import type { Caller } from '../core/ports.ts';
import {
  type AgentCredentials,
  type ValidateAgentPorts,
  validateAgentCredentials,
} from '../wings/agents/validate-agent-credentials.ts';
import { assertWing, type HasWings } from './assert-wing.ts';

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
    const traceparent = currentTraceparent() ?? '';
    const request = { ip: '', userAgent: '', traceId: currentTraceId() ?? '', traceparent };
    const caller: Caller = { kind: 'system', name: 'agent-service', request };
    return validateAgentCredentials(this.#ports, { agentId, credentials }, caller);
  }
}
