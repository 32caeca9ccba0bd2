// For tests only, preloaded into a product: a statement with the value PLANTED_DEFECT fails inside our code, as a defect of it would.
import pg from 'pg';

type Query = (...args: unknown[]) => unknown;

const query = pg.Client.prototype.query as Query;
pg.Client.prototype.query = function planted(this: pg.Client, ...args: unknown[]): unknown {
  const { values = args[1] } = args[0] as { values?: unknown };
  if (Array.isArray(values) && values.includes(process.env.PLANTED_DEFECT)) throw new TypeError('planted');
  return query.apply(this, args);
} as typeof pg.Client.prototype.query;
