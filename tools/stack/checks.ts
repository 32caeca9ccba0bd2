import { existsSync, readFileSync } from 'node:fs';
import { dashboards } from '#observability/dashboards/all.ts';
import { eventually } from './children.ts';
import type { CollectorAddresses } from './telemetry.ts';

/** Panels that are rightly empty in a short run in which all is well. */
const emptyWhenWell: Readonly<Record<string, string>> = {
  'Refused sign-ins against the same hour yesterday': 'there is no yesterday',
  'Checkpoints not delivered': 'none was refused',
  'Refused by rate limits': 'no client exceeds a limit',
  'Reads of the replica': 'no replica is configured',
  'Age of the replica': 'no replica is configured',
  'SIEM export: events behind': 'no SIEM is configured',
  'Duration of a restore rehearsal': 'a restore is rehearsed once a week',
  'Import progress': 'nothing is imported',
  'Sessions carried over': 'no other provider is replaced',
};

async function ask<T>(prometheus: string, path: string, parameters: Record<string, string> = {}): Promise<T> {
  const answer = await fetch(`${prometheus}/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const body = (await answer.json()) as { status: string; data: T; error?: string };
  if (body.status !== 'success') throw new Error(`${parameters.query ?? path}: ${body.error}`);
  return body.data;
}

/** Every target is scraped, and every rule evaluates without an error. */
export async function checkScrapes(prometheus: string, targetCount: number): Promise<string> {
  const { activeTargets } = await eventually('every target to be up', async () => {
    const data = await ask<{ activeTargets: { health: string }[] }>(prometheus, 'targets');
    return (
      data.activeTargets.length === targetCount && data.activeTargets.every(({ health }) => health === 'up') && data
    );
  });
  const groups = await eventually('every rule to be evaluated', async () => {
    const data = await ask<{ groups: { rules: { name: string; health: string; lastError?: string }[] }[] }>(
      prometheus,
      'rules',
    );
    return (
      data.groups.length > 0 &&
      data.groups.every(({ rules }) => rules.every(({ health }) => health !== 'unknown')) &&
      data.groups
    );
  });
  const rules = groups.flatMap((group) => group.rules);
  const broken = rules.filter(({ health }) => health !== 'ok');
  if (broken.length > 0) throw new Error(`rules fail: ${broken.map(({ name, lastError }) => `${name}: ${lastError}`)}`);
  return `${activeTargets.length} targets up, ${rules.length} rules evaluated`;
}

type QueryResult = { result: { value: [number, string] }[] };

/** Each query of each dashboard gives data while requests are sent. Answers how many, and names those that are empty. */
export async function checkDashboards(prometheus: string): Promise<string> {
  const queries = dashboards.flatMap(({ title, rows }) =>
    rows.flatMap(({ panels }) =>
      panels.flatMap((panel) =>
        panel.queries.map(({ expr }) => ({ where: `${title} · ${panel.title}`, panel: panel.title, expr })),
      ),
    ),
  );
  const emptyOnes = async () => {
    const empty: typeof queries = [];
    for (const query of queries) {
      const expr = query.expr.replaceAll('$__rate_interval', '1m');
      const { result } = await ask<QueryResult>(prometheus, 'query', { query: expr });
      // A quantile without observations is a series of NaN, and its panel is empty.
      if (result.every(({ value: [, value] }) => value === 'NaN')) empty.push(query);
    }
    return empty;
  };
  let empty: typeof queries = [];
  await eventually('data in every panel', async () => {
    empty = await emptyOnes();
    return empty.every(({ panel }) => panel in emptyWhenWell);
  }).catch(() => {
    const missing = empty.filter(({ panel }) => !(panel in emptyWhenWell));
    throw new Error(`no data for:\n${missing.map(({ where, expr }) => `  ${where}\n    ${expr}`).join('\n')}`);
  });
  const named = empty.map(({ panel }) => `${panel} (${emptyWhenWell[panel]})`);
  return `${queries.length - empty.length} of ${queries.length} dashboard queries give data; empty: ${named.join(', ') || 'none'}`;
}

/** A histogram's exemplar carries the id of a trace that the collector received. */
export async function checkExemplars(prometheus: string, traces: ReadonlySet<string>): Promise<string> {
  const start = String(Date.now() / 1_000 - 3_600);
  const found = await eventually('an exemplar of a known trace', async () => {
    const series = await ask<{ exemplars: { labels: { trace_id: string } }[] }[]>(prometheus, 'query_exemplars', {
      query: 'http_server_request_duration_seconds_bucket',
      start,
      end: String(Date.now() / 1_000 + 60),
    });
    const ids = series.flatMap(({ exemplars }) => exemplars.map(({ labels }) => labels.trace_id));
    return ids.filter((id) => traces.has(id)).length > 0 && ids;
  });
  return `${found.length} exemplars lead from metrics to traces`;
}

const lines = (file: string): unknown[] =>
  existsSync(file)
    ? readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line.endsWith('}'))
        .map((line) => JSON.parse(line))
    : [];

/** Services by trace id, as they reached the collector. */
export function receivedTraces({ tracesFile }: CollectorAddresses): Map<string, Set<string>> {
  type Batch = {
    resourceSpans: {
      resource: { attributes: { key: string; value: { stringValue?: string } }[] };
      scopeSpans: { spans: { traceId: string; name: string }[] }[];
    }[];
  };
  const byTrace = new Map<string, Set<string>>();
  for (const { resourceSpans } of lines(tracesFile) as Batch[])
    for (const { resource, scopeSpans } of resourceSpans) {
      const service = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? '';
      for (const { traceId, name } of scopeSpans.flatMap(({ spans }) => spans))
        byTrace.set(traceId, (byTrace.get(traceId) ?? new Set()).add(service).add(name));
    }
  return byTrace;
}

/** One trace runs from a request in the API to the job and the seal in a worker. @returns the ids of such traces */
const wholeTraces = (collector: CollectorAddresses): Promise<readonly string[]> =>
  eventually('a trace from the API to the sealed log', () => {
    const found = [...receivedTraces(collector)].filter(([, names]) =>
      ['sallyport-api', 'sallyport-worker', 'seal-audit-events', 'seal audit event'].every((name) => names.has(name)),
    );
    return found.length > 0 && found.map(([id]) => id);
  });

export async function checkTraces(collector: CollectorAddresses): Promise<string> {
  const whole = await wholeTraces(collector);
  return `${receivedTraces(collector).size} traces at the collector, ${whole.length} from a request to its job and seal`;
}

type JaegerTrace = {
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
  readonly spans: readonly {
    readonly spanID: string;
    readonly operationName: string;
    readonly processID: string;
    readonly references: readonly { readonly refType: string; readonly spanID: string }[];
  }[];
};

/** The names of the spans from the seal of an event up to the request that caused it, as Jaeger knows them. */
function pathOfSeal({ spans, processes }: JaegerTrace): readonly string[] {
  const path: string[] = [];
  let span = spans.find(({ operationName }) => operationName === 'seal audit event');
  while (span !== undefined) {
    path.unshift(`${processes[span.processID]?.serviceName} ${span.operationName}`);
    const parent = span.references.find(({ refType }) => refType === 'CHILD_OF')?.spanID;
    span = spans.find(({ spanID }) => spanID === parent);
  }
  return path;
}

/** Jaeger answers for a trace with its way from the request in the API to the sealed event in a worker. */
export async function checkJaeger(query: string, collector: CollectorAddresses): Promise<string> {
  const ids = await wholeTraces(collector);
  return eventually('a trace at Jaeger from a request to its seal', async () => {
    for (const id of ids) {
      const answer = (await (await fetch(`${query}/api/traces/${id}`)).json()) as { data: JaegerTrace[] | null };
      const path = answer.data?.[0] === undefined ? [] : pathOfSeal(answer.data[0]);
      if (path.length > 1 && path[0]?.startsWith('sallyport-api ') && path.at(-1)?.startsWith('sallyport-worker '))
        return `Jaeger shows ${path.join(' → ')}`;
    }
    return undefined;
  });
}

/** Log lines reach the collector as their service's, with the trace they belong to. */
export async function checkLogs(collector: CollectorAddresses): Promise<string> {
  type Batch = {
    resourceLogs: {
      resource: { attributes: { key: string; value: { stringValue?: string } }[] };
      scopeLogs: { logRecords: { traceId?: string; severityText?: string; body: { stringValue?: string } }[] }[];
    }[];
  };
  const traced = await eventually('a log line with the id of a known trace', () => {
    const traces = receivedTraces(collector);
    const found = (lines(collector.logsFile) as Batch[])
      .flatMap(({ resourceLogs }) => resourceLogs)
      .filter(({ resource }) =>
        resource.attributes.some(
          ({ key, value }) => key === 'service.name' && value.stringValue?.startsWith('sallyport-'),
        ),
      )
      .flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords))
      .filter(({ traceId }) => traceId !== undefined && traces.has(traceId));
    return found.length > 0 && found;
  });
  return `${traced.length} log lines lead to a trace`;
}
