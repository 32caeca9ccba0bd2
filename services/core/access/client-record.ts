import { z } from 'zod';
import { withOption } from '#services/platform/define/command-option.ts';
import { type ChangesOf, defineRecord, type RowOf } from '#services/platform/define/record.ts';
import { ASYMMETRIC_ALGORITHMS } from '../keys/algorithm-shapes.ts';
import { scopes, text } from './admin-shapes.ts';
import { identityAssertionsShape } from './assertion-shapes.ts';
import { DETAIL_TYPE } from './authorization-detail-shapes.ts';
import { CLIENT_PROFILES } from './client-auth-shapes.ts';
import { GRANT_TYPES, LOGOUT_URI, NOTIFICATION_URI } from './grant-shapes.ts';
import { PROFILE_CLAIMS } from './profile-claims.ts';
import { workloadShape } from './workload-shapes.ts';

/** A PNG in a data URL (RFC 2397), at most 24 KB of image. */
export const LOGO_LENGTH_MAX = 32_768;
export const LOGO = /^data:image\/png;base64,[A-Za-z0-9+/]+={0,2}$/;

const redirectUris = z.array(z.string().min(1).max(2_048)).max(20);
/** Without a user part, which on a page looks like the host. */
const CLIENT_URI = /^https:\/\/[\w.:[\]-]+([/?#][\x21-\x7e]*)?$/;
const algorithm = z.enum(ASYMMETRIC_ALGORITHMS).nullable();
/** As a client names it; `unsignedAlgorithm` checks it against the keys. */
const namedAlgorithm = z
  .string()
  .max(16)
  .regex(/^[\w-]+$/)
  .nullable()
  .default(null);
const flag = z.boolean().default(false);

/** The settings of an OAuth client besides the way it authenticates: one line each, by the names of RFC 7591 where it has one. */
export const clientRecord = defineRecord({
  /** Shown to users. */
  name: {
    shape: withOption(text(128), { flags: '--name <text>', help: 'name shown to users' }),
    shows: z.string(),
    reads: 'coalesce(name, "clientId")',
  },
  /** Its page, which the consent page links to (RFC 7591 §2). */
  client_uri: {
    shape: withOption(z.string().max(512).regex(CLIENT_URI).nullable(), {
      flags: '--client-uri <url>',
      help: 'its page, which the consent page links to',
      no: 'link to no page',
    }),
    initially: null,
    registers: {
      shape: z.string().max(512).regex(CLIENT_URI).nullable().default(null),
      help: 'Its page, which the consent page links to; https, up to 512 characters.',
    },
  },
  grant_types: {
    shape: withOption(z.array(z.enum(GRANT_TYPES)).max(8), { flags: '--grants <types...>', help: 'grant types' }),
  },
  /** Scopes that a sign-in through the client may request. */
  scopes: { shape: withOption(scopes, 'scopes it may request for users'), initially: [] },
  /** Scopes that its client-credentials tokens may carry; those that name permissions are its permissions. */
  credential_scopes: {
    shape: withOption(scopes, {
      flags: '--credential-scopes <scopes...>',
      help: 'scopes of its client credentials tokens',
    }),
    initially: [],
  },
  redirect_uris: {
    shape: withOption(redirectUris, {
      flags: '--redirect-uris <uris...>',
      help: 'allowed redirect URIs',
      keepsCommas: true,
    }),
    initially: [],
  },
  /** Where it may send users after they sign out (OpenID Connect RP-Initiated Logout §3.1). */
  post_logout_redirect_uris: {
    shape: withOption(redirectUris, {
      flags: '--post-logout-redirect-uris <uris...>',
      help: 'allowed redirect URIs after sign-out',
      keepsCommas: true,
    }),
    initially: [],
  },
  /** OpenID Connect Back-Channel Logout §2.2; null: the client gets no logout tokens. */
  backchannel_logout_uri: {
    shape: withOption(z.string().max(2_048).regex(LOGOUT_URI).nullable(), {
      flags: '--backchannel-logout-uri <uri>',
      help: 'where logout tokens are sent when a session ends',
      no: 'send no logout tokens',
    }),
    initially: null,
    registers: {
      // An unvetted client gets no request over plain http.
      shape: z
        .string()
        .max(512)
        .regex(LOGOUT_URI)
        .startsWith('https:')
        .optional()
        .transform((uri) => uri ?? null),
      help: 'Where logout tokens are sent when a session ends; https, up to 512 characters (OpenID Connect Back-Channel Logout §2.2).',
    },
  },
  backchannel_logout_session_required: {
    shape: withOption(z.boolean(), {
      help: 'the client needs the session id in logout tokens',
      no: 'the client does not need the session id in logout tokens',
    }),
    initially: false,
    registers: {
      shape: flag,
      help: 'The client needs `sid` in logout tokens; they always have it.',
      answers: z.boolean(),
    },
  },
  /** CIBA Core §4: set, the client is in ping mode; null: it polls only. */
  backchannel_client_notification_endpoint: {
    shape: withOption(z.string().max(2_048).regex(NOTIFICATION_URI).nullable(), {
      flags: '--notification-endpoint <uri>',
      help: 'where it is pinged when people have decided what it asked for (CIBA); https',
      no: 'do not ping it: it polls',
    }),
    initially: null,
  },
  /** Audiences that its tokens may have besides the installation itself; `*`: any audience. */
  audiences: {
    shape: withOption(z.array(text(512)).max(50), {
      help: 'audiences that its tokens may have besides this installation',
      keepsCommas: true,
    }),
    initially: [],
  },
  /** RFC 9449 §5.2: every token of the client is bound to a key. */
  dpop_bound_access_tokens: {
    shape: withOption(z.boolean(), {
      flags: '--dpop-bound',
      help: 'require DPoP-bound tokens (RFC 9449)',
      no: 'do not require DPoP-bound tokens',
    }),
    initially: false,
    registers: {
      shape: flag,
      help: 'Every token of the client is bound to a key (RFC 9449 §5.2).',
      answers: z.boolean(),
    },
  },
  /** RFC 8705 §3.4: every token of the client is bound to a certificate. */
  tls_client_certificate_bound_access_tokens: {
    shape: withOption(z.boolean(), {
      flags: '--certificate-bound',
      help: 'require certificate-bound tokens (RFC 8705)',
      no: 'do not require certificate-bound tokens',
    }),
    initially: false,
    registers: {
      shape: flag,
      help: 'Every token of the client is bound to a certificate (RFC 8705 §3.4).',
      answers: z.boolean(),
    },
  },
  /** RFC 9126 §6: the client may only send pushed authorization requests. */
  require_pushed_authorization_requests: {
    shape: withOption(z.boolean(), {
      flags: '--pushes-requests',
      help: 'require pushed authorization requests (RFC 9126)',
      no: 'do not require pushed authorization requests',
    }),
    initially: false,
    registers: {
      shape: flag,
      help: 'The client may only send pushed authorization requests (RFC 9126 §6).',
      answers: z.boolean(),
    },
  },
  /** RFC 7636. `optional` only for a confidential client that need not push its requests. */
  pkce: {
    shape: withOption(z.enum(['required', 'optional']), {
      flags: '--pkce <setting>',
      help: 'optional: a confidential client may do without PKCE',
    }),
    initially: 'required',
  },
  /** `off`: a refresh returns the same refresh token. Only for a client whose tokens are bound; a public one to a DPoP key. */
  refresh_rotation: {
    shape: withOption(z.enum(['on', 'off']), {
      flags: '--refresh-rotation <setting>',
      help: 'off: a client with bound tokens keeps its refresh token',
    }),
    initially: 'on',
  },
  /** Seconds after a rotation for which an older copy of the sign-in gets the current refresh token; 0: it ends the family. */
  refresh_copies: {
    shape: withOption(z.int().min(0).max(86_400), {
      flags: '--refresh-copies <seconds>',
      help: 'how long an older copy of a sign-in gets the current refresh token; 0: never',
    }),
    initially: 0,
  },
  /** `fapi2` sets all of these as the FAPI 2.0 Security Profile requires, and refuses what contradicts it. */
  profile: {
    shape: withOption(z.enum(CLIENT_PROFILES), {
      flags: '--profile <profile>',
      help: 'fapi2: all that FAPI 2.0 requires',
    }),
    initially: 'default',
  },
  /** OpenID Connect Registration §2; null: the default algorithm of the installation. */
  id_token_signed_response_alg: {
    shape: withOption(algorithm, { flags: '--id-token-alg <alg>', help: 'algorithm of its ID tokens' }),
    initially: null,
    registers: {
      shape: namedAlgorithm,
      help: 'Algorithm of its ID tokens; the default of this installation if left out.',
    },
  },
  access_token_signed_response_alg: {
    shape: withOption(algorithm, { flags: '--access-token-alg <alg>', help: 'algorithm of its access tokens' }),
    initially: null,
    registers: { shape: namedAlgorithm, help: 'The same for its access tokens.' },
  },
  /** For applications that read the ID token alone; without them UserInfo returns what is known of the user. */
  id_token_claims: {
    shape: withOption(z.array(z.enum(PROFILE_CLAIMS)).max(PROFILE_CLAIMS.length), {
      flags: '--id-token-claims <claims...>',
      help: `claims about the user in its ID tokens, as far as the user allowed the scope: ${PROFILE_CLAIMS.join(', ')}`,
    }),
    initially: [],
  },
  /** Types of authorization details that it may ask for (RFC 9396 §10). */
  authorization_details_types: {
    shape: withOption(z.array(z.string().regex(DETAIL_TYPE)).max(50), {
      flags: '--authorization-details-types <types...>',
      help: 'types of authorization details that it may ask for (RFC 9396)',
    }),
    initially: [],
  },
  /** Tokens of another issuer authenticate it, instead of assertions that it signs: its keys are those of the issuer. */
  workload: {
    shape: withOption(workloadShape.nullable(), {
      flags: '--workload <file>',
      help: 'JSON file with issuer and subject of the tokens of another issuer that authenticate it',
      no: 'accept no tokens of another issuer',
      reads: 'json-file',
    }),
    initially: null,
  },
  /** Identity assertions (ID-JAG) that it may redeem here, and those that it gets for other servers. */
  identity_assertions: {
    shape: withOption(identityAssertionsShape.nullable(), {
      flags: '--identity-assertions <file>',
      help: 'JSON file with the servers whose identity assertions it redeems, and those for which it gets some',
      no: 'redeem and get no identity assertions',
      reads: 'json-file',
    }),
    initially: null,
  },
  /**
   * Shown beside its name on sign-in, consent and device pages: a PNG of at most 512 × 512 pixels, as a data URL (RFC
   * 2397); null: none. `/oauth2/clients/{client_id}/logo` answers it.
   */
  logo: {
    shape: withOption(z.string().max(LOGO_LENGTH_MAX).regex(LOGO).nullable(), {
      flags: '--logo <file>',
      help: 'PNG shown beside its name: at most 24 KB and 512 × 512 pixels',
      no: 'show no logo',
      reads: 'png-file',
    }),
    initially: null,
    showsAs: { name: 'has_logo', sql: 'logo IS NOT NULL', shape: z.boolean() },
  },
});

export type ClientSettingsRow = RowOf<typeof clientRecord>;
export type ClientChanges = ChangesOf<typeof clientRecord>;
