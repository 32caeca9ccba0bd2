import { currentTraceId, currentTraceparent } from '#observability/http-span.ts';
import type { SessionView } from '../core/identity/contracts/sign-in-contract.ts';
import type { Caller, RequestContext } from '../core/ports.ts';
import type { ClientInfo } from '../core/tokens/token-types.ts';
import { type ExchangePorts, exchangeLegacySession } from '../wings/import/bridge/exchange-legacy-session.ts';
import {
  receiveLegacyWebhook,
  type WebhookInput,
  type WebhookPorts,
  type WebhookReceipt,
} from '../wings/import/bridge/receive-legacy-webhook.ts';
import { type LegacySession, validateLegacySession } from '../wings/import/bridge/validate-legacy-session.ts';
import { assertWing, type HasWings } from './assert-wing.ts';

const NO_CLIENT_INFO: ClientInfo = { ip: '', userAgent: '' };

type LegacySessionServicePorts = ExchangePorts & WebhookPorts & Pick<RequestContext, 'hashIdentifier'>;

/** Live sessions and webhooks of the provider that is replaced, for TypeScript code in the same process. */
export class LegacySessionService {
  readonly #ports: LegacySessionServicePorts;

  constructor(ports: LegacySessionServicePorts & HasWings) {
    assertWing(ports, 'import');
    this.#ports = ports;
  }

  #caller({ ip, userAgent }: ClientInfo): Caller {
    const { hashIdentifier } = this.#ports;
    const traceparent = currentTraceparent() ?? '';
    const request = { ip, userAgent, traceId: currentTraceId() ?? '', traceparent, hashIdentifier };
    return { kind: 'system', name: 'legacy-session-service', request };
  }

  /**
   * Whether a token of the old provider proves a session: signed by it, for this application, not expired. Does not look
   * up whether its user was imported. Throws `legacy_keys_unavailable` (503) if nothing can be decided.
   */
  async validateLegacySession(session: LegacySession): Promise<boolean> {
    return (await validateLegacySession(this.#ports, session)).valid;
  }

  /**
   * Carries the session that a token of the old provider proves over, and returns the session here; the same one each
   * time. Throws as `POST /v1/legacy/sessions` does.
   */
  async migrateSessions(token: string, clientInfo: ClientInfo = NO_CLIENT_INFO): Promise<SessionView> {
    const { request } = this.#caller(clientInfo);
    return (await exchangeLegacySession(this.#ports, { token }, { kind: 'anonymous', request })).body.session;
  }

  /**
   * Receives a webhook of the old provider that your own route got: its headers, the bytes of its body, and what they
   * say. A worker applies it. Throws `legacy_webhook_forged` (401).
   */
  handleLegacyProviderWebhook(webhook: WebhookInput): Promise<WebhookReceipt> {
    return receiveLegacyWebhook(this.#ports, webhook, this.#caller(NO_CLIENT_INFO));
  }
}
