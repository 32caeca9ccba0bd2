// For tests only: an installation that accepts unvetted clients: self-registered ones, and documents.
import { createServer, type RequestListener } from 'node:http';
import type { TestUser } from '#tools/testing/flows/flows.ts';
import type { Shown } from '#tools/testing/flows/oauth-browser.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { type ApiCopy, openApiHarness } from '#tools/testing/harness/api.ts';
import { browserOf, challengeOf, newVerifier } from '#tools/testing/harness/oauth.ts';
import { type Json, send } from '#tools/testing/http-client.ts';
import { listening } from '#tools/testing/listening.ts';

/** The redirect address of such a client. */
export const NOTES_REDIRECT = 'https://notes.example/cb';
export const UNVETTED_AUDIENCE = 'https://api.example/mcp';

/** Settings of a copy with open registration; documents are read from external addresses only. */
export const STRICT = { CLIENT_REGISTRATION: 'token', CLIENT_DOCUMENTS: 'true' } as const;

/**
 * One open copy of the API and its user: one harness per test file.
 * @param newUser creates a user with a password, which costs a hash
 */
export async function openUnvettedHarness(newUser: (copy: ApiCopy) => Promise<TestUser> = newSignedIn) {
  const harness = await openApiHarness();
  /** Open registration; documents are read from this machine too. */
  const open = await harness.startCopy({
    hashes: false,
    env: {
      CLIENT_REGISTRATION: 'open',
      CLIENT_DOCUMENTS: 'true',
      CLIENT_DOCUMENTS_PRIVATE: 'true',
      UNVETTED_CLIENT_AUDIENCES: UNVETTED_AUDIENCE,
    },
  });
  return {
    ...harness,
    open,
    user: await newUser(open),
    /** @param at another copy than the open one */
    register: (json: object, bearer?: string, at = open) =>
      send(at.url, 'POST', '/oauth2/register', { json, ...(bearer === undefined ? {} : { bearer }) }),
  };
}

/** An authorization request of such a client. */
export const unvettedPath = (
  clientId: string,
  verifier: string,
  members: Readonly<Record<string, string>> = {},
): string =>
  `/oauth2/authorize?${new URLSearchParams({
    client_id: clientId,
    redirect_uri: NOTES_REDIRECT,
    response_type: 'code',
    scope: 'openid email',
    state: 's',
    code_challenge: challengeOf(verifier),
    code_challenge_method: 'S256',
    ...members,
  })}`;

/** The host of a client's document; a test may change the document and how it is served. */
export type DocumentHost = {
  readonly url: string;
  document: Json;
  answer: RequestListener;
  /** Number of requests it received. */
  fetched: number;
  /** Serves the document correctly. */
  readonly serve: RequestListener;
  /** The page shown to a signed-in user that this client sends; the host's own client unless given. */
  askAt(copy: ApiCopy, by: TestUser, clientId?: string): Promise<Shown>;
  close(): void;
};

export async function startDocumentHost(): Promise<DocumentHost> {
  const server = createServer((request, response) => {
    host.fetched += 1;
    host.answer(request, response);
  });
  const listens = await listening(server);
  const url = `${listens.url}/client.json`;
  const serve: RequestListener = (_request, response) =>
    response
      .writeHead(200, { 'content-type': 'application/json', 'cache-control': 'max-age=600' })
      .end(JSON.stringify(host.document));
  const host: DocumentHost = {
    url,
    document: {
      client_id: url,
      client_name: 'Journal',
      redirect_uris: [NOTES_REDIRECT],
      grant_types: ['authorization_code', 'refresh_token'],
    },
    answer: serve,
    fetched: 0,
    serve,
    askAt: (copy, by, clientId = url) => browserOf(copy, by).open(unvettedPath(clientId, newVerifier())),
    close: () => void listens.close(),
  };
  return host;
}
