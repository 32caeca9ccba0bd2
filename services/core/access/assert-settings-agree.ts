import type { ClientAuthentication, ClientOrigin } from './access.store.ts';
import { areAddressed, type IdentityAssertions } from './assertion-shapes.ts';
import { FAPI_METHODS } from './client-auth-shapes.ts';
import type { ClientAlgorithms, ProfileSettings } from './client-profile.ts';
import { clientSettingsConflict } from './errors.ts';
import { type Workload, workloadProblem } from './workload-shapes.ts';

/** The settings of a client that depend on one another, as they are after a change. */
type ClientSettingsToCheck = ProfileSettings &
  ClientAlgorithms &
  Pick<ClientAuthentication, 'auth_method'> & {
    readonly origin: ClientOrigin;
    readonly workload: Workload | null;
    readonly identity_assertions: IdentityAssertions | null;
  };

/**
 * Only a confidential client that an administrator has vetted may do without PKCE, and only for requests that come in an
 * address: RFC 9700 §2.1.1 requires PKCE of public clients, FAPI 2.0 §5.3.2.2 of pushed requests.
 */
function assertPkce(settings: ClientSettingsToCheck): void {
  if (settings.pkce === 'required') return;
  if (settings.auth_method === 'none') throw clientSettingsConflict({ detail: 'A public client must use PKCE.' });
  if (settings.require_pushed_authorization_requests)
    throw clientSettingsConflict({ detail: 'A client that must push its requests must use PKCE.' });
  if (settings.origin !== 'admin')
    throw clientSettingsConflict({ detail: 'A client that no administrator has registered must use PKCE.' });
}

/** RFC 9700 §4.14.2: refresh tokens that are not rotated must be bound to the client and its key, or to the key alone. */
function assertRotation(settings: ClientSettingsToCheck): void {
  if (settings.refresh_rotation === 'on') return;
  if (settings.origin !== 'admin')
    throw clientSettingsConflict({
      detail: 'Only a client that an administrator has registered may keep its refresh tokens.',
    });
  const isCertified = settings.auth_method !== 'none' && settings.tls_client_certificate_bound_access_tokens;
  if (!settings.dpop_bound_access_tokens && !isCertified)
    throw clientSettingsConflict({
      detail:
        'A client may keep its refresh tokens only if its access tokens are bound to a DPoP key, or those of a confidential client to a certificate.',
    });
}

/** FAPI 2.0 §5.3.2 and §5.4.1; the rules above then require PKCE and bound tokens. */
function assertProfile(settings: ClientSettingsToCheck): void {
  if (settings.profile !== 'fapi2') return;
  if (!FAPI_METHODS.some((method) => method === settings.auth_method))
    throw clientSettingsConflict({
      detail: `A client of the profile fapi2 authenticates by ${FAPI_METHODS.join(' or ')}.`,
    });
  if (!settings.require_pushed_authorization_requests)
    throw clientSettingsConflict({ detail: 'A client of the profile fapi2 must push its requests.' });
  if (settings.refresh_rotation === 'on')
    throw clientSettingsConflict({ detail: 'A client of the profile fapi2 keeps its refresh tokens.' });
  if (settings.id_token_signed_response_alg === 'RS256' || settings.access_token_signed_response_alg === 'RS256')
    throw clientSettingsConflict({ detail: 'Tokens of a client of the profile fapi2 are not signed with RS256.' });
}

/** FAPI 2.0 §5.3.2.1 knows clients that sign, and an `aud` as one text: not the tokens of others. */
function assertWorkload({ workload, auth_method: authMethod, profile, origin }: ClientSettingsToCheck): void {
  if (workload === null) return;
  const isTheirs = authMethod === 'private_key_jwt' && profile === 'default' && origin === 'admin';
  const detail = isTheirs
    ? workloadProblem(workload)
    : 'Only a client with private_key_jwt that an administrator has registered, without the profile fapi2, has a workload.';
  if (detail !== undefined) throw clientSettingsConflict({ detail });
}

/** A client that does not authenticate must not act for a user at another server. */
function assertIdentityAssertions({ identity_assertions: assertions, ...client }: ClientSettingsToCheck): void {
  if (assertions === null) return;
  if (!areAddressed(assertions))
    throw clientSettingsConflict({ detail: 'The servers of identity assertions have https addresses.' });
  if (client.auth_method === 'none' || client.origin !== 'admin')
    throw clientSettingsConflict({
      detail: 'Only a client that authenticates, and that an administrator has registered, has identity assertions.',
    });
}

/** Throws `client_settings_conflict` (400). The table has the same rules as constraints, except for algorithms and identity assertions. */
export function assertSettingsAgree(settings: ClientSettingsToCheck): void {
  assertPkce(settings);
  assertRotation(settings);
  assertProfile(settings);
  assertWorkload(settings);
  assertIdentityAssertions(settings);
}
