#!/usr/bin/env node
// Prisma's command line downloads a native schema engine and stops where it cannot. This speaks the engine's
// protocol (JSON-RPC over stdio, one message a line) with the WebAssembly build from npm instead, so that
// `prisma migrate diff|status|dev` and `prisma db pull` work offline:
//   PRISMA_SCHEMA_ENGINE_BINARY=$PWD/scripts/schema-engine.mjs npx prisma migrate status
// Development only: a starting service applies migrations by services/platform/postgres/migrate.ts.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils';
import * as engineModule from '@prisma/schema-engine-wasm/schema_engine_bg';
import pg from 'pg';

const args = process.argv.slice(2);
const optionOf = (name) => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);

// "char" and its array: the adapter knows neither, and introspection reads the system tables made of them.
const CHAR = { oid: 18, as: 1042, type: ColumnTypeEnum.Character };
const CHAR_ARRAY = { oid: 1002, as: 1014, type: ColumnTypeEnum.CharacterArray };

/** Connection members without a connection string: one would win over `database` and aim the shadow at the original. */
function connectionOf(text) {
  const url = new URL(text);
  return {
    host: url.searchParams.get('host') ?? url.hostname,
    port: Number(url.port || 5432),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password) || undefined,
    database: decodeURIComponent(url.pathname.slice(1)),
  };
}

/** `cli can-connect-to-database|create-database|drop-database`: one command, one exit code. */
async function runCommand(command, connection) {
  const admin = command === 'can-connect-to-database' ? connection : { ...connection, database: 'postgres' };
  const client = new pg.Client(admin);
  try {
    await client.connect();
    const name = client.escapeIdentifier(connection.database);
    if (command === 'create-database') await client.query(`CREATE DATABASE ${name}`);
    if (command === 'drop-database') await client.query(`DROP DATABASE ${name}`);
    await client.end();
    return 0;
  } catch (err) {
    const fields = {
      message: err.message,
      is_panic: false,
      error_code: err.code === '3D000' ? 'P1003' : 'P1001',
      meta: { database_host: connection.host, database_port: connection.port, database_name: connection.database },
    };
    process.stderr.write(`${JSON.stringify({ level: 'ERROR', target: 'schema_engine::logger', fields })}\n`);
    return 1;
  }
}

/** Columns of the last answer that were "char": renamed on the way in, named again on the way out. */
let charColumns = [];

class CharAwarePool extends pg.Pool {
  async query(...query) {
    const answer = await super.query(...query);
    charColumns = [];
    for (const [index, field] of (answer?.fields ?? []).entries()) {
      const known = [CHAR, CHAR_ARRAY].find((kind) => kind.oid === field.dataTypeID);
      if (!known) continue;
      field.dataTypeID = known.as;
      charColumns.push([index, known.type]);
    }
    return answer;
  }
}

function withCharColumns(adapter) {
  const queryRaw = adapter.queryRaw.bind(adapter);
  adapter.queryRaw = async (query) => {
    const answer = await queryRaw(query);
    for (const [index, type] of charColumns) answer.columnTypes[index] = type;
    return answer;
  };
  return adapter;
}

const openAdapter = async (connection) => {
  const pool = new CharAwarePool(connection);
  return withCharColumns(await new PrismaPg(pool, { disposeExternalPool: true }).connect());
};

function adapterFactory(connection) {
  return {
    provider: 'postgres',
    adapterName: '@prisma/adapter-pg',
    connect: () => openAdapter(connection),
    connectToShadowDb: async () => {
      const database = `prisma_migrate_shadow_db_${randomUUID()}`;
      const admin = new pg.Client(connection);
      await admin.connect();
      await admin.query(`CREATE DATABASE "${database}"`);
      const adapter = await openAdapter({ ...connection, database });
      const dispose = adapter.dispose.bind(adapter);
      adapter.dispose = async () => {
        // The shadow's own pool goes first: a database with connections cannot be dropped.
        await dispose();
        await admin.query(`DROP DATABASE "${database}" WITH (FORCE)`);
        await admin.end();
      };
      return adapter;
    },
  };
}

function loadEngine() {
  globalThis.PRISMA_WASM_PANIC_REGISTRY = { set_message: (text) => process.stderr.write(`${text}\n`) };
  const folder = import.meta.resolve('@prisma/schema-engine-wasm/schema_engine_bg');
  const module = new WebAssembly.Module(readFileSync(new URL('./schema_engine_bg.wasm', folder)));
  const { exports } = new WebAssembly.Instance(module, { './schema_engine_bg.js': engineModule });
  engineModule.__wbg_set_wasm(exports);
  exports.__wbindgen_start();
}

const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);

async function serve(connection) {
  loadEngine();
  let engine;
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() === '') continue;
    const { id, method, params } = JSON.parse(line);
    if (!method) continue;
    try {
      engine ??= await engineModule.SchemaEngine.new(
        { datamodels: undefined, enabledPreviewFeatures: [] },
        () => {},
        bindMigrationAwareSqlAdapterFactory(adapterFactory(connection)),
      );
      const result = (await engine[method === 'getDatabaseVersion' ? 'version' : method](params)) ?? null;
      if (method === 'diff' && typeof result?.stdout === 'string') {
        // The native engine prints by a request of its own.
        send({ id: 1_000_000 + id, method: 'print', params: { content: result.stdout } });
        delete result.stdout;
      }
      send({ id, result });
    } catch (err) {
      const data = { is_panic: false, message: err.message, meta: err.meta ?? null, error_code: err.code ?? null };
      send({ id, error: { code: 4466, message: 'An error happened. Check the data field for details.', data } });
    }
  }
}

if (args.includes('--version')) {
  console.log('schema-engine-cli wasm');
} else {
  const connection = connectionOf(JSON.parse(optionOf('--datasource') ?? '{}').url);
  if (args.includes('cli')) process.exitCode = await runCommand(optionOf('cli'), connection);
  else await serve(connection);
  process.exit();
}
