import { glob } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { modules } from '#services/modules.ts';
import type { AuditEvent } from '#services/platform/define/audit-event.ts';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import type { ErrorDefinition, ErrorFactory } from '#services/platform/define/error.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** Every value that the files of a pattern export, with its file. */
async function exportsOf(pattern: string): Promise<{ file: string; value: unknown }[]> {
  const files: string[] = [];
  for await (const file of glob(pattern, { cwd: ROOT })) if (!/(\.test|-harness)\.ts$/.test(file)) files.push(file);
  const found: { file: string; value: unknown }[] = [];
  for (const file of files.sort()) {
    const module = (await import(pathToFileURL(resolve(ROOT, file)).href)) as Record<string, unknown>;
    for (const value of Object.values(module)) found.push({ file, value });
  }
  return found;
}

const isEndpoint = (value: unknown): value is Endpoint =>
  typeof value === 'object' && value !== null && 'operation' in value && 'path' in value && 'responses' in value;

const isErrorFactory = (value: unknown): value is ErrorFactory => typeof value === 'function' && 'definition' in value;

const unique = <T>(items: readonly T[], keyOf: (item: T) => string): T[] => {
  const byKey = new Map<string, T>();
  for (const item of items) {
    const key = keyOf(item);
    const held = byKey.get(key);
    if (held !== undefined && held !== item) throw new Error(`${key} is declared twice`);
    byKey.set(key, item);
  }
  return [...byKey.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, item]) => item);
};

/** All endpoint contracts, or those of the core or of the wings, by path and method. */
export async function collectEndpoints(of: '{core,wings}' | 'core' | 'wings' = '{core,wings}'): Promise<Endpoint[]> {
  const found = await exportsOf(`services/${of}/**/*contract.ts`);
  return unique(
    found.map(({ value }) => value).filter(isEndpoint),
    (endpoint) => `${endpoint.path} ${endpoint.method}`,
  );
}

/** The error registry: every `defineError` that a file exports, alone or in a list, by code. */
export async function collectErrors(): Promise<ErrorDefinition[]> {
  const found = [
    ...(await exportsOf('services/platform/{,backups/}errors.ts')),
    ...(await exportsOf('services/{core,wings}/**/*errors.ts')),
    ...(await exportsOf('services/{core,mcp,wings}/**/*contract.ts')),
  ];
  const values = found.flatMap(({ value }) => (Array.isArray(value) ? (value as unknown[]) : [value]));
  return unique(values.filter(isErrorFactory), (factory) => factory.definition.code).map(
    (factory) => factory.definition,
  );
}

/** All audit events, by type. */
export const collectAuditEvents = (): AuditEvent[] =>
  unique(
    modules.flatMap((module) => module.events),
    (event) => event.type,
  );
