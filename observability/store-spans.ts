import { createRequire } from 'node:module';
import { IORedisInstrumentation } from '@opentelemetry/instrumentation-ioredis';
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg';

/**
 * Spans of statements and Redis commands of jobs. The API records its own, which cost an unrecorded request nothing
 * (store-call-span.ts). Only within a trace, so that polling creates none. Without values: of a statement its text with
 * placeholders, of a command its name.
 */
export function traceStoreCalls(): void {
  // The stable names (db.query.text) in place of the old; read when an instrumentation is made.
  process.env.OTEL_SEMCONV_STABILITY_OPT_IN ??= 'database';
  new PgInstrumentation({ requireParentSpan: true, enhancedDatabaseReporting: false });
  new IORedisInstrumentation({ requireParentSpan: true, dbStatementSerializer: (command) => command });
  // They patch `require`, which our imports bypass. Requiring the module once patches it for all.
  for (const name of ['pg', 'ioredis']) createRequire(import.meta.url)(name);
}
