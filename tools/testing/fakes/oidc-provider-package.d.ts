/** The parts of `oidc-provider`, which has no types, that the tests use. */
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http';

  type Context = {
    readonly oidc: { readonly client: { readonly clientId: string }; readonly session: { accountId: string } };
  };
  type Grant = {
    addOIDCScope(scope: string): void;
    addResourceScope(resource: string, scope: string): void;
    save(): Promise<string>;
  };

  export class Provider {
    constructor(issuer: string, configuration: object);
    readonly Grant: new (about: {
      clientId: string;
      accountId: string;
    }) => Grant;
    readonly RefreshToken: new (
      about: object,
    ) => { save(): Promise<string> };
    readonly Client: { find(clientId: string): Promise<object | undefined> };
    /** Once the token endpoint has its answer: `body`. */
    on(
      event: 'grant.success',
      listen: (context: { readonly body: { access_token: string; id_token: string } }) => void,
    ): void;
    callback(): (request: IncomingMessage, response: ServerResponse) => void;
    interactionFinished(request: IncomingMessage, response: ServerResponse, result: object): Promise<void>;
  }
  export type { Context, Grant };
}
