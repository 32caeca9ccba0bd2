import { patient } from '../platform/process/patience.ts';
import type { RunRecord } from './run-record.ts';

const TIMEOUT_MS = 3_000;

/** The health of a run's processes by name, from its health port; null where that does not answer. */
export async function askHealth({ metrics }: Pick<RunRecord, 'metrics'>): Promise<Record<string, string> | null> {
  try {
    const answer = await fetch(new URL('/healthz', metrics), { signal: AbortSignal.timeout(patient(TIMEOUT_MS)) });
    const { processes } = (await answer.json()) as { processes: Record<string, { status: string }> };
    return Object.fromEntries(Object.entries(processes).map(([name, { status }]) => [name, status]));
  } catch {
    return null;
  }
}

/** What an API says of its parts (`/readyz`), such as `postgres` `unreachable`; null where it does not answer. */
export async function askReadiness({
  api,
}: Pick<RunRecord, 'api'>): Promise<{ readonly status: string; readonly components: Record<string, string> } | null> {
  try {
    const answer = await fetch(new URL('/readyz', api), { signal: AbortSignal.timeout(patient(TIMEOUT_MS)) });
    return (await answer.json()) as { status: string; components: Record<string, string> };
  } catch {
    return null;
  }
}
