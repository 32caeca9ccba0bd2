// For tests only: imports a text on a database of its own.
import { createHash, randomBytes } from 'node:crypto';
import { hashSync } from '@node-rs/bcrypt';
import { createFactorSeal } from '#services/core/identity/sessions/factor-seal.ts';
import type { Caller } from '#services/core/ports.ts';
import { type RawSql, rawSql, testCaller } from '#tools/testing/harness/ports.ts';
import { type OwnPorts, openTestPorts } from '#tools/testing/harness/stores.ts';
import { findAdapter } from '../adapters/adapters.ts';
import type { RejectView } from '../contract.ts';
import { importMap } from '../import-shapes.ts';
import { type ImportRow, readRejects } from './imports.store.ts';
import { type ImportInput, type ImportPorts, type Rehearsal, rehearseImport, runImport } from './run-import.ts';
import { startImport } from './start-import.ts';

export const RP_ID = 'auth.example.com';
export const HASH = hashSync('correct horse battery staple', 4);
export const OTHER_HASH = hashSync('another password entirely', 4);
/** Users as lines, given one by one or as a list. */
export const ndjson = (...users: readonly object[]): string =>
  users
    .flat()
    .map((user) => `${JSON.stringify(user)}\n`)
    .join('');
const AUTH_SECRET = 'a secret of the tests, 32 characters long';

type Imported = ImportRow & { readonly rejects: readonly RejectView[] };

export type ImportHarness = {
  readonly ports: OwnPorts & ImportPorts;
  readonly rows: RawSql;
  /** Imports a file from its beginning, or goes on where a run of it ended. */
  importText(
    kind: string,
    text: string | Uint8Array,
    map?: object,
    more?: Partial<Pick<ImportInput, 'signal' | 'onProgress' | 'batchRecords'>> & {
      readonly chunkBytes?: number;
      readonly askedBy?: Caller;
    },
  ): Promise<Imported>;
  /** What the import of a file would do. */
  rehearseText(kind: string, text: string, map?: object, askedBy?: Caller): Promise<Rehearsal>;
  close(): Promise<void>;
};

async function* chunked(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
}

export async function openImportHarness(): Promise<ImportHarness> {
  const own = await openTestPorts();
  const ports = { ...own, factorSeal: createFactorSeal(AUTH_SECRET), relyingPartyId: RP_ID };
  return {
    ports,
    rows: rawSql((text, values) =>
      own.sql.query({ name: `harness_${randomBytes(6).toString('hex')}`, text } as never, values),
    ),
    importText: async (kind, text, given = {}, { chunkBytes = 65_536, askedBy = testCaller, ...more } = {}) => {
      const bytes = typeof text === 'string' ? Buffer.from(text) : text;
      const adapter = findAdapter(kind);
      if (adapter === undefined) throw new Error(`no adapter ${kind}`);
      const map = importMap.parse(given);
      const sourceSha256 = createHash('sha256').update(bytes).digest('hex');
      const source = { kind, map, sourceSha256, sourceBytes: bytes.length, reason: 'a test' };
      const row = await startImport(ports, source, askedBy);
      const ended = await runImport(
        ports,
        { row, adapter, map, stream: chunked(bytes, chunkBytes), ...more },
        testCaller,
      );
      return { ...(ended ?? row), rejects: await readRejects(own.sql, row.id, 10_000) };
    },
    rehearseText: async (kind, text, given = {}, askedBy = testCaller) => {
      const adapter = findAdapter(kind);
      if (adapter === undefined) throw new Error(`no adapter ${kind}`);
      const stream = chunked(Buffer.from(text), 65_536);
      return rehearseImport(ports, { adapter, map: importMap.parse(given), stream }, askedBy);
    },
    close: () => own.end(),
  };
}
