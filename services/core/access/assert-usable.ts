import { isMisspelling, nearestName } from '#services/platform/define/nearest-name.ts';
import { requestInvalid } from '#services/platform/errors.ts';
import type { HasAccess } from './access-directory.ts';
import { clientSettingsConflict } from './errors.ts';

type Scopes = readonly string[] | undefined;

/**
 * Refuses scopes that are a misspelt scope of OpenID Connect. Other names are not checked: a permission may be declared
 * later, and the scopes of other audiences are not known here.
 * @throws requestInvalid (400) with the nearest name
 */
export function assertScopesSpelt(
  { access }: HasAccess,
  members: { readonly scopes?: Scopes; readonly credential_scopes?: Scopes },
): void {
  const known = access.publishedScopes().filter((scope) => !scope.includes(':'));
  const wrong = [
    ...wrongIn('scopes', members.scopes ?? [], known),
    ...wrongIn('credential_scopes', members.credential_scopes ?? [], known),
  ];
  if (wrong.length > 0) throw requestInvalid({ problems: wrong });
}

const wrongIn = (member: string, scopes: readonly string[], known: readonly string[]) =>
  scopes.flatMap((scope, at) => {
    const nearest = nearestName(scope, known);
    if (!isMisspelling(scope, nearest)) return [];
    return [{ at: `body/${member}/${at}`, why: `${JSON.stringify(scope)} is no scope: did you mean ${nearest}?` }];
  });

/**
 * A client without redirect URI gets no code: every request of it would be refused (RFC 6749 §3.1.2.2).
 * @throws clientSettingsConflict (400)
 */
export function assertCodesCanReach({
  grant_types: grantTypes,
  redirect_uris: redirectUris = [],
}: {
  readonly grant_types: readonly string[];
  readonly redirect_uris?: readonly string[] | undefined;
}): void {
  if (redirectUris.length > 0 || !grantTypes.includes('authorization_code')) return;
  throw clientSettingsConflict({
    detail: 'The grant authorization_code needs a redirect URI: add the address of the application to redirect_uris.',
  });
}
