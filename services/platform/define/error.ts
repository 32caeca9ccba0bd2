/** Codes of RFC 6749 §4.1.2.1 and §5.2, 7009 §2.2.1, 7591 §3.2.2, 8628 §3.5, CIBA Core §13, 9101 §6.2, 9396 §5 and 9449 §5 that we answer with. */
type OAuthErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'invalid_scope'
  | 'invalid_target'
  | 'invalid_authorization_details'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'unsupported_token_type'
  | 'unsupported_response_type'
  | 'request_not_supported'
  | 'invalid_redirect_uri'
  | 'invalid_client_metadata'
  | 'invalid_dpop_proof'
  | 'use_dpop_nonce'
  | 'authorization_pending'
  | 'slow_down'
  | 'expired_token'
  | 'unknown_user_id'
  | 'invalid_binding_message'
  | 'access_denied'
  | 'server_error'
  | 'temporarily_unavailable';

/** One entry of the error registry: everything that clients, documents and SDKs need to know about an error. */
export type ErrorDefinition = {
  /** Stable, snake_case, never reused for another meaning. */
  readonly code: string;
  /** 400 by default: the request is wrong in itself. */
  readonly status: number;
  /** Status at the OAuth endpoints, if it differs (RFC 6749 uses 400 for most errors). */
  readonly oauthStatus?: number;
  readonly oauthError?: OAuthErrorCode;
  /** Public text, the same in every response: no token, no hint about an account. */
  readonly title: string;
  readonly cause: string;
  readonly fix: string;
  /** Whether the same request may succeed later: by default where the status (429, 503) says so. */
  readonly retryable: boolean;
};

type AppErrorOptions = {
  /** Public sentence about this occurrence; never a secret, a token or personal data. */
  readonly detail?: string;
  readonly retryAfterSeconds?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** The wrong inputs, as JSON pointers with a reason each. */
  readonly problems?: readonly { readonly at: string; readonly why: string }[];
  /** Extension members of the problem details (RFC 9457 §3.2), as documented for `code`. */
  readonly members?: Readonly<Record<string, unknown>>;
  /** For the log only. */
  readonly cause?: unknown;
  /** True if the use-case has already written an audit event for this refusal: it is not recorded again. */
  readonly isRecorded?: boolean;
};

/** The only error class with its own response; any other error becomes a 500 without details. */
export class AppError extends Error {
  readonly definition: ErrorDefinition;
  readonly options: AppErrorOptions;
  constructor(definition: ErrorDefinition, options: AppErrorOptions = {}) {
    super(definition.code, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.definition = definition;
    this.options = options;
  }
  get code(): string {
    return this.definition.code;
  }
}

export type ErrorFactory = ((options?: AppErrorOptions) => AppError) & { readonly definition: ErrorDefinition };

/**
 * Declares an error as a value: `throw refreshTokenReused()`.
 * @example export const keyUnknown = defineError({ code: 'key_unknown', status: 404, … })
 */
export function defineError(
  declared: Omit<ErrorDefinition, 'status' | 'retryable'> & Partial<ErrorDefinition>,
): ErrorFactory {
  const definition = { status: 400, retryable: declared.status === 429 || declared.status === 503, ...declared };
  const factory = (options?: AppErrorOptions): AppError => new AppError(definition, options);
  return Object.assign(factory, { definition });
}

export const isAppError = (value: unknown): value is AppError => value instanceof AppError;
