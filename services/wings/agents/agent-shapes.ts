/** `silent`: no heartbeat for three of its periods. */
export const AGENT_STATUSES = ['active', 'silent', 'disabled', 'expired', 'killed'] as const;
export type AgentStatus = (typeof AGENT_STATUSES)[number];

/** How an agent authenticates (RFC 7591 §2). */
export const AGENT_METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const;

export const CAPABILITIES_MAX = 50;

/** Who set a limit: both kinds hold. */
export const LIMIT_SETTERS = ['administrator', 'owner'] as const;
export type LimitSetter = (typeof LIMIT_SETTERS)[number];
/** Limits of one setter for one agent, and currencies of one limit. */
export const LIMITS_MAX = 20;
