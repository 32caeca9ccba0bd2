import { z } from 'zod';
import { manages, pageQuery, reads, reason, text } from '#services/core/access/admin-shapes.ts';
import { rightsExceeded } from '#services/core/authority/errors.ts';
import { byUser } from '#services/core/identity/contracts/admin-contract.ts';
import { usersManage, usersRead } from '#services/core/identity/permissions.ts';
import { userUnknown } from '#services/core/tokens/errors.ts';
import { component } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { consentUnknown } from '../client-errors.ts';

const defineEndpoint = endpointsOf('Consents');
const own = { accepts: ['bearer', 'session'], for: 'person', subject: 'own' } as const;
const instant = z.iso.datetime();

const consentShape = component('Consent', {
  client_id: z.string(),
  client_name: z.string(),
  /** `registration` and `document` clients are unvetted. */
  client_origin: z.enum(['admin', 'registration', 'document']),
  /** All granted scopes, of every audience. */
  scopes: z.array(z.string()),
  /** Audiences of its tokens. */
  audiences: z.array(z.string()),
  /** What the user allowed last, and what active token families may do (RFC 9396). */
  authorization_details: z.array(z.looseObject({ type: z.string() })),
  /** When the user last granted a scope. */
  granted_at: instant,
  /** Number of its active token families. */
  logins: z.int(),
  /** How often an older copy of one of these got the current refresh token. */
  copy_uses: z.int(),
});
export type GrantedConsentView = z.output<typeof consentShape>;

export const listGrantedConsentsEndpoint = defineEndpoint({
  path: '/v1/consents',
  operation: 'listConsents',
  summary: 'List the applications that can act for you',
  auth: own,
  query: z.strictObject(pageQuery),
  responses: { 200: z.object({ consents: z.array(consentShape), next: z.string().nullable() }) },
});

export const withdrawGrantedConsentEndpoint = defineEndpoint({
  method: 'DELETE',
  path: '/v1/consents/{client_id}',
  operation: 'withdrawConsent',
  summary: 'Withdraw your consent to an application and revoke its tokens at once',
  auth: own,
  params: z.strictObject({
    client_id: z
      .string()
      .min(1)
      .max(255)
      .regex(/^[\x21-\x7e]*$/),
  }),
  responses: { 204: null },
  errors: [consentUnknown],
});

export const listApplicationConsentsEndpoint = defineEndpoint({
  ...listGrantedConsentsEndpoint,
  path: '/v1/admin/users/{user_id}/consents',
  operation: 'listApplicationConsents',
  summary: 'List the applications that can act for a user',
  auth: reads(usersRead),
  params: byUser,
  errors: [userUnknown],
});

export const withdrawApplicationConsentEndpoint = defineEndpoint({
  method: 'DELETE',
  path: '/v1/admin/users/{user_id}/consents/{client_id}',
  operation: 'withdrawApplicationConsent',
  summary: 'Withdraw the consent of a user to an application and revoke its tokens at once',
  auth: manages(usersManage),
  params: byUser.extend({ client_id: text(255) }),
  query: z.strictObject({ reason }),
  responses: { 204: null },
  errors: [userUnknown, rightsExceeded, consentUnknown],
});
