import { setTimeout as sleep } from 'node:timers/promises';
import { targetIdOf } from '#services/core/audit/committed-values.ts';
import { basicOf } from '../../http.ts';
import type { CopyName } from '../../ledger.ts';
import type { Usable } from '../../surface-facts.ts';
import {
  anyCopy,
  atBothCopies,
  end,
  keep,
  kept,
  newToken,
  newUsable,
  pickShown,
  REASON,
  type RowStatements,
  type Surface,
  showToken,
  type TokenUsable,
  type Tools,
} from './surface.ts';

/** Leaves of the public log only commit to the name of an application. */
const keysOf = (type: string): string =>
  `SELECT ${targetIdOf('e')} AS key FROM audit_events e WHERE e.type = '${type}'`;

export const applicationRows: RowStatements = {
  'declaration of an application': keysOf('application.declared'),
  'registration of a client': 'SELECT name AS key FROM oauth_clients',
  'deletion of an application': keysOf('application.deleted'),
};

const LIVE_MOST = 6;
/** A permission is written in letters. */
const nounOf = (application: string): string =>
  application.replace(/\d/g, (digit) => 'abcdefghij'[Number(digit)]!).replace('-', '_');

type Application = Usable & { readonly audience: string };

/** Applications declare permissions, their clients get tokens with them, and a deletion ends those. */
export function createApplications(tools: Tools): Surface {
  const { authorization, ask, random } = tools;
  const applications: Application[] = [];
  const tokens: (TokenUsable & { readonly audience: string })[] = [];
  const headers = { authorization };
  const live = (): Application[] => kept(tools, applications).filter(({ revocations }) => revocations.length === 0);

  async function declare(): Promise<void> {
    const made = await keep(
      tools,
      { surface: 'applications', kind: 'declaration of an application', events: ['application.declared'] },
      (key) => ({
        path: '/v1/admin/applications',
        json: {
          ...{ application: key, audience: `https://${key}.example.test`, reason: REASON },
          ...{ permissions: [`${nounOf(key)}:read`], roles: { reader: [`${nounOf(key)}:read`] } },
        },
        headers,
      }),
      ({ status }) => status === 200,
    );
    if (!made) return;
    const { key: id } = made;
    const audience = `https://${id}.example.test`;
    const application = { ...newUsable({ surface: 'applications', kind: 'application', id }), audience };
    const client = await keep(
      tools,
      { surface: 'applications', kind: 'registration of a client', events: ['client.created'] },
      (name) => ({
        path: '/v1/admin/clients',
        json: {
          ...{ name, grant_types: ['client_credentials'], audiences: [audience], reason: REASON },
          credential_scopes: [`${nounOf(id)}:read`],
        },
        headers,
      }),
      ({ status }) => status === 201,
    );
    if (!client) return;
    await sleep(2_000);
    const answer = await ask(anyCopy(tools), {
      path: '/oauth2/token',
      form: { grant_type: 'client_credentials', resource: audience },
      headers: { authorization: basicOf(client.answer.body) },
    });
    if (answer.status !== 200) return;
    const { revocations } = application;
    const token = newToken('applications', 'token for an application', answer.body.access_token, revocations);
    tokens.push({ ...token, audience });
    // From now on it may be deleted: a token that is given after that is no fact about its end.
    applications.push(application);
  }

  const remove = async (application: Application | undefined): Promise<void> => {
    if (!application || application.revocations.length > 0) return;
    const { id: key } = application;
    await end(
      tools,
      application,
      { surface: 'applications', kind: 'deletion of an application', events: ['application.deleted'], key },
      { method: 'DELETE', path: `/v1/admin/applications/${key}?reason=${encodeURIComponent(REASON)}`, headers },
      // A retry after a lost answer finds none.
      ({ status }) => status === 204 || status === 404,
    );
  };

  const use = (token: (typeof tokens)[number], copy: CopyName): Promise<void> =>
    showToken(tools, token, copy, token.audience);

  return {
    acts: [
      [0.12, () => (live().length < LIVE_MOST ? declare() : remove(random.pick(live())))],
      [0.04, () => remove(random.pick(live()))],
      [
        0.6,
        async () => {
          const token = pickShown(tools, tokens);
          if (token) await use(token, anyCopy(tools));
        },
      ],
    ],
    prepare: async () => {
      await Promise.all([declare(), declare()]);
      // The gate counts a use from the time on when every copy has learnt of the token.
      await sleep(1_500);
      await atBothCopies(tokens, use);
      await remove(applications[0]);
    },
    settle: () => atBothCopies(tokens.slice(-60), use),
  };
}
