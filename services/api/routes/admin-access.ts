import {
  declareApplicationEndpoint,
  deleteApplicationEndpoint,
  listApplicationsEndpoint,
} from '#services/domain/access/applications-contract.ts';
import { certificateNamesOf } from '#services/domain/access/certificates/certificate-shapes.ts';
import {
  createClientEndpoint,
  deleteClientEndpoint,
  disableClientEndpoint,
  enableClientEndpoint,
  listClientsEndpoint,
  readClientEndpoint,
  rotateClientSecretEndpoint,
  updateClientEndpoint,
} from '#services/domain/access/clients-contract.ts';
import {
  declareApplication,
  deleteApplication,
  listApplications,
} from '#services/domain/access/manage-applications.ts';
import {
  deleteClient,
  listClients,
  type ManageClientsPorts,
  readClient,
  registerClient,
  rotateClientSecret,
  setClientStatus,
  updateClient,
} from '#services/domain/access/manage-clients.ts';
import { createRole, deleteRole, listRoles, setRolePermissions } from '#services/domain/access/manage-roles.ts';
import type { HasOwnAudiences } from '#services/domain/access/plan-application.ts';
import {
  createRoleEndpoint,
  deleteRoleEndpoint,
  listRolesEndpoint,
  setRolePermissionsEndpoint,
} from '#services/domain/access/roles-contract.ts';
import { bind, bindOnce, type RouteContext } from '../bind.ts';
import type { Once } from '../requests/once.ts';

/** Clients, roles and applications, for callers with the permission to read or manage them. */
export function adminAccessRoutes(routes: RouteContext, ports: ManageClientsPorts & HasOwnAudiences): void {
  bind(routes, listRolesEndpoint, async ({ query }) => {
    const { items, next } = await listRoles(ports, query);
    return { roles: items, next };
  });
  const withOnce = (once: Once): ManageClientsPorts => ({
    ...ports,
    ...once,
    accessChanged: () => once.afterCommit(ports.accessChanged),
  });
  bindOnce(routes, createRoleEndpoint, ({ body }, caller, once) => createRole(withOnce(once), body, caller));
  bind(routes, setRolePermissionsEndpoint, ({ params, body }, caller) =>
    setRolePermissions(ports, { name: params.role, ...body }, caller),
  );
  bind(routes, deleteRoleEndpoint, ({ params, query }, caller) =>
    deleteRole(ports, { name: params.role, reason: query.reason }, caller),
  );

  bind(routes, listApplicationsEndpoint, async ({ query }) => {
    const { items, next } = await listApplications(ports, query);
    return { applications: items, next };
  });
  bind(routes, declareApplicationEndpoint, async ({ body: { dry_run: isDryRun = false, ...body } }, caller) => ({
    ...(await declareApplication(ports, { ...body, isDryRun }, caller)),
    dry_run: isDryRun,
  }));
  bind(routes, deleteApplicationEndpoint, ({ params, query }, caller) =>
    deleteApplication(ports, { application: params.application, reason: query.reason }, caller),
  );

  bind(routes, listClientsEndpoint, async ({ query }) => {
    const { disabled, name_prefix: namePrefix, ...rest } = query;
    const isDisabled = disabled === undefined ? undefined : disabled === 'true';
    const { items, next } = await listClients(ports, { ...rest, isDisabled, namePrefix });
    return { clients: items, next };
  });
  bind(routes, readClientEndpoint, ({ params }) => readClient(ports, params.client_id));
  bindOnce(routes, createClientEndpoint, ({ body }, caller, once) =>
    registerClient(
      withOnce(once),
      {
        name: body.name,
        grantTypes: body.grant_types,
        reason: body.reason,
        ...(body.client_id === undefined ? {} : { clientId: body.client_id }),
        ...(body.auth_method === undefined ? {} : { authMethod: body.auth_method }),
        ...certificateNamesOf(body),
        jwks: body.jwks,
        jwksUri: body.jwks_uri,
        scopes: body.scopes ?? [],
        credentialScopes: body.credential_scopes ?? [],
        redirectUris: body.redirect_uris ?? [],
        postLogoutRedirectUris: body.post_logout_redirect_uris ?? [],
        backchannelLogoutUri: body.backchannel_logout_uri ?? null,
        backchannelLogoutSessionRequired: body.backchannel_logout_session_required ?? false,
        audiences: body.audiences ?? [],
        dpopBound: body.dpop_bound_access_tokens,
        certificateBound: body.tls_client_certificate_bound_access_tokens,
        pushesRequests: body.require_pushed_authorization_requests,
        requiresPkce: body.pkce === undefined ? undefined : body.pkce === 'required',
        rotatesRefreshTokens: body.refresh_rotation === undefined ? undefined : body.refresh_rotation === 'on',
        profile: body.profile,
        idTokenAlgorithm: body.id_token_signed_response_alg,
        accessTokenAlgorithm: body.access_token_signed_response_alg,
        logo: body.logo,
      },
      caller,
    ),
  );
  bind(routes, updateClientEndpoint, ({ params, body }, caller) => {
    const { name, scopes, audiences, reason } = body;
    const changes = {
      name,
      scopes,
      audiences,
      grantTypes: body.grant_types,
      credentialScopes: body.credential_scopes,
      redirectUris: body.redirect_uris,
      postLogoutRedirectUris: body.post_logout_redirect_uris,
      backchannelLogoutUri: body.backchannel_logout_uri,
      backchannelLogoutSessionRequired: body.backchannel_logout_session_required,
      dpopBound: body.dpop_bound_access_tokens,
      certificateBound: body.tls_client_certificate_bound_access_tokens,
      pushesRequests: body.require_pushed_authorization_requests,
      requiresPkce: body.pkce === undefined ? undefined : body.pkce === 'required',
      rotatesRefreshTokens: body.refresh_rotation === undefined ? undefined : body.refresh_rotation === 'on',
      profile: body.profile,
      idTokenAlgorithm: body.id_token_signed_response_alg,
      accessTokenAlgorithm: body.access_token_signed_response_alg,
      logo: body.logo,
    };
    const { auth_method: authMethod, jwks, jwks_uri: jwksUri } = body;
    const authentication = { authMethod, jwks, jwksUri, ...certificateNamesOf(body) };
    return updateClient(ports, { clientId: params.client_id, changes, authentication, reason }, caller);
  });
  bind(routes, rotateClientSecretEndpoint, ({ params, body }, caller) =>
    rotateClientSecret(
      ports,
      { clientId: params.client_id, reason: body.reason, overlapSeconds: body.overlap_seconds },
      caller,
    ),
  );
  for (const [endpoint, isDisabled] of [
    [disableClientEndpoint, true],
    [enableClientEndpoint, false],
  ] as const)
    bind(routes, endpoint, ({ params, body }, caller) =>
      setClientStatus(ports, { clientId: params.client_id, isDisabled, reason: body.reason }, caller),
    );
  bind(routes, deleteClientEndpoint, ({ params, query }, caller) =>
    deleteClient(ports, { clientId: params.client_id, reason: query.reason }, caller),
  );
}
