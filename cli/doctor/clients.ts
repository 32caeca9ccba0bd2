import { defineStatement } from '#services/platform/define/statement.ts';
import { withDatabase } from '../database-ports.ts';
import { type Check, pass, type Result, warn } from './check.ts';

const NAMED = 5;

/** Reads every client; there are few, and copies read them all too. */
const clientFacts = defineStatement(
  'doctorClientFacts',
  `SELECT count(*)::int AS clients, coalesce(array_agg("clientId" ORDER BY "clientId") FILTER (WHERE NOT "requirePKCE"), '{}') AS "withoutPkce"
   FROM oauth_clients`,
);

export type ClientFacts = {
  readonly clients: number;
  /** Ids of the clients that may request codes without PKCE. */
  readonly withoutPkce: readonly string[];
};

export function clientsResult({ clients, withoutPkce }: ClientFacts): Result {
  if (withoutPkce.length === 0) return pass(`${clients} registered, PKCE required of all`);
  const named = withoutPkce.slice(0, NAMED).join(', ');
  const rest = withoutPkce.length - NAMED;
  return warn(
    `${clients} registered, PKCE optional for ${named}${rest > 0 ? ` and ${rest} more` : ''}`,
    `when the client sends a code_challenge: npx sallyport clients update ${withoutPkce[0]} --pkce required --reason <why>`,
  );
}

/** Shows the clients that an administrator exempted from a protection. */
export const clientsCheck: Check = {
  name: 'clients',
  needs: 'databaseUrl',
  run: () =>
    withDatabase(
      async ({ sql }) => {
        const [facts] = await sql.query<ClientFacts>(clientFacts);
        return clientsResult(facts as ClientFacts);
      },
      process.env,
      { isHeldToMarks: false },
    ),
};
