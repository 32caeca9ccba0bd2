import { TRACEPARENT_META_KEY } from '@modelcontextprotocol/server';
import { continueTrace, endServerSpan, type RequestTrace, runInSpan, traceparentOf } from '#observability/http-span.ts';
import type { HasAccess } from '../core/access/access-directory.ts';
import type { RecordDenial } from '../core/access/record-denial.ts';
import type { RequestLimits } from '../core/limits/request-limits.ts';
import type { Caller, Ports, RequestContext } from '../core/ports.ts';
import { type Need, refusalOf, type Tool } from '../core/shared/tool.ts';
import type { Listed } from '../modules.ts';
import { type AppError, isAppError } from '../platform/define/error.ts';
import { internalError } from '../platform/errors.ts';
import { errorAnswer } from '../platform/http/problem.ts';
import { auditMcpCall } from '../wings/mcp/audit-mcp-call.ts';
import type { HasTaskWake } from '../wings/mcp/tasks/manage-tasks.ts';
import type { HasSignOffLimit } from '../wings/signoff/request-signoff.ts';
import type { Asked } from './asked.ts';
import type { ProgressPlace } from './progress-streams.ts';
import type { TaskTool } from './task-shapes.ts';
import type { ToolPorts } from './tools.ts';

export type McpPorts = ToolPorts &
  Pick<Ports, 'log' | 'random'> &
  HasAccess &
  HasTaskWake &
  HasSignOffLimit & {
    readonly tools: readonly Tool<ToolPorts>[];
    /** Those of the wings that are left out too: their tasks began before. */
    readonly taskKinds: readonly Listed<'tasks'>[];
    readonly taskTools: readonly TaskTool[];
    readonly needOfTasks: Need;
    /** Where people open pages. */
    readonly apiUrl: string;
    readonly recordDenial: RecordDenial;
    readonly limits: RequestLimits;
  };

/** Who calls, in which request. */
export type McpCallContext = {
  readonly caller: Caller;
  readonly trace: RequestTrace;
  readonly asked: Asked;
  /** Where notifications of progress go; null if the client wants none, or no place is free. */
  readonly progress: ProgressPlace | null;
};

export type McpCall = { readonly method: string; readonly name: string; readonly need: Need; readonly meta: unknown };

/** W3C Trace Context §3.2. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

export type Performed = {
  readonly result?: object;
  readonly error?: AppError;
  readonly traceId: string;
  /** The trace of the call, which its audit event names too. */
  readonly traceparent: string;
};

/**
 * Runs a call with its audit event, in the trace that `_meta` names, else in that of the request. A caller without what
 * the call needs is refused before the work, and the denial is recorded instead.
 */
export async function perform(
  ports: McpPorts,
  { method, name, need, meta }: McpCall,
  { caller, trace: ofRequest }: McpCallContext,
  work: (caller: Caller) => object | Promise<object>,
): Promise<Performed> {
  const traceparent = (meta as Record<string, unknown> | undefined)?.[TRACEPARENT_META_KEY];
  const isContinued = typeof traceparent === 'string' && TRACEPARENT.test(traceparent);
  const trace = isContinued ? continueTrace(traceparent, 'POST', `mcp ${name}`) : ofRequest;
  const { traceId } = trace;
  const traced = { traceId, traceparent: traceparentOf(trace) };
  const tracedCaller: Caller = { ...caller, request: withTrace(caller.request, traced) };
  try {
    const result = await runInSpan(trace, async () => {
      await assertMayCall(ports, name, need, tracedCaller);
      return auditMcpCall(ports, { method, name }, tracedCaller, () => work(tracedCaller));
    });
    return { result, ...traced };
  } catch (err) {
    const error = isAppError(err) ? err : internalError({ cause: err });
    if (error.definition.status >= 500) ports.log.error({ err, trace_id: traceId }, 'an MCP call failed');
    return { error, ...traced };
  } finally {
    ofRequest.writesAudit ||= trace.writesAudit;
    if (isContinued) endServerSpan(trace, 200);
  }
}

async function assertMayCall(ports: McpPorts, name: string, need: Need, caller: Caller): Promise<void> {
  const refusal = refusalOf(need, caller);
  if (refusal === null) return;
  const permission = need !== null && 'anyOf' in need ? need.anyOf[0] : undefined;
  const auth = { accepts: ['bearer'], for: 'anyone', subject: 'none', ...(permission && { permission }) } as const;
  await ports.recordDenial(caller, { operation: `callMcp ${name}`, auth }, refusal);
  throw refusal;
}

const withTrace = (
  { ip, userAgent, certificate, hashIdentifier, arrivedAt, hasLeft }: RequestContext,
  traced: Pick<RequestContext, 'traceId' | 'traceparent'>,
): RequestContext => ({ ip, userAgent, certificate, hashIdentifier, arrivedAt, hasLeft, ...traced });

/** The same members as a problem document of the API. */
export const problemOf = (error: AppError, traceId: string): Record<string, unknown> => ({
  ...errorAnswer(error, { traceId, oauth: false, sent: 'bearer' }).body,
});
