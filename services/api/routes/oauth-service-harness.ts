// For tests only: a copy of the API, and requests of two confidential clients at its OAuth token endpoints.

import { issueFor, type Pair } from '#tools/testing/flows/flows.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { type ApiCopy, type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { type ClientCredentials, type Received, type Sent, send } from '#tools/testing/http-client.ts';

type Form = Sent['form'];

export type ServiceHarness = ApiHarness & {
  readonly api: ApiCopy;
  /** May issue and introspect. */
  readonly service: ClientCredentials;
  /** Has neither permission. */
  readonly bystander: ClientCredentials;
  newUser(): ReturnType<typeof newSignedIn>;
  postForm(path: string, form: Form, basic?: ClientCredentials): Promise<Received>;
  token(form: Form, client?: ClientCredentials): Promise<Received>;
  credentials(form?: Record<string, string>, client?: ClientCredentials): Promise<Received>;
  introspect(value: string, client?: ClientCredentials): Promise<Received>;
  /** A token pair whose family belongs to the service client. */
  pairOfService(): Promise<Pair>;
};

export async function openServiceHarness(): Promise<ServiceHarness> {
  const harness = await openApiHarness();
  const api = await harness.startCopy({ hashes: false });
  const service = await harness.newClient(['tokens:introspect', 'tokens:issue', 'demo:read', 'demo:write']);
  const bystander = await harness.newClient(['demo:read']);
  const newUser = () => newSignedIn(api);
  const postForm: ServiceHarness['postForm'] = (path, form, basic) =>
    send(api.url, 'POST', path, { form, ...(basic ? { basic } : {}) });
  const token: ServiceHarness['token'] = (form, client) => postForm('/oauth2/token', form, client);
  return {
    ...harness,
    api,
    service,
    bystander,
    newUser,
    postForm,
    token,
    credentials: (form = {}, client = service) => token({ grant_type: 'client_credentials', ...form }, client),
    introspect: (value, client = service) => postForm('/oauth2/introspect', { token: value }, client),
    pairOfService: async () => {
      const { id } = await newUser();
      return issueFor({ api: api.url, credentials: { client: service } }, id);
    },
  };
}
